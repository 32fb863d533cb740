"""The native op's library: whether it fits, loading it, and its gradients."""

import functools
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import tensorflow as tf

from tfcolor.core.taps import Tap

LIBRARY = Path(__file__).with_name("_sparse_hypercolumn.so")
BUILD_COMMAND = "python custom_ops/build.py (or make native, or install tfcolor again)"


class NativeLibraryError(RuntimeError):
    """The native op cannot be used; the message says why and what to do."""


@functools.cache
def load_native_ops() -> ModuleType:
    """Loads the native ops once per process.

    Returns:
      A module of functions, one for each op.

    Raises:
      NativeLibraryError: if the library is missing, or was built for another
        TensorFlow, C++ ABI or machine.
    """
    check_library(LIBRARY)
    try:
        return tf.load_op_library(str(LIBRARY))
    except tf.errors.NotFoundError as error:
        raise NativeLibraryError(
            f"the native op does not load ({error.message}); build it again: {BUILD_COMMAND}"
        ) from error


def check_library(library: Path) -> None:
    """Checks what a library was built for, without loading it.

    Args:
      library: its path; the JSON file beside it says what it was built for.

    Raises:
      NativeLibraryError: as for `load_native_ops`.
    """
    record = library.with_suffix(".json")
    if not library.exists() or not record.exists():
        raise NativeLibraryError(f"the native op is not built; build it: {BUILD_COMMAND}")
    built_for = json.loads(record.read_text())
    for what, here in describe_platform().items():
        if built_for.get(what) != here:
            raise NativeLibraryError(
                f"the native op was built for {what} {built_for.get(what)}, this is {what} {here};"
                f" build it again: {BUILD_COMMAND}"
            )


def describe_platform() -> dict[str, str]:
    """Returns what a library must have been built for, by name."""
    return {
        "tensorflow": tf.version.VERSION,
        "cxx11_abi": str(tf.sysconfig.CXX11_ABI_FLAG),
        "machine": platform.machine(),
    }


def stack_offsets(taps: Sequence[Tap]) -> tf.Tensor:
    """Returns the offsets of several taps, float32 [N, 2], input pixels."""
    if any(tf.is_tensor(offset) for tap in taps for offset in tap.offset):
        rows = [tf.stack([tf.cast(offset, tf.float32) for offset in tap.offset]) for tap in taps]
        return tf.stack(rows)
    return tf.constant([tap.offset for tap in taps], tf.float32)


@tf.RegisterGradient("Tfcolor>SparseHypercolumn")
def _differentiate_columns(op: Any, columns_gradient: tf.Tensor) -> list[tf.Tensor | None]:
    """Gradients to the maps; none to the locations and offsets."""
    *features, locations, offsets = op.inputs
    gradients = load_native_ops().tfcolor_sparse_hypercolumn_grad(
        columns_gradient,
        locations,
        offsets,
        [tf.shape(single) for single in features],
        strides=op.get_attr("strides"),
    )
    return [*gradients, None, None]


@tf.RegisterGradient("Tfcolor>HypercolumnTap")
def _differentiate_tap(
    op: Any, gradient: tf.Tensor, columns_gradient: tf.Tensor
) -> list[tf.Tensor | None]:
    """Adds the sparse gradient to the dense one of the map that passed.

    The columns' gradient goes back as it came: each tap reads only its own
    slice of it, and whoever made the columns none.
    """
    _, locations, offset, *columns = op.inputs
    total = load_native_ops().tfcolor_hypercolumn_tap_grad(
        gradient,
        columns_gradient,
        locations,
        offset,
        stride=op.get_attr("stride"),
        first_channel=op.get_attr("first_channel"),
    )
    return [total, None, None, *([columns_gradient] * len(columns))]
