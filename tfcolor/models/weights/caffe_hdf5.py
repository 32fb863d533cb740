"""Reads Caffe's weights in HDF5: `/data/LAYER/INDEX`."""

import os

import h5py
import numpy as np

from tfcolor.core.errors import UserError

ROOT = "data"


def read_caffe_hdf5(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads every tensor of a `.caffemodel.h5` file.

    Args:
      path: the file.

    Returns:
      float32 [...] arrays by "LAYER/INDEX": "conv1_1/0" is a kernel
      [out, in, kh, kw], "conv1_1/1" its bias.

    Raises:
      UserError: if the file cannot be read, naming the tensor where it is one,
        or if it is HDF5 of another kind.
    """
    try:
        with h5py.File(path, "r") as file:
            root = file.get(ROOT)
            if not isinstance(root, h5py.Group):
                raise UserError(f"{path} has no group /{ROOT}: it is not a Caffe weight file")
            return {
                f"{layer}/{index}": _read(path, f"{layer}/{index}", dataset)
                for layer, group in root.items()
                for index, dataset in group.items()
            }
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}") from error


def _read(path: str | os.PathLike[str], name: str, dataset: h5py.Dataset) -> np.ndarray:
    """Reads one tensor, or raises UserError with its name."""
    try:
        return np.asarray(dataset[()], np.float32)
    except (OSError, TypeError, ValueError) as error:
        raise UserError(f"cannot read tensor {name} of {path}: {error}") from error
