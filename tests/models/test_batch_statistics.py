import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UserError
from tfcolor.models.batch_statistics import recompute_statistics


def _build(name="resnet50_v2", **options):
    class_ = BACKBONES[name]
    return class_(class_.Options(width_multiplier=1 / 16, **options), 3, seed=0)


@pytest.fixture(scope="module")
def batches():
    draw = np.random.default_rng(0)
    return [tf.constant(draw.random([6, 33, 40, 3], np.float32) ** power) for power in (1, 2, 4)]


def test_the_first_layer_has_the_moments_of_all_images(batches):
    backbone = _build(block_units=(1, 1, 1))
    assert recompute_statistics(backbone, batches) == 18
    (name, first), *_ = backbone.batch_norms.items()
    assert name == "block1_unit1_conv1_before"
    stem = [backbone(images)["conv1"] for images in batches]
    pooled = [tf.nn.max_pool2d(one, 3, 2, "SAME").numpy() for one in stem]
    values = np.concatenate(pooled).reshape(-1, pooled[0].shape[-1]).astype(np.float64)
    np.testing.assert_allclose(first.moving_mean, values.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(first.moving_variance, values.var(axis=0), rtol=1e-4, atol=1e-7)
    assert int(first.num_updates) == 0


def test_of_one_batch_the_network_gives_what_training_does(batches):
    backbone = _build(block_units=(1, 2, 1))
    recompute_statistics(backbone, batches[:1])
    expected = backbone(batches[0], training=True)
    recompute_statistics(backbone, batches[:1])
    found = backbone(batches[0], training=False)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)


def test_mirrored_statistics_are_replaced_everywhere(batches):
    alone = _build(block_units=(1, 1, 1), synchronize_batch_norm=True)
    recompute_statistics(alone, batches)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        mirrored = _build(block_units=(1, 1, 1), synchronize_batch_norm=True)
    recompute_statistics(mirrored, batches)
    for name, layer in mirrored.batch_norms.items():
        expected = alone.batch_norms[name].moving_variance
        np.testing.assert_allclose(layer.moving_variance.numpy(), expected, rtol=1e-5)


def test_what_cannot_be_recomputed_is_named(batches):
    with pytest.raises(UserError, match="resnet50_v2 has no batch norm"):
        recompute_statistics(_build(use_batch_norm=False, block_units=(1, 1, 1)), batches)
    with pytest.raises(UserError, match="there is no image"):
        recompute_statistics(_build(block_units=(1, 1, 1)), [])


def test_frozen_layers_keep_their_statistics(batches):
    backbone = _build(block_units=(1, 1, 1))
    first, second, *_ = backbone.batch_norms.values()
    first.trainable = False
    recompute_statistics(backbone, batches)
    np.testing.assert_array_equal(first.moving_mean, np.zeros(first.moving_mean.shape))
    assert np.abs(second.moving_mean).max() > 0
