import numpy as np
import pytest
import skimage.metrics
import tensorflow as tf

from tfcolor.metrics import definitions


def _image_pair(*shape):
    rng = np.random.default_rng(0)
    target = rng.random((*shape, 3)).astype(np.float32)
    noise = rng.normal(0, 0.1, target.shape).astype(np.float32)
    return target, np.clip(target + noise, 0, 1)


def test_signal_to_noise_agrees_with_scikit_image():
    target, predicted = _image_pair(3, 5, 7)
    expected = [
        skimage.metrics.peak_signal_noise_ratio(*pair, data_range=1)
        for pair in zip(target, predicted, strict=True)
    ]
    actual = definitions.peak_signal_to_noise(target, predicted)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_signal_to_noise_of_identical_images_is_capped():
    target, _ = _image_pair(2, 4, 3)
    actual = definitions.peak_signal_to_noise(target, target)
    np.testing.assert_allclose(actual, 2 * [definitions.PSNR_CAP_DB], rtol=1e-6)


def test_structural_similarity_agrees_with_scikit_image():
    target, predicted = _image_pair(2, 19, 14)
    expected = [
        skimage.metrics.structural_similarity(
            *(image.astype(np.float64) for image in pair),
            data_range=1.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for pair in zip(target, predicted, strict=True)
    ]
    actual = definitions.structural_similarity(target, predicted)
    np.testing.assert_allclose(actual, expected, atol=1e-4)  # float32 variances


def test_structural_similarity_enlarges_small_images():
    target, predicted = _image_pair(2, 4, 13)
    enlarged = [image.repeat(3, axis=1).repeat(3, axis=2) for image in (target, predicted)]
    actual = definitions.structural_similarity(target, predicted)
    np.testing.assert_allclose(actual, definitions.structural_similarity(*enlarged), rtol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (10, 10), (11, 12)])
def test_structural_similarity_takes_any_size(size):
    target, predicted = _image_pair(2, *size)
    spec = tf.TensorSpec([None, None, None, 3])
    graph = tf.function(definitions.structural_similarity, input_signature=[spec, spec])
    np.testing.assert_allclose(graph(target, target), [1, 1], atol=1e-6)
    similarity = graph(target, predicted).numpy()
    assert np.all((similarity < 1) & (similarity > -1))
    # A graph may add up in another order: 1e-7 in a variance, over a guard of 9e-4.
    np.testing.assert_allclose(
        similarity, definitions.structural_similarity(target, predicted), atol=5e-4
    )


def test_colorfulness_follows_the_paper():
    image, _ = _image_pair(3, 6, 5)
    red, green, blue = np.moveaxis(255 * image.astype(np.float64), -1, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    spread = np.sqrt(rg.std(axis=(1, 2)) ** 2 + yb.std(axis=(1, 2)) ** 2)
    center = np.sqrt(rg.mean(axis=(1, 2)) ** 2 + yb.mean(axis=(1, 2)) ** 2)
    actual = definitions.colorfulness(image)
    np.testing.assert_allclose(actual, spread + 0.3 * center, rtol=1e-5)


def test_gray_is_not_colorful():
    gray = np.repeat(np.random.default_rng(0).random((2, 5, 4, 1)), 3, axis=-1)
    np.testing.assert_allclose(definitions.colorfulness(gray), [0, 0], atol=1e-10)
