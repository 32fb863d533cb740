import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax
from scipy.stats import entropy
from skimage.color import lab2rgb, rgb2lab

from tfcolor.backbones import BACKBONES
from tfcolor.color.gamut import GAMUT_POINTS
from tfcolor.core.errors import UsageError
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.models.network import Network
from tfcolor.tasks.base import TRAIN_SPLIT
from tfcolor.tasks.split_brain import SplitBrainOptions, SplitBrainTask

SIZE, STRIDE = 48, 10
SMALL = {"crop_size": SIZE, "min_side": SIZE, "max_side": SIZE + 8, "target_stride": STRIDE}
SEED = tf.constant([3, 1], tf.int64)


def _task(**options):
    return SplitBrainTask(SplitBrainOptions(**{**SMALL, **options}), {})


def _backbone(front_end="split_lab"):
    kind = BACKBONES["alexnet"]
    options = kind.Options(width_multiplier=1 / 16, use_batch_norm=False, front_end=front_end)
    return kind(options, input_channels=3, seed=0)


def _network(task):
    backbone = _backbone()
    return Network(backbone, task.build_head(backbone.taps(SIZE, SIZE), 0))


@pytest.fixture(scope="module")
def batch(photos):
    reader = ExampleReader(open_images(str(photos)))
    task = SplitBrainTask(SplitBrainOptions(**SMALL), {TRAIN_SPLIT: reader})
    return next(iter(task.make_dataset(TRAIN_SPLIT, BatchPlan(2, seed=1, num_batches=1))))


def test_targets_are_picked_from_the_view(batch):
    inputs, targets = batch
    places = np.arange(STRIDE // 2, SIZE, STRIDE)
    picked = inputs["image"].numpy()[:, places[:, np.newaxis], places]
    expected = rgb2lab(picked.reshape(2, -1, 3))
    np.testing.assert_allclose(targets["lab"], expected, atol=1e-3)
    rows, columns = np.meshgrid(places, places, indexing="ij")
    locations = np.stack([rows.ravel(), columns.ravel()], axis=-1)
    np.testing.assert_array_equal(inputs["locations"][1], locations)


def test_images_without_color_pay_nothing():
    task = _task()
    gray = tf.tile(
        tf.random.stateless_uniform([SIZE, SIZE, 1], [0, 1], 0, 256, tf.int32), [1, 1, 3]
    )
    color = tf.concat([gray[..., :1], 255 - gray[..., :1], gray[..., :1]], axis=-1)
    examples = [task.make_example(tf.cast(one, tf.uint8), SEED)[1] for one in (gray, color)]
    targets = {name: tf.stack([one[name] for one in examples]) for name in examples[0]}
    outputs = {"color": tf.zeros([2, 25, 313]), "lightness": tf.zeros([2, 25, 50])}
    losses = task.compute_losses(targets, outputs)
    spread = entropy(targets["color"][1], axis=-1).mean()
    np.testing.assert_allclose(losses["color"], [0, np.log(313) - spread], rtol=1e-4)
    np.testing.assert_allclose(losses["lightness"], [0, np.log(50)], rtol=1e-4)


def test_lightness_falls_into_the_golden_bins():
    lightness = np.array([0, 1.99, 2, 50, 99.9, 100])
    lab = tf.constant(np.stack([lightness, 0 * lightness, 0 * lightness], axis=-1), tf.float32)
    _, bins = _task().encode(lab)
    assert bins.shape == (6, 50)
    assert np.argmax(bins, axis=-1).tolist() == [0, 0, 1, 25, 49, 49]
    np.testing.assert_allclose(tf.reduce_sum(bins, axis=-1), np.ones(6))
    centers = SplitBrainOptions().lightness_grid.centers
    np.testing.assert_allclose(centers, np.arange(1, 100, 2), rtol=1e-12)


def test_soft_and_hard_classes_of_a_golden_color():
    index = {tuple(point): number for number, point in enumerate(GAMUT_POINTS)}
    golden = {(10, -10): 0.518525, (20, -10): 0.176089, (10, 0): 0.169184, (30, -10): 0.001095}
    soft, _ = _task(encoding="soft").encode(tf.constant([31.0, 12.3, -7.8]))
    for point, share in golden.items():
        np.testing.assert_allclose(soft[index[point]], share, atol=1e-5)
    hard, _ = _task(encoding="hard").encode(tf.constant([31.0, 12.3, -7.8]))
    assert (np.argmax(hard), np.sum(hard)) == (index[10, -10], 1)


def test_classification_losses_are_divergences():
    targets, outputs, expected = {}, {}, {}
    random = np.random.default_rng(0)
    for name, size in SplitBrainOptions().sizes.items():
        truth = random.dirichlet(np.ones(size), size=(2, 25))
        logits = random.normal(size=(2, 25, size))
        targets |= {name: np.float32(truth), f"{name}_weight": np.ones([2, 25], np.float32)}
        outputs[name] = np.float32(logits)
        expected[name] = entropy(truth, softmax(logits, axis=-1), axis=-1).mean(axis=1)
    losses = _task().compute_losses(targets, outputs)
    for name, loss in expected.items():
        np.testing.assert_allclose(losses[name], loss, rtol=1e-4)


def test_regression_losses_are_squared_errors():
    task = _task(loss="regression")
    random = np.random.default_rng(0)
    lab = random.uniform([0, -100, -100], 100, size=(2, 25, 3)).astype(np.float32)
    color = random.normal(size=(2, 25, 2)).astype(np.float32)
    lightness = random.normal(size=(2, 25, 1)).astype(np.float32)
    targets = dict(zip(("color", "lightness"), task.encode(tf.constant(lab)), strict=True))
    targets |= dict.fromkeys(("color_weight", "lightness_weight"), tf.ones([2, 25]))
    losses = task.compute_losses(targets, {"color": color, "lightness": lightness})
    expected = np.square(lab[..., 1:] / 110 - color).sum(-1).mean(1)
    np.testing.assert_allclose(losses["color"], expected, rtol=1e-4)
    expected = np.square(lab[..., 0] / 100 - 0.5 - lightness[..., 0]).mean(1)
    np.testing.assert_allclose(losses["lightness"], expected, rtol=1e-4)


@pytest.mark.parametrize("loss", ["classification", "regression"])
def test_answers_of_the_mean_are_at_chance(loss, batch):
    """The constant loss is that of the mean answer, which explains nothing."""
    _, targets = batch
    task = _task(loss=loss)
    for name, truth in zip(("color", "lightness"), task.encode(targets["lab"]), strict=True):
        targets = {**targets, name: truth}
    mean = {name: tf.reduce_mean(targets[name], axis=[0, 1]) for name in task.options.sizes}
    if loss == "classification":
        mean = {name: tf.math.log(value + 1e-20) for name, value in mean.items()}
    outputs = {name: tf.broadcast_to(value, targets[name].shape) for name, value in mean.items()}
    metrics = task.build_metrics()
    for metric in metrics.values():
        metric.update_state(targets, outputs)
    losses = tf.add_n(list(task.compute_losses(targets, outputs).values()))
    np.testing.assert_allclose(metrics["constant_loss"].result(), np.mean(losses), rtol=1e-4)
    slack = {"classification": 0.05, "regression": 1e-5}[loss]  # classes are coarse
    assert abs(float(metrics["explained"].result())) < slack


@pytest.mark.parametrize("loss", ["classification", "regression"])
def test_decoding_inverts_certain_answers(loss):
    task = _task(loss=loss)
    outputs = {"color": tf.constant([[[0.5, -0.2]]]), "lightness": tf.constant([[[0.1]]])}
    expected = [60, 55, -22]
    if loss == "classification":
        color, lightness = np.zeros([1, 1, 313]), np.zeros([1, 1, 50])
        color[..., 120], lightness[..., 7] = 100, 100
        outputs = {"color": np.float32(color), "lightness": np.float32(lightness)}
        expected = [15, 0, 0]
    np.testing.assert_allclose(task.decode(outputs)[0, 0], expected, rtol=1e-5, atol=1e-4)


def test_first_losses_are_those_of_guessing(batch):
    inputs, targets = batch
    task = _task(taps=("conv5", "fc7"))
    losses = task.compute_losses(targets, _network(task)(inputs))
    spread = entropy(targets["color"], axis=-1).mean(axis=1)
    np.testing.assert_allclose(losses["color"], np.log(313) - spread, rtol=0.01)
    np.testing.assert_allclose(losses["lightness"], np.log(50), rtol=0.01)


def test_no_gradient_passes_between_the_halves(batch):
    inputs, targets = batch
    task = _task(taps=("conv2", "fc7"))
    network = _network(task)
    kernels = {name: layer.kernel for name, layer in network.backbone.convolutions.items()}
    with tf.GradientTape(persistent=True) as tape:
        losses = task.compute_losses(targets, network(inputs, training=False))
    for half, loss in enumerate(("color", "lightness")):
        for gradient in tape.gradient(losses[loss], kernels).values():
            halves = np.split(gradient.numpy(), 2, axis=-1)
            assert np.any(halves[half] != 0)
            assert np.all(halves[1 - half] == 0)


def _recolored():
    """Returns two images of one lightness, and two of the same colors, [2, S, S, 3]."""
    random = np.random.default_rng(0)
    noise = random.uniform(size=(2, 6, 6, 3)) * [20, 30, 30] + [50, -15, -15]
    lab = np.kron(noise, np.ones([1, SIZE // 6, SIZE // 6, 1]))
    same_lightness = lab.copy()
    same_lightness[1, ..., 0] = lab[0, ..., 0]
    same_color = lab.copy()
    same_color[1, ..., 1:] = lab[0, ..., 1:]
    return [lab2rgb(one).astype(np.float32) for one in (same_lightness, same_color)]


@pytest.mark.parametrize(("name", "kind"), [("color", 0), ("lightness", 1)])
def test_an_answer_does_not_see_what_is_asked_for(name, kind, batch):
    inputs = {"image": _recolored()[kind], "locations": batch[0]["locations"]}
    one, other = _network(_task())(inputs)[name].numpy()
    np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(one).max())
    # A backbone that sees all at once does; the task would refuse it.
    network = Network(_backbone("none"), _network(_task()).head)
    one, other = network(inputs)[name].numpy()
    assert np.abs(one - other).max() > 0.01 * np.abs(one).max()


def test_backbones_that_see_all_at_once_are_refused():
    with pytest.raises(UsageError, match="--BACKBONE_front_end=split_lab"):
        _task().build_head(_backbone("none").taps(SIZE, SIZE), 0)


def test_options_are_completed_and_checked():
    assert SplitBrainOptions().completed({}, 227).crop_size == 227
    with pytest.raises(
        UsageError, match="target_stride=99: expected at most the side of the view, 64"
    ):
        SplitBrainOptions(crop_size=64, target_stride=99).completed({}, 227)
    with pytest.raises(UsageError, match="expected crop_size <= min_side"):
        SplitBrainOptions(crop_size=64, min_side=32).completed({}, 227)


def test_pictures_show_truth_and_answer(batch):
    inputs, targets = batch
    task = _task(loss="regression")
    lab = targets["lab"]
    outputs = {"color": lab[..., 1:] / 110, "lightness": lab[..., :1] / 100 - 0.5}
    (first, second) = task.depict(inputs, targets, outputs)
    assert [panel.caption for panel in first] == [
        "view",
        "lightness",
        "answered lightness",
        "color",
        "answered color",
    ]
    view, light, answered_light, color, answered_color = (panel.pixels for panel in second)
    assert view.shape == (SIZE, SIZE, 3)
    places = np.arange(STRIDE // 2, SIZE, STRIDE)
    np.testing.assert_allclose(color, view[places[:, np.newaxis], places], atol=1.01)
    np.testing.assert_allclose(answered_color, color, atol=1.01)
    np.testing.assert_allclose(answered_light, light, atol=1.01)
    np.testing.assert_allclose(light, light[..., :1].repeat(3, axis=-1), atol=1.01)
