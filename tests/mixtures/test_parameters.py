import numpy as np

from tfcolor.mixtures.parameters import MixtureParameters


def test_arrays_are_row_major_float64():
    means = np.arange(24, dtype=np.float32).reshape(4, 3, 2).transpose(2, 1, 0)
    parameters = MixtureParameters(np.ones((3, 2)).T, means)
    assert parameters.weights.flags.c_contiguous
    assert parameters.means.flags.c_contiguous
    assert parameters.means.dtype == np.float64
    assert (parameters.means == means).all()
