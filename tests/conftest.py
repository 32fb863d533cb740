"""Makes every test repeatable, small and headless; shared fixtures."""

import fcntl
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

# Read by the libraries when they are imported. Two workers share two cores, so
# each gets one thread: with more, they wait for each other.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.config.command import Command, execute
from tests.command_process import CommandProcess
from tfcolor.backbones import BACKBONES
from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.heads.histogram import HistogramHead
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.painting import SizeOptions
from tfcolor.models.network import Network
from tfcolor.savedmodel.exporter import export_colorizer

# Before TensorFlow starts: the tests of `MirroredStrategy` need two devices,
# all others take the first.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

SEED = 20160330
PHOTO_SIZES = ((48, 64), (64, 48), (56, 56), (40, 72), (72, 40), (61, 53))
TINY_FLAGS = (
    "--backbone=alexnet",
    "--alexnet_width_multiplier=0.03",
    "--colorization_crop_size=32",
    "--colorization_min_side=32",
    "--colorization_max_side=40",
    "--colorization_num_locations=4",
    "--colorization_edge=4",
    "--colorization_num_bins=8",
    "--colorization_hidden_units=8",
    "--colorization_taps=x,conv2,fc7",
    "--learning_rate=0.01",
    "--batch_size=4",
    "--num_steps=4",
    "--log_every_steps=1",
    "--evaluate_every_steps=2",
    "--evaluate_num_examples=4",
    "--checkpoint_every_steps=2",
)

TINY_PARTS_FLAGS = (
    "--images=builtin:digits_rot",
    "--images_per_class=6",
    "--patches_max_samples=400",
    "--parts_num_components=4",
    "--parts_num_rotations=8",
    "--parts_num_iterations=6",
    "--parts_min_prob=0.005",
    "--classes_num_rotations=4",
    "--classes_num_iterations=3",
    "--upright_images=builtin:digits",
    "--num_upright=2",
)


@pytest.fixture(autouse=True, scope="module")
def fixed_tensorflow_seed():
    """Seeds TensorFlow once a file: each time, it forgets its compiled kernels.

    Seeding before every test took a quarter of the suite's time.
    """
    tf.random.set_seed(SEED)


@pytest.fixture(autouse=True)
def fixed_seeds():
    """Seeds Python and NumPy."""
    random.seed(SEED)
    np.random.seed(SEED)


@pytest.fixture(scope="session")
def make_once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Returns what makes a folder once for all workers; none may change it.

    `make_once(name, make)` calls `make` with the folder, which does not exist yet,
    in the worker that is first. The others wait.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, made = root / "shared" / name, root / "shared" / f"{name}.made"
        folder.parent.mkdir(exist_ok=True)
        with made.open("a+") as marks:
            fcntl.flock(marks, fcntl.LOCK_EX)
            if made.stat().st_size == 0:
                make(folder)
                marks.write("made")
        return folder

    return once


@pytest.fixture(scope="session")
def photos(make_once) -> Path:
    """A folder of six small pictures with sky, ground, sun and texture.

    PNG and JPEG in turn, each of another size.
    """
    return make_once("photos", draw_photos)


def draw_photos(folder: Path) -> None:
    """Draws the pictures for `photos`."""
    folder.mkdir()
    for index, (height, width) in enumerate(PHOTO_SIZES):
        suffix = "jpg" if index % 2 else "png"
        photo = draw_photo(height, width, np.random.default_rng(SEED + index))
        Image.fromarray(photo).save(folder / f"photo{index}.{suffix}")


@pytest.fixture(scope="session")
def labelled_photos(photos, make_once) -> Path:
    """A list of the files in `photos` with three classes, two files each."""
    files = sorted(photos.iterdir())
    classes = ("sea", "hill", "town") * 2
    lines = [f"{file}\t{name}\n" for file, name in zip(files, classes, strict=True)]
    return make_once("photos.txt", lambda path: path.write_text("".join(lines)))


@pytest.fixture(scope="session")
def build_tiny_network():
    """Returns what builds a VGG-16 of 1/32 width with a head of 16 units and 8 bins.

    `build(seed, **backbone options)`. The random kernels are of a size at which
    predictions vary from place to place, as after training.
    """
    return tiny_network


@pytest.fixture(scope="session")
def tiny_colorizer() -> Colorizer:
    """An untrained colorizer that looks at photographs at 24 to 48 pixels."""
    size = SizeOptions(min_side=24, max_side=48)
    return Colorizer(tiny_network(seed=0), HueChroma(8), DecodingOptions(), size)


@pytest.fixture(scope="session")
def colorizer_export(tiny_colorizer, make_once) -> Path:
    """The folder of the versions of a SavedModel of `tiny_colorizer`."""
    record = {"run": "runs/tiny", "step": 7}
    return make_once(
        "colorizer_export", lambda folder: export_colorizer(tiny_colorizer, folder, record)
    )


def tiny_network(seed: int, **backbone_options: object) -> Network:
    """Builds a network for `build_tiny_network`."""
    kind = BACKBONES["vgg16"]
    options = kind.Options(width_multiplier=1 / 32, **backbone_options)
    backbone = kind(options, input_channels=1, seed=seed)
    outputs = {"hue": 8, "chroma": 8}
    head = HistogramHead(backbone.taps(32, 32), outputs, hidden_units=16, seed=seed)
    network = Network(backbone, head)
    random_numbers = np.random.default_rng(seed)
    for variable in network.trainable_variables:
        fan_in = np.prod(variable.shape[:-1]) if len(variable.shape) > 1 else 100
        variable.assign(random_numbers.normal(0, 1.7 / fan_in**0.5, variable.shape))
    return network


@pytest.fixture(scope="session")
def tiny_flags(photos) -> list[str]:
    """Flags of `train` for four steps of a network of a few thousand weights."""
    return [*TINY_FLAGS, f"--images={photos}", "--heldout_fraction=0.3"]


@pytest.fixture(scope="session")
def tiny_run(tiny_flags, make_once) -> Path:
    """The folder of a finished run with `tiny_flags`; not to be changed."""
    from tfcolor.train import COMMAND

    return make_once("tiny", lambda run: succeed(COMMAND, *tiny_flags, f"--run_dir={run}"))


def succeed(command: Command, *arguments: str) -> None:
    """Runs a command in this process."""
    assert execute(command, arguments) == 0


@pytest.fixture(scope="session")
def tiny_parts_run(make_once) -> Path:
    """The folder of a finished run of `fit_parts` with `TINY_PARTS_FLAGS`; not to be changed."""
    from tfcolor.fit_parts import COMMAND

    return make_once(
        "tiny_parts", lambda run: succeed(COMMAND, *TINY_PARTS_FLAGS, f"--run_dir={run}")
    )


@pytest.fixture(scope="session")
def start_command(tmp_path_factory) -> Iterator[Callable[..., CommandProcess]]:
    """Starts a command in a process of its own; none outlives the session.

    `start(name, arguments, **environment)`.
    """
    folder, started = tmp_path_factory.mktemp("shown"), []

    def start(name: str, arguments: list[object], **environment: str) -> CommandProcess:
        shown = folder / f"{len(started)}.txt"
        process = CommandProcess(name, [str(text) for text in arguments], shown, environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


@pytest.fixture(scope="session")
def tiny_export(tiny_run, make_once) -> Path:
    """The folder of the versions of a SavedModel of `tiny_run`."""
    from tfcolor.export import COMMAND

    flags = f"--run_dir={tiny_run}"
    return make_once(
        "tiny_export", lambda folder: succeed(COMMAND, flags, f"--export_dir={folder}")
    )


def draw_photo(height: int, width: int, random_numbers: np.random.Generator) -> np.ndarray:
    """Returns uint8 [height, width, 3]: a gradient sky, a ground and a sun."""
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j][..., None]
    horizon = random_numbers.uniform(0.4, 0.7)
    sky = np.array([0.35, 0.55, 0.9]) + 0.4 * rows * random_numbers.uniform(0, 1, 3)
    ground = (
        np.array([0.3, 0.45, 0.15]) * random_numbers.uniform(0.7, 1.3, 3) * (0.6 + 0.4 * columns)
    )
    picture = np.where(rows < horizon, sky, ground)
    center = random_numbers.uniform(0.1, 0.9, 2) * (horizon, 1)
    is_sun = np.hypot(rows - center[0], columns - center[1]) < 0.12
    picture = np.where(is_sun, (0.95, 0.75, 0.3), picture)
    picture += random_numbers.normal(0, 0.03, (height, width, 1))
    return (255 * np.clip(picture, 0, 1)).round().astype(np.uint8)
