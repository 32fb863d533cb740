import numpy as np
import pytest
import scipy.sparse

from tfcolor.mixtures.permutations import cyclic_permutations
from tfcolor.mixtures.samples import DenseSamples, SparseSamples

GROUPS = [(1, 1), (4, 1), (5, 1), (3, 2), (32, 1)]
N, D, K = 7, 11, 3


def make(kind, group):
    """Returns samples, their one chunk and the same as an array."""
    rotations, polarities = group
    bits = np.random.default_rng(1).random((N, rotations * polarities, D)) < 0.3
    samples = DenseSamples(bits, polarities)
    if kind == "sparse":
        rows = scipy.sparse.csr_matrix(bits.reshape(-1, D).astype(np.uint8))
        samples = SparseSamples(rows, bits.shape[1], polarities)
    return samples.correlation, samples.chunk(0, N), bits.astype(float)


@pytest.fixture(params=GROUPS, ids=str)
def group(request):
    return request.param


@pytest.fixture(params=["dense", "sparse"])
def setting(request, group):
    return make(request.param, group)


def transform(correlation, chunk):
    return correlation.transform(correlation.read(chunk))


def test_correlation_is_the_sum_over_blocks(setting, group):
    correlation, chunk, bits = setting
    weights = np.random.default_rng(2).normal(size=(K, bits.shape[1], D))
    found = correlation.correlate(transform(correlation, chunk), correlation.prepare(weights))
    expected = np.einsum("nwbd,kbd->wnk", bits[:, cyclic_permutations(*group)], weights)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_accumulation_is_the_sum_over_samples_and_permutations(setting, group):
    correlation, chunk, bits = setting
    factors = np.random.default_rng(3).random((bits.shape[1], N, K)).astype(np.float32)
    sums = correlation.accumulate(transform(correlation, chunk), factors)
    expected = np.einsum("nwbd,wnk->kbd", bits[:, cyclic_permutations(*group)], factors)
    np.testing.assert_allclose(correlation.finish(sums.numpy()), expected, atol=1e-4)


def test_projection_is_the_sum_of_all_blocks(setting):
    correlation, chunk, bits = setting
    direction = np.random.default_rng(4).normal(size=D)
    found = correlation.project(correlation.read(chunk), direction)
    np.testing.assert_allclose(found, bits.sum(axis=1) @ direction)
