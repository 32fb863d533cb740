"""Makes every test repeatable, small and headless; shared fixtures."""

import os
import random
import subprocess
import sys
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
def photos(tmp_path_factory) -> Path:
    """A folder of six small pictures with sky, ground, sun and texture.

    PNG and JPEG in turn, each of another size.
    """
    folder = tmp_path_factory.mktemp("photos")
    for index, (height, width) in enumerate(PHOTO_SIZES):
        suffix = "jpg" if index % 2 else "png"
        photo = draw_photo(height, width, np.random.default_rng(SEED + index))
        Image.fromarray(photo).save(folder / f"photo{index}.{suffix}")
    return folder


@pytest.fixture(scope="session")
def labelled_photos(photos, tmp_path_factory) -> Path:
    """A list of the files in `photos` with three classes, two files each."""
    path = tmp_path_factory.mktemp("labels") / "photos.txt"
    files = sorted(photos.iterdir())
    classes = ("sea", "hill", "town") * 2
    lines = [f"{file}\t{name}\n" for file, name in zip(files, classes, strict=True)]
    path.write_text("".join(lines))
    return path


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
def colorizer_export(tiny_colorizer, tmp_path_factory) -> Path:
    """The folder of the versions of a SavedModel of `tiny_colorizer`."""
    folder = tmp_path_factory.mktemp("colorizer_export")
    export_colorizer(tiny_colorizer, folder, {"run": "runs/tiny", "step": 7})
    return folder


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
def tiny_run(tiny_flags, tmp_path_factory) -> Path:
    """The folder of a finished run with `tiny_flags`; not to be changed."""
    from tfcolor.config.command import execute
    from tfcolor.train import COMMAND

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert execute(COMMAND, [*tiny_flags, f"--run_dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="session")
def tiny_parts_run(tmp_path_factory) -> Path:
    """The folder of a finished run of `fit_parts` with `TINY_PARTS_FLAGS`; not to be changed."""
    from tfcolor.config.command import execute
    from tfcolor.fit_parts import COMMAND

    folder = tmp_path_factory.mktemp("runs") / "tiny_parts"
    assert execute(COMMAND, [*TINY_PARTS_FLAGS, f"--run_dir={folder}"]) == 0
    return folder


@pytest.fixture
def start_training() -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts `train` in a process of its own; none outlives the test."""
    started = []

    def start(arguments: list[str], **environment: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "tfcolor.train", *arguments],
            cwd=Path(__file__).parents[1],
            env=os.environ | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def tiny_export(tiny_run, tmp_path_factory) -> Path:
    """The folder of the versions of a SavedModel of `tiny_run`."""
    from tfcolor.config.command import execute
    from tfcolor.export import COMMAND

    folder = tmp_path_factory.mktemp("exports") / "tiny"
    assert execute(COMMAND, [f"--run_dir={tiny_run}", f"--export_dir={folder}"]) == 0
    return folder


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
