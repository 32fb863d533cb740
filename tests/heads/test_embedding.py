import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.heads.embedding import embedding_size, patch_embeddings


@pytest.mark.parametrize("map_shape", [(), (5, 7)])
def test_patches_of_an_example_are_consecutive(map_shape):
    top = np.random.default_rng(0).random([2 * 3, *map_shape, 4], np.float32)
    inputs = {"image": tf.zeros([2, 3, 8, 9, 1])}
    embeddings = patch_embeddings({"top": tf.constant(top)}, inputs)
    means = top.reshape(6, -1, 4).mean(axis=1)
    np.testing.assert_allclose(embeddings, means.reshape(2, 3, 4), rtol=1e-6)


def test_an_image_is_one_patch():
    top = tf.constant([[1.0, 2.0], [3.0, 4.0]], tf.float16)
    embeddings = patch_embeddings({"top": top}, {"image": tf.zeros([2, 8, 9, 1])})
    assert embeddings.dtype == tf.float32
    np.testing.assert_array_equal(embeddings, [[[1, 2]], [[3, 4]]])


def test_the_size_is_that_of_the_last_tap():
    assert embedding_size({"conv1": Tap("conv1", 2, 0.5, 8), "fc7": Tap("fc7", 32, 15.5, 6)}) == 6
