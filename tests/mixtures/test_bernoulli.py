import numpy as np
import pytest
import scipy.special

from tfcolor.core.errors import UserError
from tfcolor.mixtures.assignment import log_joint
from tfcolor.mixtures.bernoulli import BernoulliMixture, BernoulliOptions
from tfcolor.mixtures.expectation_maximization import em_step
from tfcolor.mixtures.samples import DenseSamples


def bits(seed, shape, share):
    return (np.random.RandomState(seed).rand(*shape) < share).astype(np.uint8)


def steps(mixture, samples, num_steps, **options):
    """Returns the mixture after some steps and the log-likelihood before each."""
    history = []
    for _ in range(num_steps):
        mixture, log_likelihood = em_step(mixture, samples, BernoulliOptions(**options))
        history.append(log_likelihood)
    return mixture, history


def plain_em(values, indices, num_steps, min_prob):
    """Expectation-maximization of eq. 1.1, float64, one mixture at a time."""
    means = np.where(values[indices] > 0, 0.8, 0.2)
    weights = np.full(len(means), 1 / len(means))
    history = []
    for _ in range(num_steps):
        joint = np.log(weights) + np.stack(
            [np.where(values > 0, np.log(mean), np.log(1 - mean)).sum(axis=1) for mean in means], 1
        )
        log_probs = scipy.special.logsumexp(joint, axis=1)
        history.append(log_probs.sum())
        shares = np.exp(joint - log_probs[:, None])
        sizes = shares.sum(axis=0)
        weights = sizes / len(values)
        means = np.clip(shares.T @ values / sizes[:, None], min_prob, 1 - min_prob)
    return weights, means, history


def test_mixture_with_permutations_takes_the_published_steps():
    values = bits(3, (40, 6, 5), 0.4)
    assert values.sum() == 465
    samples = DenseSamples(values, 2)
    start = BernoulliMixture.from_samples(samples, np.array([22, 20, 25]))
    mixture, history = steps(start, samples, 4, min_prob=0.01)
    np.testing.assert_allclose(
        history, [-840.715067, -756.656547, -741.787047, -734.122635], atol=1e-4
    )
    expected = [0.419014, 0.616811, 0.274812, 0.831009, 0.527477]
    np.testing.assert_allclose(mixture.means[0, 0], expected, atol=1e-5)
    expected = [0.236969, 0.289160, 0.508629, 0.552569, 0.327592]
    np.testing.assert_allclose(mixture.means[2, 5], expected, atol=1e-5)
    expected = [0.054553, 0.001104, 0.000422, 0.000317, 0.077006, 0.070117]
    np.testing.assert_allclose(mixture.weights[1], expected, atol=1e-5)


def test_one_step_by_hand():
    values = np.array([[[1, 0], [0, 1]], [[1, 1], [0, 0]], [[0, 0], [1, 0]]], np.uint8)
    means = np.array([[[0.8, 0.2], [0.2, 0.8]], [[0.6, 0.6], [0.3, 0.4]]])
    start = BernoulliMixture(np.array([[0.25, 0.25], [0.3, 0.2]]), means)
    samples = DenseSamples(values)
    joint = log_joint(start, samples)
    expected = [[-2.278869, -7.824046], [-3.904055, -4.751353]]
    np.testing.assert_allclose(joint[0], expected, atol=1e-5)
    log_probs = scipy.special.logsumexp(joint, axis=(1, 2))
    np.testing.assert_allclose(log_probs, [-2.027988, -2.780621, -2.882404], atol=1e-5)
    shares = np.exp(joint - log_probs[:, None, None])
    expected = [[0.103226, 0.103226], [0.731613, 0.061935]]
    np.testing.assert_allclose(shares[1], expected, atol=1e-5)
    mixture, _ = steps(start, samples, 1)
    expected = [[0.303304, 0.187803], [0.346363, 0.162530]]
    np.testing.assert_allclose(mixture.weights, expected, atol=1e-5)
    expected = [
        [[0.908481, 0.072126], [0.091519, 0.598201]],
        [[0.815367, 0.522223], [0.184633, 0.140912]],
    ]
    np.testing.assert_allclose(mixture.means, expected, atol=1e-5)
    _, history = steps(start, samples, 4, min_prob=0.05)
    np.testing.assert_allclose(history, [-7.691013, -6.268864, -5.625731, -5.592503], atol=1e-5)


def test_one_step_with_two_polarities():
    values = np.array([[[1], [0], [0], [1]], [[0], [0], [1], [1]]], np.uint8)
    means = np.array([[[0.9], [0.4], [0.3], [0.6]]])
    start = BernoulliMixture(np.array([[0.4, 0.3, 0.2, 0.1]]), means)
    samples = DenseSamples(values, 2)
    joint = log_joint(start, samples)[:, 0]
    log_probs = scipy.special.logsumexp(joint, axis=1)
    np.testing.assert_allclose(log_probs, [-2.155891, -3.275446], atol=1e-5)
    expected = [
        [0.783420, 0.012435, 0.008290, 0.195855],
        [0.114286, 0.085714, 0.533333, 0.266667],
    ]
    np.testing.assert_allclose(np.exp(joint - log_probs[:, None]), expected, atol=1e-5)
    mixture, _ = steps(start, samples, 1)
    expected = [[0.448853, 0.049075, 0.270812, 0.231261]]
    np.testing.assert_allclose(mixture.weights, expected, atol=1e-5)
    expected = [0.889637, 0.410363, 0.110363, 0.589637]
    np.testing.assert_allclose(mixture.means[0, :, 0], expected, atol=1e-5)


def test_sign_of_the_permutation():
    mixture = BernoulliMixture(np.full((1, 3), 1 / 3), np.array([[[0.9], [0.2], [0.7]]]))
    joint = log_joint(mixture, DenseSamples(np.array([[[0], [1], [1]]], np.uint8)))[0, 0]
    np.testing.assert_allclose(3 * np.exp(joint), [0.014, 0.054, 0.504], atol=1e-6)
    expected = [0.024476, 0.094406, 0.881119]
    np.testing.assert_allclose(scipy.special.softmax(joint), expected, atol=1e-6)


def test_plain_mixture_takes_the_published_steps():
    values = bits(4, (30, 6), 0.5)
    assert values.sum() == 81
    samples = DenseSamples(values[:, None])
    start = BernoulliMixture.from_samples(samples, np.array([2, 28, 13]))
    mixture, history = steps(start, samples, 5, min_prob=0.01)
    expected = [-130.613588, -117.099042, -114.890868, -114.068346, -113.726178]
    np.testing.assert_allclose(history, expected, atol=1e-5)
    np.testing.assert_allclose(mixture.weights[:, 0], [0.420661, 0.324788, 0.254551], atol=1e-5)
    expected = [0.01, 0.460582, 0.904034, 0.350170, 0.633242, 0.450340]
    np.testing.assert_allclose(mixture.means[0, 0], expected, atol=1e-5)


def test_small_plain_mixture():
    values = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 1], [0, 1, 1]], np.uint8)
    samples = DenseSamples(values[:, None])
    start = BernoulliMixture.from_samples(samples, np.array([0, 2]))
    log_probs = scipy.special.logsumexp(log_joint(start, samples)[..., 0], axis=1)
    expected = [-1.347074, -2.525729, -1.347074, -2.525729]
    np.testing.assert_allclose(log_probs, expected, atol=1e-5)
    mixture, _ = steps(start, samples, 1, min_prob=0.01)
    expected = [[0.892308, 0.99, 0.507692], [0.107692, 0.507692, 0.99]]
    np.testing.assert_allclose(mixture.means[:, 0], expected, atol=1e-5)
    _, history = steps(start, samples, 4, min_prob=0.01)
    np.testing.assert_allclose(history, [-7.745605, -5.811228, -5.696243, -5.640636], atol=1e-5)


def test_plain_mixture_equals_textbook_em():
    values = bits(5, (300, 40), 0.3)
    indices = np.array([4, 100, 7, 250, 31, 9])
    samples = DenseSamples(values[:, None])
    start = BernoulliMixture.from_samples(samples, indices)
    mixture, history = steps(start, samples, 4, min_prob=1e-3)
    weights, means, expected = plain_em(values, indices, 4, 1e-3)
    np.testing.assert_allclose(history, expected, rtol=1e-6)
    np.testing.assert_allclose(mixture.weights[:, 0], weights, atol=1e-4)
    np.testing.assert_allclose(mixture.means[:, 0], means, atol=1e-4)


@pytest.mark.parametrize(("group", "size"), [((1, 1), 30), ((5, 1), 9), ((3, 2), 9)])
def test_likelihood_never_decreases(group, size):
    values = bits(6, (200, group[0] * group[1], size), 0.5)
    samples = DenseSamples(values, group[1])
    start = BernoulliMixture.from_samples(samples, np.arange(4))
    _, history = steps(start, samples, 6, min_prob=1e-12, min_weight=0.0)
    assert (np.diff(history) > -1e-6 * abs(history[0])).all()
    assert history[-1] > history[0] + 10


def test_one_component_is_the_clipped_mean():
    values = bits(7, (20, 1, 6), 0.5)
    values[..., 0] = 1
    samples = DenseSamples(values)
    start = BernoulliMixture.from_samples(samples, np.array([3]))
    mixture, _ = steps(start, samples, 1, min_prob=0.01)
    expected = values.mean(axis=(0, 1)).clip(0.01, 0.99)
    np.testing.assert_allclose(mixture.means[0, 0], expected, atol=1e-6)
    assert mixture.weights.tolist() == [[1]]


def test_a_rotated_copy_gives_permuted_parameters():
    values = bits(8, (60, 6, 9), 0.4)
    mixtures = []
    for turned in (values, np.roll(values, -2, axis=1)):
        samples = DenseSamples(turned)
        start = BernoulliMixture.from_samples(samples, np.arange(3))
        mixtures.append(steps(start, samples, 3, min_prob=0.01)[0])
    rolled = np.roll(mixtures[0].means, -2, axis=1)
    np.testing.assert_allclose(mixtures[1].means, rolled, atol=1e-4)
    np.testing.assert_allclose(mixtures[1].weights, mixtures[0].weights, atol=1e-5)


def test_weights_have_a_floor_only_with_permutations():
    for num_blocks, smallest in ((1, 0.0), (2, 1e-4)):
        values = np.zeros((50, num_blocks, 40), np.uint8)
        values[:25] = 1
        samples = DenseSamples(values)
        means = np.full((3, num_blocks, 40), 0.01)
        means[1], means[2] = 0.99, 0.5
        start = BernoulliMixture(np.full(means.shape[:2], 1 / 3 / num_blocks), means)
        mixture, _ = steps(start, samples, 2)
        assert mixture.weights.min() == pytest.approx(smallest, abs=1e-9)


def test_an_empty_component_stays_defined():
    samples = DenseSamples(np.zeros((10, 1, 200), np.uint8))
    means = np.stack([np.full((1, 200), 0.01), np.full((1, 200), 0.99)])
    mixture, history = steps(BernoulliMixture(np.full((2, 1), 0.5), means), samples, 3)
    assert mixture.weights[:, 0].tolist() == pytest.approx([1, 0])
    assert np.isfinite(mixture.means).all()
    assert np.isfinite(history).all()


@pytest.mark.parametrize("value", [0, 1])
def test_equal_samples_give_equal_components(value):
    samples = DenseSamples(np.full((9, 2, 5), value, np.uint8))
    start = BernoulliMixture.initialize(samples, BernoulliOptions(num_components=4), seed=0)
    mixture, history = steps(start, samples, 3, min_prob=0.001)
    np.testing.assert_allclose(mixture.means, abs(value - 0.001), atol=1e-7)
    np.testing.assert_allclose(mixture.weights, 1 / 8, atol=1e-6)
    assert np.isfinite(history).all()


def test_initial_components_are_softened_samples():
    samples = DenseSamples(bits(9, (8, 3, 5), 0.5))
    options = BernoulliOptions(num_components=8)
    start = BernoulliMixture.initialize(samples, options, seed=3)
    assert set(np.unique(start.means)) == {0.2, 0.8}
    found = {row.tobytes() for row in (start.means > 0.5).astype(np.uint8)}
    assert found == {row.tobytes() for row in samples.values}
    assert (start.weights == 1 / 24).all()
    with pytest.raises(UserError, match="9 components from 8 samples"):
        BernoulliMixture.initialize(samples, BernoulliOptions(num_components=9), seed=3)


def test_linear_form_is_log_odds_and_offsets():
    mixture = BernoulliMixture(np.ones((1, 1)), np.array([[[0.9, 0.2]]]))
    np.testing.assert_allclose(mixture.log_odds, scipy.special.logit([[[0.9, 0.2]]]))
    np.testing.assert_allclose(mixture.offsets, [[np.log(0.1 * 0.8)]])


@pytest.mark.parametrize("value, dtype", [(255, np.uint8), (0.5, np.float32), (np.nan, np.float32)])
def test_numbers_that_are_no_bits_are_refused(value, dtype):
    values = np.zeros((9, 2, 3), dtype)
    values[4, 1, 2] = value
    options = BernoulliOptions(num_components=9)
    with pytest.raises(UserError, match=f"a sample has {value:g}: expected 0 and 1"):
        BernoulliMixture.initialize(DenseSamples(values), options, seed=0)
