import numpy as np
import pytest
import tensorflow as tf

from tfcolor.heads.region_bodies import DenseBody, ResidualBody

REGIONS = np.random.default_rng(0).normal(size=(6, 3, 3, 5)).astype(np.float32)
BODIES = {
    "dense": lambda seed: DenseBody(45, 7, seed=seed),
    "residual": lambda seed: ResidualBody(5, 2, seed=seed),
}


def test_block_4_has_the_published_size():
    with tf.Graph().as_default():
        body = ResidualBody(1024, 512, seed=0)
        units = [variable for unit in body.units for variable in unit.trainable_variables]
        kernels = [one for one in units if one.shape.rank == 4]
    assert body.size == 2048
    assert len(kernels) == 10
    assert sum(int(np.prod(one.shape)) for one in units) == 14_966_784


@pytest.mark.parametrize("name", BODIES)
def test_each_region_is_described_by_itself(name):
    body = BODIES[name](0)
    described = body(REGIONS).numpy()
    assert described.shape == (6, body.size) and described.min() >= 0 and described.max() > 0
    np.testing.assert_allclose(body(REGIONS[2:3])[0], described[2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", BODIES)
def test_every_number_is_trained_and_kernels_follow_the_seed(name):
    body = BODIES[name](0)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(body(REGIONS, training=True) ** 2)
    gradients = tape.gradient(total, body.trainable_variables)
    assert gradients and all(gradient is not None for gradient in gradients)
    same, other = BODIES[name](0), BODIES[name](1)
    for first, second, third in zip(
        *(one.trainable_variables for one in (body, same, other)), strict=True
    ):
        np.testing.assert_array_equal(first, second)
        if first.shape.rank > 1:
            assert np.abs(first - third).max() > 0


def test_regions_in_training_are_normalized_together():
    body = BODIES["residual"](0)
    together = body(REGIONS, training=True).numpy()
    with_others = body(np.concatenate([REGIONS[:3], 9 * REGIONS[3:]]), training=True).numpy()
    assert np.abs(together[:3] - with_others[:3]).max() > 1e-3
