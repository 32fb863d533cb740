import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from tfcolor.losses.alpha_beta import alpha_beta_divergence
from tfcolor.losses.distillation import normalized_divergence, temperature_divergence

Y = np.array([[1, -2, 0.5], [3, 0, -0.5]])
Z = np.array([[0.5, -1, 0.5], [2, 1, -1]])
SCALES = np.array([2.2360679775, 1.4142135624, 0.5])


def _gradient(loss, student):
    student = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = loss(student)
    return tape.gradient(value, student).numpy()


def test_goldens_of_the_new_loss():
    np.testing.assert_allclose(np.sqrt(np.mean(Y**2, axis=0)), SCALES)
    losses = {T: normalized_divergence(Y, Z, SCALES, 1 / T, 0.0).numpy() for T in (4, 1, 1000)}
    np.testing.assert_allclose(losses[4], [0.0712695716, 0.2530230751], rtol=1e-6)
    np.testing.assert_allclose(losses[4].mean(), 0.1621463233, rtol=1e-6)
    np.testing.assert_allclose(losses[1].mean(), 0.1503464290, rtol=1e-6)
    np.testing.assert_allclose(losses[1000].mean(), 0.1873711540, rtol=1e-6)
    limit = normalized_divergence(Y, Z, SCALES, 0.0, 0.0)
    np.testing.assert_allclose(limit, [0.0916666667, 0.2833333333], rtol=1e-6)


def test_golden_gradients_of_the_new_loss():
    gradient = _gradient(lambda z: normalized_divergence(Y, z, SCALES, 0.25, 0.0), Z)
    expected = [-0.0362536712, 0.1280130883, 0]
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-6, atol=1e-12)
    plain = _gradient(
        lambda z: normalized_divergence(Y, z, SCALES, 0.25, 0.0, normalize_student=False),
        Z / SCALES,
    )
    expected = [-0.0810656733, 0.1810378457, 0]
    np.testing.assert_allclose(plain[0], expected, rtol=1e-6, atol=1e-12)


def test_one_scale_may_do_for_all_features():
    scale = np.sqrt(np.mean(Y**2))
    np.testing.assert_allclose(scale, 1.5545631755)
    single = normalized_divergence(Y, Z, scale, 0.25, 0.0)
    np.testing.assert_allclose(single, alpha_beta_divergence(Y / scale, Z / scale, 0.25, 0.0))


def test_goldens_of_the_old_loss():
    four, one = (temperature_divergence(Y, Z, float(T)).numpy() for T in (4, 1))
    np.testing.assert_allclose(four, [0.1597423123, 0.3629295071], rtol=1e-6)
    np.testing.assert_allclose(one, [0.0661348430, 0.1658854987], rtol=1e-6)
    gradient = _gradient(lambda z: temperature_divergence(Y, z, 4.0), Z)
    expected = [-0.2101234850, 0.2206547648, -0.0105312799]
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-6)
    hot = temperature_divergence(Y, Z, 1e7)
    np.testing.assert_allclose(hot, [0.1944444444, 0.3611111111], rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_old_loss_agrees_with_scipy_and_does_not_see_shifts(temperature):
    teacher, student = np.random.default_rng(0).normal(0, 4, (2, 5, 7))
    probs = [scipy.special.softmax(one / temperature, axis=-1) for one in (teacher, student)]
    expected = temperature**2 * scipy.special.rel_entr(*probs).sum(axis=-1)
    actual = temperature_divergence(teacher, student, temperature)
    np.testing.assert_allclose(actual, expected, rtol=1e-9)
    shifted = temperature_divergence(teacher + 9, student - 5, temperature)
    np.testing.assert_allclose(shifted, expected, rtol=1e-9)


def test_losses_are_float32_and_reach_only_the_student():
    teacher, student = tf.cast(np.random.default_rng(1).normal(size=(2, 3, 4)), tf.bfloat16)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([teacher, student])
        losses = [
            temperature_divergence(teacher, student, 2.0),
            normalized_divergence(teacher, student, tf.constant(2.0), 0.5, 0.1),
        ]
    for loss in losses:
        assert loss.dtype == tf.float32
        assert loss.shape == [3]
        assert tape.gradient(loss, teacher) is None
        assert np.any(tape.gradient(loss, student) != 0)
