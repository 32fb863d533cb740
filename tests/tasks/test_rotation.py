import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tests.tasks.shortcut_probe import NUM_TEST, NUM_TRAIN, accuracy, most_of_guessing
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options
from tfcolor.core.taps import Tap
from tfcolor.tasks.rotation import RotationOptions, RotationTask, quarter_turns

TAPS = {"top": Tap("top", 8, 3.5, 5)}
SEED = tf.constant([3, 4], tf.int64)


def _task(**options):
    options = {"readout": "average", "crop_size": 12, "min_side": 12, "max_side": 16, **options}
    return RotationTask(RotationOptions(**options), {})


def _image(height=21, width=17):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_turns_are_those_of_the_specification():
    turns = quarter_turns(tf.constant([[[1], [2]], [[3], [4]]]))[..., 0].numpy().tolist()
    assert turns == [[[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]]]


@pytest.mark.parametrize("channels", [1, 3])
def test_turning_back_makes_every_view_upright(channels):
    task = _task(input="gray" if channels == 1 else "color")
    inputs, targets = task.make_example(_image(), SEED)
    images, labels = inputs["image"].numpy(), targets["label"].numpy()
    assert images.shape == (4, 12, 12, channels)
    assert labels.tolist() == [0, 1, 2, 3]
    for image, label in zip(images, labels, strict=True):
        np.testing.assert_array_equal(np.rot90(image, -label), images[0])
        assert label == 0 or np.any(image != images[0])


def test_one_turn_is_one_of_the_four():
    image, upright = _image(), _task()
    labels = []
    for number in range(6):
        seed = tf.constant([number, 4], tf.int64)
        inputs, targets = _task(turns="one").make_example(image, seed)
        turns = upright.make_example(image, seed)[0]["image"]
        (label,) = targets["label"].numpy()
        np.testing.assert_array_equal(inputs["image"][0], turns[label])
        labels.append(label)
    assert len(set(labels)) > 1


def test_single_turns_are_balanced():
    seeds = np.stack([np.full(400, 9), np.arange(400)], axis=1)
    task, image = _task(turns="one", crop_size=1, min_side=1, max_side=1), _image(1, 1)
    examples = tf.data.Dataset.from_tensor_slices(seeds).map(
        lambda seed: task.make_example(image, seed)[1]["label"]
    )
    labels = np.concatenate(list(examples.as_numpy_iterator()))
    assert scipy.stats.chisquare(np.bincount(labels, minlength=4)).pvalue > 1e-3


def _border_steps(turns):
    """Returns the contrast between the two outermost lines on each side, [N, 4]."""
    gray = turns.mean(axis=-1)
    lines = [(gray[:, :2], 1), (gray[:, -2:], 1), (gray[..., :2], 2), (gray[..., -2:], 2)]
    return np.stack([np.abs(np.diff(two, axis=axis)).mean((1, 2)) for two, axis in lines], -1)


def test_the_kernel_that_rescales_does_not_tell_the_turn():
    noise = np.random.default_rng(1).integers(0, 256, (NUM_TRAIN + NUM_TEST, 10, 10, 3), np.uint8)
    labels = np.arange(len(noise)) % 4
    task = _task(crop_size=20, min_side=20, max_side=20)
    examples = tf.data.Dataset.from_tensor_slices(noise).map(
        lambda image: task.make_example(image, SEED)[0]["image"]
    )
    turns = next(iter(examples.batch(len(noise)))).numpy()
    ours = turns[range(len(noise)), labels]
    assert accuracy(_border_steps(ours), labels) < most_of_guessing(4)
    # A kernel that starts at the corner repeats the last line: seen from any side.
    cornered = tf.raw_ops.ResizeBilinear(images=noise, size=[20, 20]).numpy() / 255
    turned = np.stack([np.rot90(one, k) for one, k in zip(cornered, labels, strict=True)])
    assert accuracy(_border_steps(turned), labels) > 0.9


def test_each_turn_is_answered_and_starts_near_guessing():
    task = _task()
    head = task.build_head(TAPS, seed=1)
    top = tf.random.stateless_uniform([8, 2, 2, 5], [1, 2])
    outputs = head({"top": top}, {"image": tf.zeros([2, 4, 12, 12, 3])}, TAPS)
    assert outputs["logits"].shape == (2, 4, 4)
    targets = {"label": tf.tile([[0, 1, 2, 3]], [2, 1])}
    loss = task.compute_losses(targets, outputs)["cross_entropy"]
    np.testing.assert_allclose(loss, np.log(4), atol=0.5)


def test_pictures_name_angles():
    inputs, targets = _task().make_example(_image(), SEED)
    inputs, targets = (
        {name: one[None] for name, one in part.items()} for part in (inputs, targets)
    )
    logits = tf.one_hot([[0, 1, 3, 3]], 4)
    (panels,) = _task().depict(inputs, targets, {"logits": logits})
    assert [panel.caption for panel in panels] == ["0°", "90°", "180°, not 270°", "270°"]
    np.testing.assert_array_equal(panels[1].pixels, np.rot90(panels[0].pixels))


def test_options_are_completed_and_checked():
    completed = RotationOptions().completed({}, 227)
    assert completed.crop_size == 227
    assert RotationOptions(readout="average", crop_size=96).completed({}, 227).crop_size == 96
    check_options(completed, "rotation_")
    with pytest.raises(UsageError, match=r"--rotation_crop_size.*=96: the backbone takes 227"):
        RotationOptions(crop_size=96).completed({}, 227)
    with pytest.raises(UsageError, match="crop_size=299, min_side=256, max_side=512"):
        RotationOptions().completed({}, 299)
    with pytest.raises(UsageError, match="--rotation_turns=two: expected one of all, one"):
        check_options(RotationOptions(turns="two"), "rotation_")
