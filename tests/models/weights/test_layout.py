import numpy as np

from tfcolor.models.weights.layout import CAFFE, KERAS, caffe_kernel, keras_kernel

SHAPE = (2, 3, 5, 7)  # rows, columns, inputs, outputs


def _numbered():
    return np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)


def test_caffe_kernel_moves_every_axis():
    kernel = _numbered()
    stored = np.einsum("hwio->oihw", kernel)
    np.testing.assert_array_equal(caffe_kernel(stored, SHAPE), kernel)
    assert CAFFE.kernel_shapes(SHAPE, False) == (stored.shape,)


def test_caffe_matrix_is_reshaped_before_it_is_transposed():
    kernel = _numbered()
    matrix = np.einsum("hwio->oihw", kernel).reshape(7, -1)
    for stored in (matrix, matrix[None, None]):
        np.testing.assert_array_equal(caffe_kernel(stored, SHAPE), kernel)
        assert stored.shape in CAFFE.kernel_shapes(SHAPE, True)
        assert stored.shape not in CAFFE.kernel_shapes(SHAPE, False)


def test_keras_dense_layer_reads_the_flattened_map():
    kernel, features = _numbered(), np.random.default_rng(0).normal(size=SHAPE[:3])
    dense = kernel.reshape(-1, 7)
    assert dense.shape in KERAS.kernel_shapes(SHAPE, True)
    assert KERAS.kernel_shapes(SHAPE, False) == (SHAPE,)
    convolved = np.einsum("hwi,hwio->o", features, keras_kernel(dense, SHAPE))
    np.testing.assert_allclose(convolved, features.ravel() @ dense, rtol=1e-6)


def test_bias_may_have_the_axes_of_every_generation():
    assert (4,) in CAFFE.bias_shapes(4) and (1, 1, 1, 4) in CAFFE.bias_shapes(4)
    assert KERAS.bias_shapes(4) == ((4,),)
