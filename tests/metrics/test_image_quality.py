import inspect

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.metrics import definitions
from tfcolor.metrics.image_quality import (
    AlphaBetaRmse,
    Colorfulness,
    PeakSignalToNoise,
    StructuralSimilarity,
)

METRICS = {
    PeakSignalToNoise: lambda: PeakSignalToNoise(),
    StructuralSimilarity: lambda: StructuralSimilarity(),
    Colorfulness: lambda: Colorfulness(),
    AlphaBetaRmse: lambda: AlphaBetaRmse(0.05),
}
PER_IMAGE = {
    PeakSignalToNoise: definitions.peak_signal_to_noise,
    StructuralSimilarity: definitions.structural_similarity,
    Colorfulness: lambda target, predicted: definitions.colorfulness(predicted),
}


def _image_pair(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((*shape, 3), np.float32), rng.random((*shape, 3), np.float32)


def _reference_alpha_beta(rgb, eps):
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    lightness = (red + green + blue) / 3 + eps
    return np.stack([(blue - (red + green) / 2) / lightness, (red - green) / lightness])


@pytest.mark.parametrize("metric_class", list(PER_IMAGE))
def test_result_is_the_mean_over_images_of_any_size(metric_class):
    batches = [_image_pair(3, 12, 13), _image_pair(1, 5, 17, seed=1), _image_pair(0, 12, 11)]
    metric = METRICS[metric_class]()
    values = []
    for target, predicted in batches:
        metric.update_state(target, predicted)
        values.append(PER_IMAGE[metric_class](target, predicted).numpy())
    assert metric.result().dtype == tf.float64
    np.testing.assert_allclose(metric.result(), np.concatenate(values).mean(), rtol=1e-6)


@pytest.mark.parametrize("eps", [1e-4, 0.05])
def test_alpha_beta_error_is_a_mean_over_all_pixels(eps):
    batches = [_image_pair(2, 6, 5), _image_pair(1, 3, 4, seed=1)]
    metric = AlphaBetaRmse(eps)
    squares = []
    for target, predicted in batches:
        metric.update_state(target, predicted)
        difference = _reference_alpha_beta(target, eps) - _reference_alpha_beta(predicted, eps)
        squares.append(np.ravel(difference**2))
    np.testing.assert_allclose(metric.result(), np.concatenate(squares).mean() ** 0.5, rtol=1e-5)


@pytest.mark.parametrize("metric_class", list(METRICS))
def test_weight_zero_leaves_an_image_out(metric_class):
    target, predicted = _image_pair(3, 12, 14)
    padded, plain = METRICS[metric_class](), METRICS[metric_class]()
    padded.update_state(target, predicted, sample_weight=[1.0, 0.0, 1.0])
    plain.update_state(target[::2], predicted[::2])
    np.testing.assert_allclose(padded.result(), plain.result(), rtol=1e-6)


@pytest.mark.parametrize("metric_class", list(METRICS))
def test_reset_forgets(metric_class):
    metric = METRICS[metric_class]()
    metric.update_state(*_image_pair(2, 12, 14))
    assert metric.result() != 0
    metric.reset_state()
    assert metric.result() == 0


@pytest.mark.parametrize("metric_class", list(METRICS))
def test_updates_work_in_a_graph_of_unknown_size(metric_class):
    spec = tf.TensorSpec([None, None, None, 3])
    inside, outside = METRICS[metric_class](), METRICS[metric_class]()

    @tf.function(input_signature=[spec, spec])
    def update(target, predicted):
        inside.update_state(target, predicted)

    for pair in (_image_pair(2, 12, 15), _image_pair(3, 7, 4)):
        update(*pair)
        outside.update_state(*pair)
    np.testing.assert_allclose(inside.result(), outside.result(), rtol=1e-5)


@pytest.mark.parametrize("metric_class", list(METRICS))
def test_constructor_arguments_are_serialized(metric_class):
    metric = METRICS[metric_class]()
    config = metric.get_config()
    assert set(inspect.signature(metric_class).parameters) <= set(config)
    rebuilt = metric_class.from_config(config)
    assert rebuilt.get_config() == config
    pair = _image_pair(2, 12, 13)
    metric.update_state(*pair)
    rebuilt.update_state(*pair)
    np.testing.assert_array_equal(rebuilt.result(), metric.result())


def test_sums_do_not_lose_small_terms():
    metric = AlphaBetaRmse(0.0)
    gray = np.full((1, 1, 1, 3), 0.5, np.float32)
    for _ in range(3):
        metric.update_state(gray, np.array([[[[1.0, 0.5, 0.0]]]], np.float32))
    metric.total.assign(1e12)
    before = metric.total.numpy()
    metric.update_state(gray, np.array([[[[0.51, 0.5, 0.49]]]], np.float32))
    assert metric.total.numpy() - before > 1e-4
