import numpy as np
import scipy.integrate
import scipy.stats
import tensorflow as tf

from tfcolor.losses.normal_divergence import normal_divergence


def test_it_is_the_integral_of_the_definition():
    mean, log_variance = np.array([0.7, -1.2]), np.array([-0.8, 0.6])

    def divergence(m, v):
        ours, theirs = scipy.stats.norm(m, np.sqrt(v)), scipy.stats.norm()
        return scipy.integrate.quad(
            lambda x: ours.pdf(x) * (ours.logpdf(x) - theirs.logpdf(x)), -12, 12
        )[0]

    expected = sum(map(divergence, mean, np.exp(log_variance)))
    np.testing.assert_allclose(normal_divergence(mean, log_variance), expected, rtol=1e-6)


def test_it_is_least_at_the_standard_normal_and_falls_toward_it():
    # The program of the dissertation had the other sign (spec of chapters 3 and 4, 20).
    assert normal_divergence(tf.zeros([2, 5]), tf.zeros([2, 5])).numpy().tolist() == [0, 0]
    random_numbers = np.random.default_rng(3)
    mean, log_variance = random_numbers.normal(size=(2, 4, 3, 5)).astype(np.float32)
    values = [normal_divergence(f * mean, f * log_variance).numpy() for f in (1, 0.5, 0.1)]
    assert values[0].shape == (4, 3)
    assert np.all(values[0] > values[1]) and np.all(values[1] > values[2])
    assert np.all(values[2] > 0)
