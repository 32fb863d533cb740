"""The kinds of weight files by name, and how to tell them apart."""

import os
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.models.weights.caffe_hdf5 import ROOT, read_caffe_hdf5
from tfcolor.models.weights.caffe_model import read_caffemodel
from tfcolor.models.weights.keras_h5 import read_keras_h5
from tfcolor.models.weights.layout import CAFFE, KERAS, Layout

FORMATS: dict[str, Layout] = {"caffe_hdf5": CAFFE, "caffemodel": CAFFE, "keras_h5": KERAS}
"""Names of `convert --format` and how each stores a layer."""

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def detect_format(path: str | os.PathLike[str]) -> str:
    """Returns the kind of a weight file, judged by its content.

    Args:
      path: the file.

    Returns:
      A name in `FORMATS`.

    Raises:
      UserError: if the file cannot be read. A damaged file may pass; reading it
        says so.
    """
    try:
        with open(path, "rb") as stream:
            is_hdf5 = stream.read(len(HDF5_MAGIC)) == HDF5_MAGIC
        if not is_hdf5:
            return _without_magic(Path(path))
        with h5py.File(path, "r") as file:
            return "caffe_hdf5" if ROOT in file else "keras_h5"
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}") from error


def read_tensors(
    path: str | os.PathLike[str], format_name: str, layers: Sequence[str]
) -> dict[str, np.ndarray]:
    """Reads a weight file.

    Args:
      path: the file.
      format_name: a name in `FORMATS`.
      layers: the layers of interest; `.caffemodel` files give no others.

    Returns:
      float32 [...] arrays by "LAYER/PART".

    Raises:
      UserError: if the file cannot be read as this kind.
    """
    if format_name == "caffemodel":
        return read_caffemodel(path, layers)
    return read_caffe_hdf5(path) if format_name == "caffe_hdf5" else read_keras_h5(path)


def _without_magic(path: Path) -> str:
    """Returns the kind of a file that is not HDF5, going by its name."""
    if path.suffix == ".caffemodel":
        return "caffemodel"
    raise UserError(
        f"cannot tell what {path} is: it is neither HDF5 nor called *.caffemodel;"
        f" --format says it, one of {', '.join(FORMATS)}"
    )
