"""How each kind of weight file stores the kernel and the bias of a layer."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Layout:
    """The names, shapes and order of the axes of a layer's tensors in a file.

    Args:
      parts: what the file calls the kernel and the bias below the layer's name.
      kernel_shapes: gives the shapes in which the file may hold a kernel that is
        [kh, kw, in, out] here; the second argument says whether the layer is
        fully connected, whose kernels files may keep as a matrix.
      bias_shapes: the same for a bias [out].
      to_kernel: brings the file's array into a shape [kh, kw, in, out].
    """

    parts: tuple[str, str]
    kernel_shapes: Callable[[Shape, bool], tuple[Shape, ...]]
    bias_shapes: Callable[[int], tuple[Shape, ...]]
    to_kernel: Callable[[np.ndarray, Shape], np.ndarray]


def caffe_kernel(array: np.ndarray, shape: Shape) -> np.ndarray:
    """Transposes Caffe's kernel, out of a matrix where it is one.

    Args:
      array: float [out, in, kh, kw], or the same numbers as [out, in * kh * kw].
      shape: (kh, kw, in, out).

    Returns:
      float [kh, kw, in, out].

    Example:
      >>> caffe_kernel(np.arange(6.0).reshape(2, 3), (1, 3, 1, 2))[0, :, 0, 1]
      array([3., 4., 5.])
    """
    rows, columns, in_channels, out_channels = shape
    return array.reshape(out_channels, in_channels, rows, columns).transpose(2, 3, 1, 0)


def keras_kernel(array: np.ndarray, shape: Shape) -> np.ndarray:
    """Brings Keras' kernel into shape.

    Args:
      array: float [kh, kw, in, out], or the same numbers as a dense layer on the
        flattened map has them, [kh * kw * in, out].
      shape: (kh, kw, in, out).

    Returns:
      float [kh, kw, in, out].
    """
    return array.reshape(shape)


def _caffe_kernel_shapes(shape: Shape, is_fully_connected: bool) -> tuple[Shape, ...]:
    """Returns [out, in, kh, kw], and the matrices of an InnerProduct layer."""
    rows, columns, in_channels, out_channels = shape
    matrix = (out_channels, in_channels * rows * columns)
    shapes: tuple[Shape, ...] = ((out_channels, in_channels, rows, columns),)
    return (*shapes, matrix, (1, 1, *matrix)) if is_fully_connected else shapes


def _keras_kernel_shapes(shape: Shape, is_fully_connected: bool) -> tuple[Shape, ...]:
    """Returns [kh, kw, in, out], and the matrix of a dense layer."""
    return (shape, (math.prod(shape[:3]), shape[3])) if is_fully_connected else (shape,)


# Files of before 2014 give every blob four axes; OpenCV gives vectors two.
CAFFE = Layout(
    parts=("0", "1"),
    kernel_shapes=_caffe_kernel_shapes,
    bias_shapes=lambda size: ((size,), (size, 1), (1, size), (1, 1, 1, size)),
    to_kernel=caffe_kernel,
)
KERAS = Layout(
    parts=("kernel", "bias"),
    kernel_shapes=_keras_kernel_shapes,
    bias_shapes=lambda size: ((size,),),
    to_kernel=keras_kernel,
)
