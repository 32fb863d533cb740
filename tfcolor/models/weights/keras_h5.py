"""Reads Keras' weights in HDF5: one group per layer, its tensors named in attributes."""

import os
from collections.abc import Iterator

import h5py
import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.models.weights.layout import KERAS


def read_keras_h5(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads every tensor of a Keras `.h5` file of weights, or of a whole model.

    Files in the order of axes of TensorFlow are meant
    (`..._tf_dim_ordering_tf_kernels.h5`); Theano's have other shapes and are
    refused when the shapes are compared.

    Args:
      path: the file.

    Returns:
      float32 [...] arrays by "LAYER/kernel" and "LAYER/bias"; a layer
      with other tensors than these two numbers them: "LAYER/0", ...

    Raises:
      UserError: if the file cannot be read, naming the tensor where it is one,
        or if it is HDF5 of another kind.
    """
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            if "layer_names" not in root.attrs:
                raise UserError(
                    f"{path} has no attribute layer_names: it is not a Keras weight file in the"
                    " .h5 format (Keras 3's .weights.h5 is another one)"
                )
            return dict(_tensors(path, root))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}") from error


def _tensors(path: str | os.PathLike[str], root: h5py.Group) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the name and the array of every tensor."""
    for layer in map(_text, root.attrs["layer_names"]):
        group = root.get(layer, {})
        names = [] if not group else [_text(name) for name in group.attrs["weight_names"]]
        parts = KERAS.parts if len(names) == 2 else map(str, range(len(names)))
        for part, name in zip(parts, names, strict=True):
            try:
                yield f"{layer}/{part}", np.asarray(group[name][()], np.float32)
            except (OSError, KeyError, TypeError, ValueError) as error:
                raise UserError(f"cannot read tensor {layer}/{part} of {path}: {error}") from error


def _text(name: bytes | str) -> str:
    """Returns a name as text; old files hold bytes."""
    return name.decode() if isinstance(name, bytes) else name
