import colorsys

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.tasks.colorization import ColorizationOptions, ColorizationTask

SMALL = {"crop_size": 24, "min_side": 24, "max_side": 30, "num_locations": 9, "edge": 1}
# Specification, chapter 3 and 4, golden numbers 9: red, green, blue and four more.
PIXELS = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.2, 0.4, 0.6), (0.5,) * 3, (0.9, 0.1, 0.5)]
PIXELS = np.array([*PIXELS, (0.1, 0.1, 0.2)])


def _task(readers=None, **options):
    return ColorizationTask(ColorizationOptions(**{**SMALL, **options}), readers or {})


def _random_case(seed, shape=(3, 5, 6)):
    random_numbers = np.random.default_rng(seed)
    histograms = [random_numbers.dirichlet(np.full(shape[-1], 0.3), shape[:-1]) for _ in range(2)]
    weights = [random_numbers.uniform(0, 2, shape[:-1]) for _ in range(2)]
    logits = [random_numbers.normal(0, 2, shape) for _ in range(2)]
    targets = dict(zip(("hue", "chroma"), histograms, strict=True))
    targets |= dict(zip(("hue_weight", "chroma_weight"), weights, strict=True))
    outputs = dict(zip(("hue_logits", "chroma_logits"), logits, strict=True))
    return tuple(
        {name: tf.constant(value, tf.float32) for name, value in values.items()}
        for values in (targets, outputs)
    )


def test_losses_agree_with_numpy():
    targets, outputs = _random_case(0)
    losses = _task(num_bins=6).compute_losses(targets, outputs)
    for axis in ("hue", "chroma"):
        log_probs = scipy.special.log_softmax(outputs[f"{axis}_logits"].numpy(), axis=-1)
        divergence = scipy.special.rel_entr(targets[axis], np.exp(log_probs)).sum(axis=-1)
        expected = np.mean(targets[f"{axis}_weight"] * divergence, axis=1)
        np.testing.assert_allclose(losses[axis], expected, rtol=1e-4)


def test_golden_losses_of_uniform_predictions():
    hue, chroma = np.array([_hue_chroma(pixel) for pixel in PIXELS]).T
    targets = {
        "hue": _one_hot(hue),
        "chroma": _one_hot(chroma),
        "hue_weight": tf.constant([5.0 * chroma], tf.float32),
        "chroma_weight": tf.ones([1, len(PIXELS)]),
    }
    uniform = tf.zeros([1, len(PIXELS), 32])
    outputs = {"hue_logits": uniform, "chroma_logits": uniform}
    losses = _task().compute_losses(targets, outputs)
    np.testing.assert_allclose(losses["chroma"], [np.log(32)], rtol=1e-6)
    np.testing.assert_allclose(losses["hue"], [10.6447602729], rtol=1e-6)


def test_examples_of_a_flat_photograph_have_the_golden_bins_and_weights():
    # (R, G, B) in 255ths, hue bin, chroma bin, chroma weight.
    cases = [
        ((51, 102, 153), 18, 12, 1.0),
        ((255, 0, 0), 0, 31, 1.0),
        ((128, 128, 128), 0, 0, 1.0),
        ((26, 26, 51), 21, 3, 3 * 103 / 765),
    ]
    for color, hue_bin, chroma_bin, weight in cases:
        photo = tf.constant(np.broadcast_to(np.uint8(color), (40, 50, 3)))
        _, targets = _task(chroma_weighting=True).make_example(photo, tf.constant([1, 2], tf.int64))
        chroma = (max(color) - min(color)) / 255
        for axis, place in (("hue", hue_bin), ("chroma", chroma_bin)):
            np.testing.assert_array_equal(targets[axis], np.tile(np.eye(32)[place], (9, 1)))
        np.testing.assert_allclose(targets["hue_weight"], [5 * chroma] * 9, rtol=1e-5)
        np.testing.assert_allclose(targets["chroma_weight"], [weight] * 9, rtol=1e-5)


def test_targets_are_windows_of_the_view_at_the_locations(monkeypatch):
    view = np.random.default_rng(2).uniform(0, 1, (24, 24, 3)).astype(np.float32)
    monkeypatch.setattr("tfcolor.tasks.colorization.random_view", lambda *_: tf.constant(view))
    photo = tf.zeros([8, 8, 3], tf.uint8)
    task = _task(num_bins=5, window=7, edge=0, num_locations=40)
    inputs, targets = task.make_example(photo, tf.constant([0, 3], tf.int64))
    np.testing.assert_allclose(inputs["image"], view.mean(axis=-1, keepdims=True), rtol=1e-6)
    colors = np.array([[_hue_chroma(pixel) for pixel in row] for row in view])
    bins = np.minimum((colors * 5).astype(int), 4)
    for index, (row, column) in enumerate(inputs["locations"].numpy().astype(int)):
        window = bins[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4]
        for axis, name in enumerate(("hue", "chroma")):
            counts = np.bincount(window[..., axis].ravel(), minlength=5)
            np.testing.assert_allclose(targets[name][index], counts / counts.sum(), rtol=1e-6)
        expected = 5 * colors[row, column, 1]
        np.testing.assert_allclose(targets["hue_weight"][index], expected, rtol=1e-5)
    np.testing.assert_array_equal(targets["chroma_weight"], np.ones(40))


def test_color_input_repeats_the_gray_image(photos):
    reader = ExampleReader(open_images(str(photos)))
    gray = ColorizationTask(ColorizationOptions(**SMALL), {"train": reader})
    color = ColorizationTask(ColorizationOptions(**SMALL), {"train": reader}, color_input=True)
    plan = BatchPlan(2, seed=0, num_batches=1)
    (one, _), (three, _) = (next(iter(task.make_dataset("train", plan))) for task in (gray, color))
    assert (gray.input_channels, color.input_channels) == (1, 3)
    np.testing.assert_array_equal(np.repeat(one["image"], 3, axis=-1), three["image"])


def test_splits_are_those_with_a_reader(photos):
    reader = ExampleReader(open_images(str(photos)))
    assert _task({"heldout": reader, "train": reader}).splits == ("train", "heldout")
    assert _task({"train": reader}).splits == ("train",)


def test_head_reads_the_chosen_taps():
    taps = {name: Tap(name, 2, 0.5, channels) for name, channels in (("a", 3), ("b", 4))}
    head = _task(taps=("b",), hidden_units=8, num_bins=6).build_head(taps, seed=0)
    assert head.hidden.kernel.shape == [4, 8]
    assert _task(hidden_units=8).build_head(taps, seed=0).hidden.kernel.shape == [7, 8]
    with pytest.raises(UsageError, match="unknown tap 'c'; known: a, b"):
        _task(taps=("c",)).build_head(taps, seed=0)


def test_edges_must_leave_a_location():
    with pytest.raises(UsageError, match=r"edge=12: expected less than half of .*crop_size=24"):
        _task(edge=12)


def test_constants_may_come_from_the_training_split():
    (train, _), (heldout, _) = _random_case(1, shape=(2, 9, 4)), _random_case(2, shape=(3, 5, 4))
    task = _task(num_bins=4)
    fitted = task.build_metrics()
    fitted["constant_loss"].update_state(train, {})
    metric = task.build_metrics(fitted)["constant_loss"]
    metric.update_state(heldout, {})
    expected = 0.0
    for axis in ("hue", "chroma"):
        histograms, weights = (
            train[name].numpy().reshape(18, -1) for name in (axis, f"{axis}_weight")
        )
        # The mean target, with the mass of one target spread over all bins.
        constant = (np.sum(weights * histograms, axis=0) + 1 / 4) / (weights.sum() + 1)
        divergence = scipy.special.rel_entr(heldout[axis], constant).sum(axis=-1)
        expected += np.mean(heldout[f"{axis}_weight"] * divergence)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    best = task.build_metrics()["constant_loss"]
    best.update_state(heldout, {})
    assert float(best.result()) < float(metric.result())


def test_constant_loss_is_in_the_unit_of_the_losses():
    targets, _ = _random_case(5, shape=(3, 5, 6))
    task = _task(num_bins=6)
    (metric,) = task.build_metrics().values()
    metric.update_state(targets, {})
    logits = {
        f"{axis}_logits": tf.math.log(
            tf.einsum("blk,bl->k", targets[axis], targets[f"{axis}_weight"])
        )
        * tf.ones([3, 5, 1])
        for axis in ("hue", "chroma")
    }
    losses = task.compute_losses(targets, logits)
    total = sum(float(tf.reduce_mean(loss)) for loss in losses.values())
    assert float(metric.result()) == pytest.approx(total, rel=1e-5)


def _hue_chroma(pixel):
    return colorsys.rgb_to_hsv(*map(float, pixel))[0], max(pixel) - min(pixel)


def _one_hot(values, num_bins=32):
    return tf.constant([np.eye(num_bins)[np.minimum((values * num_bins).astype(int), 31)]])
