"""The contract of every task in the table (HOUSE 2.5)."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.moving_scenes import moving_scene, write_video
from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.boxes import BoxSource, ObjectBoxes
from tfcolor.data.sources.builtin_depth import open_depth_scenes
from tfcolor.data.sources.image_folder import open_images
from tfcolor.data.sources.label_maps import LabelMapSource
from tfcolor.data.sources.video import open_video
from tfcolor.data.sources.voc import PresenceSource
from tfcolor.models.network import Network
from tfcolor.models.teacher import Teacher
from tfcolor.tasks import TASKS
from tfcolor.tasks.base import (
    HELDOUT_SPLIT,
    TRAIN_SPLIT,
    ComparingTask,
    IncompleteOptions,
    check_share,
    complete_targets,
)

BATCH, CANONICAL_SIZE = 3, 224
VIDEO_TASKS = ("motion_segmentation", "video_flow", "video_saliency")
SMALL = {
    "colorization": {
        "crop_size": 33,
        "min_side": 33,
        "max_side": 40,
        "num_locations": 5,
        "edge": 2,
        "hidden_units": 8,
    },
    "classification": {"num_classes": 3, "crop_size": 224},
    "linear_probe": {
        "num_classes": 3,
        "crop_size": 32,
        "min_side": 32,
        "max_side": 40,
        "taps": ("conv1_2", "conv5_3"),
        "sizes": (3, 2),
    },
    "distillation": {"num_classes": 3, "crop_size": 224},
    "autoencoder": {"crop_size": 224, "shortcuts": ("conv3_3", "fc6"), "ladder_weight": 0.1},
    "multilabel": {"num_classes": 3, "crop_size": 224},
    "deep_clustering": {"readout": "average", "crop_size": 32, "num_clusters": 3},
    "split_brain": {"crop_size": 33, "min_side": 33, "max_side": 40},
    "exemplar": {"readout": "average", "patch_size": 32},
    "exemplar_classes": {"readout": "average", "patch_size": 32, "num_classes": 6},
    "simclr": {"readout": "average", "crop_size": 32},
    "segmentation": {
        "num_classes": 4,
        "crop_size": 33,
        "num_locations": 9,
        "edge": 2,
        "hidden_units": 8,
    },
    "depth": {
        "crop_height": 32,
        "crop_width": 64,
        "side": 40,
        "channels": (8, 4),
        "mean_depth": 2.0,
    },
    "detection": {
        "num_classes": 3,
        "tap": "fc7",
        "scales": (32, 40),
        "max_side": 64,
        "test_scale": 32,
        "test_max_side": 64,
        "anchor_sides": (16, 32),
        "anchor_ratios": (1.0,),
        "proposal_units": 8,
        "num_train_proposals": 20,
        "num_proposals": 10,
        "region_samples": 8,
        "region_size": 2,
        "hidden_units": 8,
        "max_detections": 5,
        "min_score": 0.0,
        "max_objects": 2,
    },
    "inpainting": {
        "readout": "map",
        "crop_size": 32,
        "min_side": 32,
        "max_side": 40,
        "channels": 4,
        "reconstruction_weight": 0.9,
    },
    "bigan": {
        "readout": "average",
        "crop_size": 32,
        "min_side": 32,
        "max_side": 40,
        "code_size": 5,
        "channels": 4,
        "num_units": 8,
    },
    "rotation": {"readout": "average", "crop_size": 33, "min_side": 33, "max_side": 40},
    "motion_segmentation": {"crop_size": 48, "hidden_units": 8, "cache_folder": ""},
    "video_flow": {
        "crop_size": 33,
        "num_pairs": 5,
        "edge": 2,
        "hidden_units": 8,
        "cache_folder": "",
    },
    "video_saliency": {
        "crop_size": 33,
        "num_locations": 5,
        "edge": 2,
        "hidden_units": 8,
        "cache_folder": "",
    },
    "jigsaw": {"readout": "average", "tile_size": 33},
    "relative_position": {"readout": "average", "patch_size": 33, "hidden_sizes": (8,)},
}
"""Options that make a task small; a task that is not here runs at its defaults,
for images of the canonical size."""
OF_WHOLE_BATCH = ("depth",)
"""Tasks whose losses have a threshold that the batch decides."""
FRONT_ENDS = {"split_brain": "split_lab"}
"""Of the backbone, where a task needs one."""


class Stripes:
    """A teacher whose logits are the brightness of three stripes."""

    sees_color, num_cells = False, 1

    def __call__(self, images):
        stripes = tf.split(images[:, :222], 3, axis=1)
        return 5 * tf.stack([tf.reduce_mean(one, [1, 2, 3]) for one in stripes], axis=-1)


MORE = {"distillation": {"teacher": Teacher([Stripes()], "task")}}
"""What a task needs besides options and images."""


@pytest.fixture(scope="module")
def sources(labelled_photos, tmp_path_factory):
    """The photographs with what a task may know about them, by the task's name."""
    plain = open_images(str(labelled_photos))
    paths = [plain.name_of(position) for position in range(plain.num_examples)]
    presence = np.arange(3 * len(paths)).reshape(-1, 3) % 5 % 3 - 1  # -1, 0 and 1
    folder, maps = tmp_path_factory.mktemp("label_maps"), []
    for number, path in enumerate(paths):
        labels = np.array(Image.open(path).convert("L")) // 52  # 4 is void
        maps.append(folder / f"{number}.png")
        Image.fromarray(labels).save(maps[-1])
    scene, _ = moving_scene(14, (64, 72), (1.2, 1.6), square=(30, 25))
    video = open_video(write_video(folder / "moving.avi", scene))
    return (
        dict.fromkeys(TASKS, plain)
        | dict.fromkeys(VIDEO_TASKS, video)
        | {
            "depth": open_depth_scenes("depth_scenes:6"),
            "multilabel": PresenceSource(paths, presence, ("a", "b", "c")),
            "segmentation": LabelMapSource(paths, maps, ("a", "b", "c", "d"), extra_void_label=4),
            "detection": BoxSource(paths, [_two_objects(path) for path in paths], ("a", "b", "c")),
        }
    )


def _two_objects(path):
    """Two boxes in the middle of an image."""
    width, height = Image.open(path).size
    shares = np.array([[0.1, 0.2, 0.7, 0.9], [0.3, 0.1, 0.8, 0.5]], np.float32)
    boxes = np.round(shares * np.array([height, width] * 2))
    return ObjectBoxes(boxes, np.array([0, 2], np.int32), np.array([False, False]))


@pytest.fixture(scope="module", params=TASKS)
def task(request, sources):
    kind = TASKS[request.param]
    reader = ExampleReader(sources[request.param], cache_bytes=10**7)
    readers = {TRAIN_SPLIT: reader, HELDOUT_SPLIT: reader}
    options = kind.Options(**SMALL.get(request.param, {}))
    if request.param not in SMALL and isinstance(options, IncompleteOptions):
        options = options.completed(readers, CANONICAL_SIZE)
    return kind(options, readers, **MORE.get(request.param, {}))


@pytest.fixture(scope="module")
def batch(task):
    return _batch(task)


@pytest.fixture(scope="module")
def network(task):
    return _network(task)


def _batch(task, split=TRAIN_SPLIT, **plan):
    plan = BatchPlan(BATCH, **{"seed": 4, "num_batches": 1, **plan})
    inputs, targets = next(iter(task.make_dataset(split, plan)))
    return inputs, complete_targets(task, inputs, targets)


def _network(task, seed=0):
    kind = BACKBONES["vgg16"]
    front_end = FRONT_ENDS.get(task.name, "none")
    options = kind.Options(width_multiplier=1 / 32, front_end=front_end)
    backbone = kind(options, input_channels=task.input_channels, seed=seed)
    head = task.build_head(backbone.taps(32, 32), seed)
    return Network(backbone, head, convolutional=getattr(task, "convolutional", True))


@pytest.mark.parametrize("name", TASKS)
def test_name_and_options(name):
    assert TASKS[name].name == name
    check_options(TASKS[name].Options(), f"{name}_")


@pytest.mark.parametrize(
    ("name", "choice", "fields"),
    [
        ("relative_position", "(head=dense)", ("code_size", "hidden_sizes")),
        ("exemplar", "(head=dense)", ("embedding_size",)),
        (
            "video_saliency",
            "(readout=hypercolumn)",
            ("num_locations", "edge", "hidden_units", "dropout_rate", "taps"),
        ),
        ("jigsaw", "(fit=rescale)", ("min_side", "max_side")),
    ],
)
def test_options_that_only_one_choice_reads_say_so(name, choice, fields):
    helps = {
        field.name: field.metadata["help"] for field in dataclasses.fields(TASKS[name].Options)
    }
    assert [field for field in fields if choice not in helps[field]] == []


def test_a_batch_is_two_dicts_with_a_leading_axis(task, batch):
    inputs, targets = batch
    assert {"image", "seed"} <= set(inputs)
    assert inputs["image"].shape[-1] == task.input_channels
    for tensor in (*inputs.values(), *targets.values()):
        assert tensor.shape[0] == BATCH
        if tensor.dtype.is_floating:
            tf.debugging.assert_all_finite(tensor, "examples")


def test_every_split_can_be_read(task):
    assert TRAIN_SPLIT in task.splits
    for split in task.splits:
        assert _batch(task, split)[0]["image"].shape[0] == BATCH


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_losses_are_finite_and_one_per_example(task, batch, policy):
    inputs, targets = batch
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        losses = task.compute_losses(targets, _network(task)(inputs, training=True))
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert losses
    for loss in losses.values():
        assert loss.shape == [BATCH]
        assert loss.dtype == tf.float32
        assert np.all(np.isfinite(loss))


def test_samples_are_counted_for_each_example(task, batch):
    _, targets = batch
    counts = task.count_samples(targets)
    assert counts.shape == [BATCH]
    assert counts.dtype == tf.float32
    assert np.all(counts >= 0)
    assert np.any(counts > 0)


def test_score_is_one_of_the_metrics(task):
    assert task.score is None or task.score in task.build_metrics()


def _losses_of(task, rows, targets, outputs):
    """Losses of some examples of a batch, as of a batch of their own."""
    chosen = ({name: value[rows] for name, value in some.items()} for some in (targets, outputs))
    return task.compute_losses(*chosen)


def _varied(outputs):
    """Outputs with noise from 0 to 1."""
    return {
        name: value + tf.random.stateless_uniform(value.shape, [3, number], dtype=value.dtype)
        if value.dtype.is_floating
        else value
        for number, (name, value) in enumerate(outputs.items())
    }


def test_losses_of_an_example_do_not_depend_on_its_place_in_the_batch(task, batch, network):
    inputs, targets = batch
    outputs = network(inputs, training=False)
    flipped = _losses_of(task, slice(None, None, -1), targets, outputs)
    for name, loss in task.compute_losses(targets, outputs).items():
        np.testing.assert_allclose(flipped[name], loss[::-1], rtol=1e-5)


def test_losses_of_an_example_do_not_depend_on_the_others(task, batch, network):
    if isinstance(task, ComparingTask) or task.name in OF_WHOLE_BATCH:
        pytest.skip("its losses are about the batch")
    inputs, targets = batch
    # A network that has learned nothing answers alike about all examples.
    outputs = _varied(network(inputs, training=False))
    part = _losses_of(task, slice(1, BATCH), targets, outputs)
    for name, loss in task.compute_losses(targets, outputs).items():
        np.testing.assert_allclose(part[name], loss[1:], rtol=1e-5)


def test_tasks_say_if_they_compare_examples():
    comparing = {name for name, kind in TASKS.items() if isinstance(kind, ComparingTask)}
    assert comparing == {"exemplar", "simclr"}


def test_a_share_has_the_examples_that_are_compared():
    check_share(TASKS["simclr"], 2)
    check_share(TASKS["simclr"], 7, num_workers=3)
    check_share(TASKS["rotation"], 1)
    check_share(TASKS["depth"], 3, num_workers=3)
    message = r"^--batch_size=1: --task=exemplar compares .* expected at least 2$"
    with pytest.raises(UsageError, match=message):
        check_share(TASKS["exemplar"], 1)
    message = r"^--batch_size=5: .*simclr compares .* of each of 3 workers .* at least 6$"
    with pytest.raises(UsageError, match=message):
        check_share(TASKS["simclr"], 5, num_workers=3)


def test_gradient_reaches_every_kernel_of_the_backbone(task, batch, network):
    inputs, targets = batch
    with tf.GradientTape() as tape:
        losses = task.compute_losses(targets, network(inputs, training=True))
        loss = tf.add_n([tf.reduce_mean(loss) for loss in losses.values()])
    kernels = [layer.kernel for layer in network.backbone.convolutions.values()]
    gradients = tape.gradient(loss, kernels)
    if not task.trains_backbone:
        assert gradients == [None] * len(kernels)
        return
    assert all(float(tf.reduce_max(tf.abs(gradient))) > 0 for gradient in gradients)


def test_metrics_update_and_are_fresh_each_time(task, batch, network):
    inputs, targets = batch
    outputs = network(inputs, training=False)
    for name, metric in task.build_metrics().items():
        before = [variable.numpy() for variable in metric.variables]
        metric.update_state(targets, outputs)
        assert np.isfinite(float(metric.result()))
        after = [variable.numpy() for variable in metric.variables]
        assert not all(map(np.array_equal, before, after))
        fresh = [variable.numpy() for variable in task.build_metrics()[name].variables]
        tf.nest.map_structure(np.testing.assert_array_equal, fresh, before)


def test_metrics_may_be_fitted_to_another_batch(task, batch, network):
    inputs, targets = batch
    outputs = network(inputs, training=False)
    fitted = task.build_metrics()
    for metric in fitted.values():
        metric.update_state(targets, outputs)
    inputs, targets = _batch(task, seed=2)
    outputs = network(inputs, training=False)
    for name, metric in task.build_metrics(fitted).items():
        metric.update_state(targets, outputs)
        assert np.isfinite(float(metric.result()))
        before = float(fitted[name].result())
        metric.update_state(targets, outputs)
        assert float(fitted[name].result()) == before


def test_one_seed_gives_the_same_batch_head_and_outputs(task, batch):
    tf.nest.map_structure(np.testing.assert_array_equal, _batch(task), batch)
    one, other = (_network(task, seed=7)(batch[0], training=True) for _ in range(2))
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def test_another_seed_gives_another_batch(task, batch):
    assert np.any(_batch(task, seed=2)[0]["image"] != batch[0]["image"])
