import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.models.network import Network, kernel_and_bias_variables
from tfcolor.tasks.inpainting import InpaintingOptions, InpaintingTask

SIDE = 32
MASKS = ("center", "blocks", "region")
FILL = np.float32([0.7, 0.1, 0.4])
SMALL = InpaintingOptions(
    readout="map",
    crop_size=SIDE,
    min_side=SIDE,
    max_side=SIDE,
    overlap=2,
    channels=2,
    fill=tuple(FILL.tolist()),
)
SEED = tf.constant([3, 5], tf.int64)


def _task(readers=None, **options):
    return InpaintingTask(dataclasses.replace(SMALL, **options), readers or {})


def _noise(seed=0):
    """A photograph of the view's size, whose view is itself or its mirror image."""
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def _network(task, seed=0):
    kind = BACKBONES["cifar_shallow"]
    backbone = kind(kind.Options(width_multiplier=1 / 16), input_channels=3, seed=seed)
    head = task.build_head(backbone.taps(SIDE, SIDE), seed)
    return Network(backbone, head, convolutional=task.convolutional)


@pytest.fixture(scope="module")
def batch(photos):
    reader = ExampleReader(open_images(str(photos)), cache_bytes=10**7)
    task = _task({"train": reader}, reconstruction_weight=0.6)
    return next(iter(task.make_dataset("train", BatchPlan(3, 0, num_batches=1))))


@pytest.mark.parametrize("mask", MASKS)
def test_the_target_is_the_image_and_the_input_is_it_with_a_hole(mask):
    photograph, task = _noise(), _task(mask=mask, reconstruction_weight=0.5)
    inputs, targets = task.make_example(tf.constant(photograph), SEED)
    view = photograph / np.float32(255)
    seen = inputs["image"].numpy()
    is_hidden = np.all(seen == FILL, axis=-1)
    if not np.allclose(seen[~is_hidden], view[~is_hidden], atol=1e-6):
        view = view[:, ::-1]
    np.testing.assert_allclose(seen[~is_hidden], view[~is_hidden], atol=1e-6)
    inside = slice(8, 24) if mask == "center" else slice(None)
    np.testing.assert_allclose(targets["image"], view[inside, inside], atol=1e-6)
    np.testing.assert_array_equal(targets["hidden"][..., 0] > 0, is_hidden[inside, inside])
    np.testing.assert_array_equal(inputs["original"], targets["image"])
    np.testing.assert_allclose(targets["color"], view[~is_hidden].mean(axis=0), rtol=1e-5)
    assert is_hidden.sum() == targets["hidden"].numpy().sum()
    assert 0.1 < is_hidden.mean() < 0.4


def test_the_ring_of_the_middle_weighs_more_and_what_is_visible_elsewhere_nothing():
    _, targets = _task(overlap_weight=10.0).make_example(tf.constant(_noise()), SEED)
    expected = np.full([16, 16, 1], 10.0)
    expected[2:-2, 2:-2] = 1
    np.testing.assert_array_equal(targets["weight"], expected)
    _, targets = _task(mask="region").make_example(tf.constant(_noise()), SEED)
    np.testing.assert_array_equal(targets["weight"], targets["hidden"])


@pytest.mark.parametrize("mask", MASKS)
def test_the_input_says_nothing_of_hidden_pixels(mask):
    task, photograph = _task(mask=mask, max_side=SIDE), _noise()
    inputs, _ = task.make_example(tf.constant(photograph), SEED)
    is_hidden = np.all(inputs["image"].numpy() == FILL, axis=-1)
    changed = {}
    for is_mirrored, hole in ((False, is_hidden), (True, is_hidden[:, ::-1])):
        other = np.where(hole[..., None], _noise(1), photograph)
        changed[is_mirrored] = task.make_example(tf.constant(other), SEED)[0]["image"].numpy()
    # Another photograph under the hole, in the place of the view or of its mirror image.
    same = [np.array_equal(one, inputs["image"]) for one in changed.values()]
    assert any(same)
    whole = task.make_example(tf.constant(_noise(1)), SEED)[0]["image"].numpy()
    np.testing.assert_array_equal(np.all(whole == FILL, axis=-1), is_hidden)


def test_a_probe_of_the_hole_is_at_chance():
    task = _task()
    random_numbers = np.random.default_rng(0)
    brightness = random_numbers.integers(0, 2, 240)
    seen, shown = [], []
    make_example = tf.function(task.make_example, autograph=False)
    for number, is_bright in enumerate(brightness):
        photograph = random_numbers.integers(0, 256, (SIDE, SIDE, 3))
        photograph[10:-10, 10:-10] = photograph[10:-10, 10:-10] / 2 + 100 * is_bright
        inputs, targets = make_example(
            tf.constant(photograph.astype(np.uint8)), tf.constant([1, number], tf.int64)
        )
        hole = np.s_[10:-10, 10:-10]
        seen.append(inputs["image"].numpy()[hole].ravel())
        shown.append(targets["image"].numpy()[2:-2, 2:-2].ravel())
    scores = []
    for features in (seen, shown):
        probe = LogisticRegression().fit(features[:160], brightness[:160])
        scores.append(probe.score(features[160:], brightness[160:]))
    assert scores[0] == max(np.mean(brightness[160:] == label) for label in (0, 1)) or (
        scores[0] < 0.6
    )
    assert np.ptp(seen, axis=0).max() == 0
    assert scores[1] > 0.95


def test_gray_views_have_gray_targets_in_as_many_channels():
    photograph = tf.constant(_noise())
    color = _task().make_example(photograph, SEED)[1]["image"].numpy()
    for color_input, channels in ((False, 1), (True, 3)):
        options = dataclasses.replace(SMALL, input="gray")
        task = InpaintingTask(options, {}, color_input=color_input)
        inputs, targets = task.make_example(photograph, SEED)
        assert inputs["image"].shape == [SIDE, SIDE, channels]
        gray = np.repeat(color.mean(axis=-1, keepdims=True), channels, axis=-1)
        np.testing.assert_allclose(targets["image"], gray, atol=1e-6)
        assert targets["color"].shape == [channels]


def test_losses_are_the_published_ones():
    task = _task(reconstruction_weight=0.999)
    logits = {name: np.log(p / (1 - p)) for name, p in (("real", 0.8), ("fake", 0.3))}
    outputs = {
        "painted": tf.fill([1, 16, 16, 3], 0.6),
        "real_logits": tf.constant([logits["real"]], tf.float32),
        "fake_logits": tf.constant([logits["fake"]], tf.float32),
        "fixed_fake_logits": tf.constant([logits["fake"]], tf.float32),
    }
    # Half as far apart as the published values, which lie in [-1, 1].
    targets = {"image": tf.fill([1, 16, 16, 3], 0.5), "weight": tf.ones([1, 16, 16, 1])}
    losses = {name: float(loss[0]) for name, loss in task.compute_losses(targets, outputs).items()}
    assert losses["reconstruction"] + losses["adversarial"] == pytest.approx(0.041164, abs=1e-6)
    assert losses["discriminator"] == pytest.approx(0.579818, abs=1e-6)
    (alone,) = _task().compute_losses(targets, outputs).values()
    assert float(alone[0]) == pytest.approx(0.01)


def test_each_loss_trains_its_own_part(batch):
    task = _task(reconstruction_weight=0.6)
    network, (inputs, targets) = _network(task), batch
    judging = network.head.discriminator.trainable_variables
    making = [*network.backbone.trainable_variables, *network.head.generator.trainable_variables]
    assert len(judging) + len(making) == len(network.trainable_variables)
    with tf.GradientTape(persistent=True) as tape:
        losses = task.compute_losses(targets, network(inputs, training=True))
        sums = {name: tf.reduce_sum(loss) for name, loss in losses.items()}
    assert tape.gradient(sums["discriminator"], making) == [None] * len(making)
    own = tape.gradient(sums["discriminator"], judging)
    assert all(float(tf.norm(gradient)) > 0 for gradient in own)
    for name in ("reconstruction", "adversarial"):
        assert tape.gradient(sums[name], judging) == [None] * len(judging)
        kernels = [one for one in making if one.shape.rank > 1]
        assert all(float(tf.norm(one)) > 0 for one in tape.gradient(sums[name], kernels))


def test_without_an_adversarial_loss_there_is_no_discriminator(batch):
    task = _task()
    network, (inputs, targets) = _network(task), batch
    assert network.head.discriminator is None
    assert "original" not in task.make_example(tf.constant(_noise()), SEED)[0]
    assert set(task.build_metrics()) == {"hidden_error", "explained", "constant_loss"}
    kernels, biases = kernel_and_bias_variables(network)
    assert len(kernels) + len(biases) == len(network.trainable_variables)
    outputs = network(inputs)
    assert set(outputs) == {"painted"}
    # As bad as gray at first.
    metric = task.build_metrics()["explained"]
    metric.update_state(targets, outputs)
    assert -3 < float(metric.result()) < 0.2


def test_baselines_are_those_of_the_training_images(batch):
    task, (_, targets) = _task(), batch
    fitted = task.build_metrics()
    shifted = {**targets, "image": targets["image"] + 0.25}
    fitted["constant_loss"].update_state(shifted, {})
    best, measured = task.build_metrics(), task.build_metrics(fitted)
    for metrics in (best, measured):
        metrics["constant_loss"].update_state(targets, {})
    error = targets["weight"] * 0.25**2
    extra = float(measured["constant_loss"].result() - best["constant_loss"].result())
    assert extra == pytest.approx(float(tf.reduce_mean(error)), rel=1e-4)


def test_pictures_show_the_hole_the_target_and_the_answer(batch):
    task, (inputs, targets) = _task(), batch
    outputs = {"painted": tf.ones([3, 16, 16, 3])}
    rows = task.depict(inputs, targets, outputs)
    assert [[panel.caption for panel in row] for row in rows] == [["input", "target", "answer"]] * 3
    for number, (seen, target, answer) in enumerate(rows):
        is_hidden = np.zeros([SIDE, SIDE], bool)
        is_hidden[10:-10, 10:-10] = True
        pixels = np.round(255 * inputs["image"][number].numpy())
        np.testing.assert_array_equal(seen.pixels, pixels)
        for panel in (target, answer):
            np.testing.assert_array_equal(panel.pixels[~is_hidden], seen.pixels[~is_hidden])
        assert np.all(answer.pixels[is_hidden] == 255)
        inside = np.round(255 * targets["image"][number].numpy())
        np.testing.assert_array_equal(target.pixels[8:-8, 8:-8], inside)


def test_options_are_completed_by_the_backbone():
    options = InpaintingOptions()
    assert options.completed({}, 224).crop_size == 224
    assert options.completed({}, 224).painted_side == 112
    assert dataclasses.replace(options, mask="blocks").completed({}, 224).painted_side == 224
    anything = dataclasses.replace(options, readout="map", crop_size=100)
    assert anything.completed({}, 224) == anything
    with pytest.raises(UsageError, match="--inpainting_crop_size=200: the backbone takes 227"):
        dataclasses.replace(options, crop_size=200).completed({}, 227)
    with pytest.raises(UsageError, match="crop_size=300, min_side=256, max_side=512: expected"):
        dataclasses.replace(anything, crop_size=300).completed({}, 227)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_size": 14, "overlap": 0}, "crop_size=14: 7 pixels are painted, expected at lea"),
        ({"crop_size": 20, "overlap": 5}, "crop_size=20: 10 pixels .*, expected at least 11"),
        ({"fill": (0.5,)}, "--inpainting_fill: expected 3 numbers, not 1"),
        ({"fill": (0.5, 2.0, 0.5)}, "--inpainting_fill=2.0: expected at most 1"),
        ({"mask": "top"}, "--inpainting_mask=top: expected one of center, blocks, region"),
        ({"reconstruction_weight": 1.5}, "weight=1.5: expected at most 1"),
        ({"readout": "average"}, "--inpainting_readout=average: expected one of top, map"),
    ],
)
def test_values_that_are_not_accepted_are_usage_errors(changes, message):
    with pytest.raises(UsageError, match=message):
        options = dataclasses.replace(SMALL, **changes)
        check_options(options, "inpainting_")
        options.completed({}, 32)
