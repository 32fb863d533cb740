import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.mixtures.samples import DenseSamples, SparseSamples, choose_samples


@pytest.fixture
def bits():
    return (np.random.default_rng(0).random((7, 6, 5)) < 0.4).astype(np.uint8)


def sparse(bits, num_polarities=1):
    rows = scipy.sparse.csr_matrix(bits.reshape(-1, bits.shape[2]))
    return SparseSamples(rows, bits.shape[1], num_polarities)


def test_dense_chunks_are_all_samples_in_order(bits):
    chunks = [DenseSamples(bits).chunk(index, 3) for index in range(4)]
    assert [len(chunk) for chunk in chunks] == [3, 3, 1, 0]
    assert chunks[0].dtype == np.uint8
    assert (np.concatenate(chunks) == bits).all()


def test_sparse_chunks_hold_the_same(bits):
    chunks = [tf.sparse.to_dense(sparse(bits).chunk(index, 3)).numpy() for index in range(4)]
    assert [len(chunk) for chunk in chunks] == [18, 18, 6, 0]
    assert (np.concatenate(chunks).reshape(bits.shape) == bits).all()


def test_both_know_their_shape_and_select_samples(bits):
    for samples in (DenseSamples(bits, 2), sparse(bits, 2)):
        assert samples.shape == (7, 6, 5)
        assert (samples.correlation.num_rotations, samples.correlation.num_polarities) == (3, 2)
        np.testing.assert_array_equal(samples.select(np.array([4, 1])), bits[[4, 1]])


def test_real_numbers_become_float32(bits):
    chunk = DenseSamples(bits.astype(np.float64)).chunk(0, 100)
    assert chunk.dtype == np.float32
    assert DenseSamples(bits > 0).signature.dtype == tf.uint8


def test_choice_has_no_repetition_and_depends_on_the_seed(bits):
    samples = DenseSamples(bits)
    assert sorted(choose_samples(samples, 7, 1)) == list(range(7))
    assert (choose_samples(samples, 7, 1) != choose_samples(samples, 7, 2)).any()


def test_more_components_than_samples_are_refused(bits):
    with pytest.raises(UserError, match="8 components from 7 samples: expected at most one"):
        choose_samples(DenseSamples(bits), 8, 0)


def test_no_samples_are_refused(bits):
    with pytest.raises(UserError, match="there are none"):
        DenseSamples(bits[:0])
    with pytest.raises(UserError, match="there are none"):
        sparse(bits[:0])


@pytest.mark.parametrize(("shape", "polarities"), [((4, 5), 1), ((4, 3, 5), 2), ((4, 0, 5), 1)])
def test_incomplete_samples_are_refused(shape, polarities):
    with pytest.raises(ValueError, match=r"expected \[N, P, D\], P a multiple"):
        DenseSamples(np.zeros(shape, np.uint8), polarities)


def test_rows_must_be_complete_samples(bits):
    rows = scipy.sparse.csr_matrix(bits.reshape(-1, 5))
    with pytest.raises(ValueError, match="42 rows: expected a multiple of 4"):
        SparseSamples(rows, 4)
