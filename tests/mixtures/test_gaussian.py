import warnings

import numpy as np
import pytest
import scipy.sparse
import scipy.special
import scipy.stats
import sklearn.exceptions
import sklearn.mixture
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.mixtures.assignment import log_joint
from tfcolor.mixtures.expectation_maximization import em_step, fit_mixture
from tfcolor.mixtures.gaussian import COVARIANCES, GaussianMixture, GaussianOptions
from tfcolor.mixtures.permutations import cyclic_permutations
from tfcolor.mixtures.samples import DenseSamples, SparseSamples

SHARED = {
    "tied": (0, 1),
    "full": (1,),
    "full_per_block": (0,),
    "full_per_component_and_block": (),
    "diagonal": (),
    "diagonal_per_block": (0,),
    "identity": (0, 1),
}


def make(covariance, group=(3, 2), size=4, num_components=5, num_samples=120):
    """Returns values about some means, and a mixture to start from."""
    generator = np.random.default_rng(0)
    num_blocks = group[0] * group[1]
    means = generator.normal(3, 2, (num_components, num_blocks, size))
    chosen = means[generator.integers(num_components, size=num_samples)]
    values = chosen + generator.normal(0, 0.7, chosen.shape)
    shape = [num_components, num_blocks]
    for axis in SHARED[covariance]:
        shape[axis] = 1
    factors = np.eye(size) + 0.3 * np.tril(generator.normal(size=[*shape, size, size]))
    covariances = factors @ np.swapaxes(factors, 2, 3)
    if COVARIANCES[covariance].is_diagonal:
        covariances = np.diagonal(covariances, axis1=2, axis2=3).copy()
    if covariance == "identity":
        covariances = np.ones([1, 1, size])
    weights = generator.dirichlet(np.ones(num_components * num_blocks)).reshape(-1, num_blocks)
    start = GaussianMixture(weights, means + generator.normal(0, 0.3, means.shape), covariances)
    return values.astype(np.float32), start


def full_covariances(mixture):
    """Returns [K, P, D, D]."""
    covariances = mixture.covariances
    if covariances.ndim == 3:
        covariances = covariances[..., None] * np.eye(covariances.shape[2])
    return np.broadcast_to(covariances, [*mixture.means.shape, mixture.means.shape[2]])


def reference_joint(values, mixture, group):
    """Returns float64 [N, K, P] by SciPy's normal density, block by block."""
    order, covariances = cyclic_permutations(*group), full_covariances(mixture)
    joint = np.log(mixture.weights) + np.zeros([len(values), 1, 1])
    for k, w, i in np.ndindex(*mixture.weights.shape, len(order)):
        joint[:, k, w] += scipy.stats.multivariate_normal.logpdf(
            values[:, order[w, i]], mixture.means[k, i], covariances[k, i]
        )
    return joint


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_step_equals_the_formulas_in_float64(covariance):
    group, epsilon = (2, 2), 0.05
    values, start = make(covariance, group)
    joint = reference_joint(values, start, group)
    samples = DenseSamples(values, 2)
    np.testing.assert_allclose(log_joint(start, samples), joint, rtol=2e-5, atol=1e-3)
    log_probs = scipy.special.logsumexp(joint, axis=(1, 2))
    shares = np.exp(joint - log_probs[:, None, None])
    options = GaussianOptions(covariance=covariance, min_covariance=epsilon, min_weight=1e-3)
    mixture, log_likelihood = em_step(start, samples, options)
    assert log_likelihood == pytest.approx(log_probs.sum(), rel=1e-6)
    expected = (shares.sum(axis=0) / len(values)).clip(1e-3, 1 - 1e-3)
    np.testing.assert_allclose(mixture.weights, expected, atol=1e-4)
    blocks = values[:, cyclic_permutations(*group)].astype(float)
    sizes = shares.sum(axis=(0, 2))
    means = np.einsum("nkw,nwbd->kbd", shares, blocks) / sizes[:, None, None]
    np.testing.assert_allclose(mixture.means, means, atol=1e-4)
    scatter = np.zeros([*means.shape, 4])
    for k, w in np.ndindex(*shares.shape[1:]):
        rest = blocks[:, w] - means[k]
        scatter[k] += np.einsum("n,nbd,nbe->bde", shares[:, k, w], rest, rest)
    total = np.broadcast_to(sizes[:, None, None, None], [*means.shape[:2], 1, 1])
    axes = SHARED[covariance]
    expected = scatter.sum(axis=axes, keepdims=True) / total.sum(axis=axes, keepdims=True)
    expected = limited(expected, covariance, epsilon)
    np.testing.assert_allclose(full_covariances(mixture), expected + 0 * scatter, atol=3e-4)


def limited(covariances, covariance, epsilon):
    """Returns covariances after the limits of section 13 of the specification."""
    eye = np.eye(covariances.shape[2])
    if covariance == "identity":
        return eye
    if covariance == "diagonal":
        return (covariances + epsilon) * eye
    if "block" in covariance:
        limited = np.maximum(covariances, epsilon) * eye
        return limited if "diagonal" in covariance else limited + covariances * (1 - eye)
    return (1 - epsilon) * covariances + epsilon * eye


def test_tied_step_by_hand():
    samples = DenseSamples(np.float32([[[0], [1]], [[3], [2]]]))
    means, variance = np.array([[[0.0], [2]]]), np.ones((1, 1, 1, 1))
    start = GaussianMixture(np.full((1, 2), 0.5), means, variance)
    joint = log_joint(start, samples)[:, 0]
    log_probs = scipy.special.logsumexp(joint, axis=1)
    np.testing.assert_allclose(log_probs, [-2.904096, -4.904096], atol=1e-5)
    expected = [[0.880797, 0.119203], [0.119203, 0.880797]]
    np.testing.assert_allclose(scipy.special.softmax(joint, axis=1), expected, atol=1e-5)
    for epsilon, expected in ((1e-9, 1.104994), (1e-3, 1.104889)):
        mixture, _ = em_step(start, samples, GaussianOptions(min_covariance=epsilon))
        np.testing.assert_allclose(mixture.means[0, :, 0], [1.119203, 1.880797], atol=1e-5)
        np.testing.assert_allclose(mixture.covariances, [[[[expected]]]], atol=1e-5)


@pytest.mark.parametrize(("ours", "theirs"), [("diagonal", "diag"), ("full", "full")])
def test_plain_mixture_equals_scikit_learn(ours, theirs):
    values, start = make(ours, (1, 1), 6, 4, 400)
    covariances = np.broadcast_to(np.diag(np.linspace(0.5, 2, 6)), [4, 6, 6])
    if ours == "diagonal":
        covariances = np.diagonal(covariances, axis1=1, axis2=2)
    precisions = 1 / covariances if ours == "diagonal" else np.linalg.inv(covariances)
    reference = sklearn.mixture.GaussianMixture(
        4,
        covariance_type=theirs,
        tol=0,
        reg_covar=1e-6,
        max_iter=6,
        weights_init=start.weights[:, 0],
        means_init=start.means[:, 0],
        precisions_init=precisions,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        reference.fit(values[:, 0].astype(float))
    mixture = GaussianMixture(start.weights, start.means, covariances[:, None])
    options = GaussianOptions(covariance=ours, min_covariance=1e-6, min_weight=0.0)
    samples = DenseSamples(values)
    for _ in range(6):
        mixture, log_likelihood = em_step(mixture, samples, options)
    assert log_likelihood / 400 == pytest.approx(reference.lower_bound_, rel=1e-5)
    np.testing.assert_allclose(mixture.weights[:, 0], reference.weights_, atol=1e-4)
    np.testing.assert_allclose(mixture.means[:, 0], reference.means_, atol=1e-3)
    np.testing.assert_allclose(mixture.covariances[:, 0], reference.covariances_, atol=2e-3)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_likelihood_never_decreases(covariance):
    values, _ = make(covariance)
    options = GaussianOptions(
        num_components=4,
        num_iterations=4,
        covariance=covariance,
        min_covariance=1e-9,
        min_weight=0.0,
        min_relative_gain=0.0,
    )
    (history,) = fit_mixture(DenseSamples(values, 2), options, seed=2).histories
    assert (np.diff(history) > -2e-6 * abs(history[0])).all()
    assert history[-1] > history[0]


def test_start_is_drawn_from_the_density_of_all_blocks():
    generator = np.random.default_rng(1)
    values = 5 + generator.normal(size=(300, 2, 3)) @ [[2, 0, 0], [1, 1, 0], [0, 0, 0.1]]
    options = GaussianOptions(num_components=200, min_covariance=0.01)
    start = GaussianMixture.initialize(DenseSamples(values), options, seed=0)
    blocks = values.reshape(-1, 3)
    expected = 0.99 * np.cov(blocks.T, bias=True) + 0.01 * np.eye(3)
    np.testing.assert_allclose(start.covariances[0, 0], expected, atol=1e-4)
    means = start.means.reshape(-1, 3)
    # 400 draws: four standard errors of a mean and of a variance.
    np.testing.assert_allclose(
        means.mean(axis=0), blocks.mean(axis=0), atol=0.2 * np.sqrt(expected.max())
    )
    np.testing.assert_allclose(np.cov(means.T), expected, atol=0.3 * expected.max())
    assert (start.weights == 1 / 400).all()


def test_diagonal_start_is_samples_of_unit_variance():
    values, _ = make("diagonal")
    options = GaussianOptions(num_components=7, covariance="diagonal")
    start = GaussianMixture.initialize(DenseSamples(values), options, seed=0)
    known = {sample.astype(np.float64).tobytes() for sample in values}
    assert all(sample.tobytes() in known for sample in start.means)
    assert (start.covariances == np.ones((7, 6, 4))).all()


@pytest.mark.parametrize("covariance", ["tied", "full", "diagonal"])
def test_single_blocks_have_the_density_of_their_part(covariance):
    values, mixture = make(covariance, (2, 1), 3, 4)
    patches = values[:10, 0].reshape(2, 5, 3)
    found = tf.function(mixture.log_probs)(tf.constant(patches))
    covariances = full_covariances(mixture)
    for index, (component, block) in enumerate(np.ndindex(4, 2)):
        expected = scipy.stats.multivariate_normal.logpdf(
            patches, mixture.means[component, block], covariances[component, block]
        )
        np.testing.assert_allclose(found[..., index], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_equal_samples_keep_everything_finite(covariance):
    options = GaussianOptions(num_components=3, num_iterations=2, covariance=covariance)
    state = fit_mixture(DenseSamples(np.zeros((6, 2, 4), np.float32)), options, seed=0)
    arrays = state.to_arrays()
    assert all(np.isfinite(array).all() for array in arrays.values())


def test_an_empty_component_stays_defined():
    values, start = make("full")
    means = start.means.copy()
    means[2] += 1e4
    start = GaussianMixture(start.weights, means, start.covariances)
    options = GaussianOptions(covariance="full")
    mixture, _ = em_step(start, DenseSamples(values, 2), options)
    assert mixture.weights[2] == pytest.approx(np.full(6, 1e-4))
    np.testing.assert_allclose(mixture.covariances[2, 0], 1e-3 * np.eye(4), atol=1e-9)
    assert np.isfinite(mixture.means).all()


def test_unsuitable_samples_are_refused():
    values, start = make("tied")
    with pytest.raises(UserError, match="121 components from 120 samples"):
        GaussianMixture.initialize(
            DenseSamples(values), GaussianOptions(num_components=121), seed=0
        )
    sparse = SparseSamples(scipy.sparse.csr_matrix(np.eye(6, 4)), 6)
    with pytest.raises(ValueError, match="SparseSamples: expected DenseSamples"):
        start.expect(sparse, GaussianOptions())


def test_selected_components_keep_their_covariances():
    _, mixture = make("full")
    chosen = mixture.select(np.array([3, 1]))
    assert (chosen.covariances == mixture.covariances[[3, 1]]).all()
    _, tied = make("tied")
    assert (tied.select(np.array([3, 1])).covariances == tied.covariances).all()
