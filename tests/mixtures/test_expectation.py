import numpy as np
import pytest
import scipy.sparse
import scipy.special
import tensorflow as tf

from tfcolor.mixtures.assignment import log_joint
from tfcolor.mixtures.bernoulli import BernoulliMixture
from tfcolor.mixtures.expectation import (
    MAX_CHUNK,
    chunk_size,
    expect,
    map_chunks,
    second_features,
)
from tfcolor.mixtures.permutations import cyclic_permutations
from tfcolor.mixtures.samples import DenseSamples, SparseSamples


def make(num_samples, group, size, num_components, seed=0):
    """Returns bits around the blocks of a mixture that makes them, and the mixture."""
    generator = np.random.default_rng(seed)
    num_blocks = group[0] * group[1]
    means = generator.beta(0.3, 1.5, (num_components, num_blocks, size)).clip(5e-4, 1 - 5e-4)
    weights = generator.dirichlet(np.ones(num_components * num_blocks)).reshape(-1, num_blocks)
    components = generator.integers(num_components, size=num_samples)
    turns = generator.integers(num_blocks, size=num_samples)
    # Block A(w, i) of the sample comes from block i of the component.
    probs = np.empty((num_samples, num_blocks, size))
    order = cyclic_permutations(*group)
    probs[np.arange(num_samples)[:, None], order[turns]] = means[components]
    # Halfway between two components, so that not every responsibility is 0 or 1.
    probs = 0.5 * probs + 0.5 * probs[generator.permutation(num_samples)]
    bits = (generator.random(probs.shape) < probs).astype(np.uint8)
    return bits, BernoulliMixture(weights, means)


def reference_joint(bits, mixture, group):
    """Returns float64 [N, K, P], eq. 1.7 written out."""
    log_odds = scipy.special.logit(mixture.means)
    blocks = bits[:, cyclic_permutations(*group)].astype(float)
    joint = np.einsum("nwbd,kbd->nkw", blocks, log_odds, optimize=True)
    joint += np.log1p(-mixture.means).sum(axis=(1, 2))[:, None]
    return joint + np.log(mixture.weights)


@pytest.mark.parametrize("group", [(1, 1), (3, 2), (8, 1), (32, 1)])
def test_float32_is_enough(group):
    bits, mixture = make(60, group, 288, 5)
    expected = reference_joint(bits, mixture, group)
    found = log_joint(mixture, DenseSamples(bits, group[1]))
    assert np.abs(expected).max() > 50 * len(cyclic_permutations(*group))
    # Hundreds to thousands, to a few units of float32 of them.
    unit = np.spacing(np.float32(np.abs(expected).max()))
    assert np.abs(found - expected).max() < 8 * unit
    flat = (60, -1)
    responsibilities = scipy.special.softmax(found.reshape(flat), axis=1)
    exact = scipy.special.softmax(expected.reshape(flat), axis=1)
    np.testing.assert_allclose(responsibilities, exact, atol=2 * unit)  # p (1 - p) is 1/4 at most


@pytest.mark.parametrize("group", [(1, 1), (3, 2)])
def test_statistics_are_weighted_sums(group):
    bits, mixture = make(50, group, 7, 4)
    joint = reference_joint(bits, mixture, group)
    log_probs = scipy.special.logsumexp(joint, axis=(1, 2))
    responsibilities = np.exp(joint - log_probs[:, None, None])
    blocks = bits[:, cyclic_permutations(*group)]
    rows = scipy.sparse.csr_matrix(bits.reshape(-1, 7))
    for samples in (DenseSamples(bits, group[1]), SparseSamples(rows, bits.shape[1], group[1])):
        statistics = expect(samples, mixture.densities, chunk_megabytes=1)
        assert statistics.log_likelihood == pytest.approx(log_probs.sum(), abs=1e-4)
        assert statistics.num_samples == 50
        np.testing.assert_allclose(statistics.counts, responsibilities.sum(axis=0), atol=1e-4)
        expected = np.einsum("nkw,nwbd->kbd", responsibilities, blocks)
        np.testing.assert_allclose(statistics.linear, expected, atol=1e-4)
        assert statistics.quadratic is None


def joint_of(bits, mixture, polarities=1):
    return log_joint(mixture, DenseSamples(bits, polarities))


def test_rolled_samples_roll_responsibilities():
    bits, mixture = make(20, (6, 1), 9, 3)
    uniform = BernoulliMixture(np.full_like(mixture.weights, 1 / 18), mixture.means)
    rolled = joint_of(np.roll(bits, 2, axis=1), uniform)
    np.testing.assert_allclose(rolled, np.roll(joint_of(bits, uniform), 2, axis=2), atol=1e-4)


def test_rolled_samples_and_means_leave_responsibilities():
    bits, mixture = make(20, (6, 1), 9, 3)
    rolled = BernoulliMixture(mixture.weights, np.roll(mixture.means, 2, axis=1))
    np.testing.assert_allclose(
        joint_of(np.roll(bits, 2, axis=1), rolled), joint_of(bits, mixture), atol=1e-4
    )


def test_a_canonical_rotation_may_be_chosen_afterwards():
    bits, mixture = make(20, (6, 1), 9, 3)
    rolled = BernoulliMixture(
        np.roll(mixture.weights, 4, axis=1), np.roll(mixture.means, -4, axis=1)
    )
    np.testing.assert_allclose(
        joint_of(bits, rolled), np.roll(joint_of(bits, mixture), 4, axis=2), atol=1e-4
    )


def test_swapped_polarities_swap_responsibilities():
    bits, mixture = make(20, (3, 2), 9, 3)
    uniform = BernoulliMixture(np.full_like(mixture.weights, 1 / 18), mixture.means)
    swapped = np.concatenate([bits[:, 3:], bits[:, :3]], axis=1)
    expected = joint_of(bits, uniform, 2)[:, :, [3, 4, 5, 0, 1, 2]]
    np.testing.assert_allclose(joint_of(swapped, uniform, 2), expected, atol=1e-4)


def test_relabeled_components_permute_results():
    bits, mixture = make(20, (4, 1), 9, 3)
    order = np.array([2, 0, 1])
    np.testing.assert_allclose(
        joint_of(bits, mixture.select(order)), joint_of(bits, mixture)[:, order], atol=1e-4
    )


def test_chunks_are_bounded_whatever_the_number_of_samples():
    bits, mixture = make(9, (8, 1), 288, 40)
    many = DenseSamples(np.broadcast_to(bits[:1], (10**6, 8, 288)))
    sizes = [chunk_size(many, mixture.densities, megabytes) for megabytes in (1, 2, 10**6)]
    assert sizes[0] * 8 * 288 * 4 < 2**20
    assert sizes[1] in (2 * sizes[0], 2 * sizes[0] + 1)
    assert sizes == [
        chunk_size(DenseSamples(bits), mixture.densities, megabytes) for megabytes in (1, 2, 10**6)
    ]


@pytest.mark.parametrize("num_samples", [1, 5, 100, 1000, 1025])
def test_threads_get_equal_shares_of_all_samples(num_samples):
    bits, mixture = make(num_samples, (1, 1), 3, 2)
    sizes = list(map_chunks(DenseSamples(bits), mixture.densities, count_samples, 1))
    assert sum(sizes) == num_samples
    assert max(sizes) <= MAX_CHUNK
    if num_samples > MAX_CHUNK:
        assert (len(sizes), max(sizes) - min(sizes)) == (4, 3)
    else:
        assert len(sizes) == 1


def count_samples(correlation, chunk, prepared):
    return tf.shape(chunk)[0]


def test_sums_do_not_depend_on_the_chunks():
    bits, mixture = make(700, (4, 1), 288, 9)
    samples = DenseSamples(bits)
    small, large = (
        expect(samples, mixture.densities, chunk_megabytes=megabytes) for megabytes in (1, 64)
    )
    assert small.log_likelihood == pytest.approx(large.log_likelihood, rel=1e-7)
    np.testing.assert_allclose(small.linear, large.linear, atol=2e-3)


def test_second_features_are_squares_or_products():
    features = tf.constant([[2.0, 3.0, 5.0]])
    assert second_features(features, 3).numpy().tolist() == [[4, 9, 25]]
    assert second_features(features, 6).numpy().tolist() == [[4, 6, 9, 10, 15, 25]]
