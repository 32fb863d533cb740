import numpy as np
import pytest
import tensorflow as tf
from scipy.signal import correlate2d

from tfcolor.heads.discriminator import Discriminator, DiscriminatorStage
from tfcolor.layers.batch_norm import collected_statistics
from tfcolor.models.network import kernel_and_bias_variables

SIDE, NAMES = 16, ("real_logits", "fake_logits", "fixed_real_logits", "fixed_fake_logits")


def _things(seed, with_codes=True):
    random_numbers = np.random.default_rng(seed)
    images = tf.constant(random_numbers.uniform(size=(3, SIDE, SIDE, 2)), tf.float32)
    codes = tf.constant(random_numbers.normal(size=(3, 5)), tf.float32)
    return (images, codes) if with_codes else (images,)


@pytest.fixture(scope="module")
def discriminator():
    return Discriminator(2, 2, side=SIDE, code_size=5, num_units=6, seed=0)


def test_the_published_sizes():
    kernels, biases = kernel_and_bias_variables(Discriminator(3, 64, side=64, seed=0))
    assert [tuple(kernel.shape) for kernel in kernels] == [
        *((4, 4, given, out) for given, out in ((3, 64), (64, 128), (128, 256), (256, 512))),
        (4 * 4 * 512, 1),
    ]
    assert len(biases) == len(kernels)


def test_at_first_nothing_is_judged(discriminator):
    logits = discriminator(_things(0), "real", training=True)
    assert logits.shape == [3]
    assert np.abs(logits).max() < 0.5
    assert len(np.unique(logits)) == 3


def test_a_convolution_agrees_with_scipy():
    stage = DiscriminatorStage([4, 4, 2, 3], normalizes=True, seed=3, name="stage")
    stage.bias.assign([0.1, 0.2, 0.3])
    maps = np.random.default_rng(1).normal(size=(2, 6, 6, 2)).astype(np.float32)
    padded = np.pad(maps, [(0, 0), (1, 1), (1, 1), (0, 0)])
    kernel = stage.kernel.numpy()
    sums = np.stack(
        [
            [
                sum(correlate2d(one[..., c], kernel[..., c, d], "valid") for c in range(2))[
                    ::2, ::2
                ]
                for d in range(3)
            ]
            for one in padded
        ]
    ).transpose(0, 2, 3, 1)
    mean, deviation = sums.mean((0, 1, 2)), sums.std((0, 1, 2))
    expected = (sums - mean) / deviation + [0.1, 0.2, 0.3]
    np.testing.assert_allclose(stage(maps, "fake", training=True), expected, atol=1e-3)


def test_both_sides_get_the_same_numbers(discriminator):
    for training in (True, False):
        judged = discriminator.judge(_things(1), _things(2), training)
        assert set(judged) == set(NAMES)
        np.testing.assert_array_equal(judged["real_logits"], judged["fixed_real_logits"])
        np.testing.assert_array_equal(judged["fake_logits"], judged["fixed_fake_logits"])
        assert np.all(judged["real_logits"].numpy() != judged["fake_logits"].numpy())
    # Without training an example's logit depends on nothing else.
    np.testing.assert_allclose(judged["real_logits"], discriminator(_things(1), "real"), rtol=1e-5)


def test_real_and_made_things_have_statistics_of_their_own():
    one = Discriminator(2, 2, side=SIDE, seed=0)
    (images,), (others,) = (_things(seed, with_codes=False) for seed in (1, 2))
    judged = one.judge((images,), (others,), training=True)
    # Whatever the made images are, the real ones are judged alike.
    other = one.judge((images,), (0.3 * others,), training=True)
    np.testing.assert_array_equal(other["real_logits"], judged["real_logits"])
    assert np.all(other["fake_logits"] != judged["fake_logits"])
    # The first update copies the batch: then both modes agree.
    fresh = Discriminator(2, 2, side=SIDE, seed=0)
    trained = fresh((images,), "real", training=True)
    np.testing.assert_allclose(fresh((images,), "real"), trained, rtol=1e-4, atol=1e-6)
    assert np.all(np.abs(fresh((images,), "fake") - trained) > 1e-6)


def test_a_batch_moves_the_statistics_once():
    one = Discriminator(2, 2, side=SIDE, code_size=5, num_units=6, seed=0)
    with collected_statistics() as collected:
        one.judge(_things(1), _things(2), training=True)
    norms = [norm for stage in one.stages for norm in stage.batch_norms.values()]
    assert len(norms) == 2
    variables = [variable for norm in norms for variable in norm.statistics_variables]
    assert sorted(id(variable) for variable, _ in collected) == sorted(map(id, variables))
    for _ in range(3):
        one.judge(_things(1), _things(2), training=True)
    assert [int(norm.num_updates) for norm in norms] == [3, 3]


def test_gradients_stay_on_their_side(discriminator):
    real, fake = _things(1), _things(2)
    variables = discriminator.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([*real, *fake])
        judged = discriminator.judge(real, fake, training=True)
        sums = {name: tf.reduce_sum(logits) for name, logits in judged.items()}
    for name in NAMES[:2]:
        assert tape.gradient(sums[name], [*real, *fake]) == [None] * 4
        own = tape.gradient(sums[name], variables)
        assert all(float(tf.norm(gradient)) > 0 for gradient in own)
    for name in NAMES[2:]:
        assert tape.gradient(sums[name], variables) == [None] * len(variables)
        images, codes = tape.gradient(sums[name], real if "real" in name else fake)
        assert float(tf.norm(images)) > 0
        assert float(tf.norm(codes)) > 0


def test_fixed_variables_do_not_change_the_gradient_of_what_is_judged(discriminator):
    images, codes = _things(4)
    gradients = []
    for is_fixed in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(images)
            logits = discriminator((images, codes), "fake", training=True, is_fixed=is_fixed)
        gradients.append(tape.gradient(logits, images))
    np.testing.assert_allclose(*gradients, atol=1e-7)


def test_a_rate_is_left_to_the_update_and_does_not_change_the_network():
    own, other = (
        Discriminator(2, 2, side=SIDE, code_size=5, num_units=6, rate=rate, seed=0)
        for rate in (1.0, 0.25)
    )
    things = _things(5)
    np.testing.assert_array_equal(own(things, "real"), other(things, "real"))
    layers = [*other.stages, *other.joining.values(), other.opinion]
    assert {layer.rate_multiplier for layer in layers} == {0.25}


def test_one_seed_gives_the_same_network():
    first, same, other = (
        Discriminator(1, 1, side=8, seed=seed).trainable_variables[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert np.all(first.numpy() != other.numpy())
