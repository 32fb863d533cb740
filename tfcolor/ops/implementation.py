"""Which implementation of the sparse hypercolumn runs."""

import functools
import json
import logging
from typing import Any

import tensorflow as tf

from tfcolor.ops.native_library import LIBRARY, NativeLibraryError, load_native_ops

IMPLEMENTATIONS = ("reference", "native")


@functools.cache
def default_implementation() -> str:
    """Decides once per process which implementation runs, and logs it.

    Returns:
      "native" where its library fits this TensorFlow and serves every device,
      else "reference".
    """
    try:
        load_native_ops()
    except NativeLibraryError as error:
        logging.info("sparse hypercolumns: plain TensorFlow reference, %s", error)
        return "reference"
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    if on_gpu and not json.loads(LIBRARY.with_suffix(".json").read_text()).get("cuda"):
        logging.info("sparse hypercolumns: plain TensorFlow reference on GPU, built without CUDA")
        return "reference"
    logging.info("sparse hypercolumns: native op")
    return "native"


def choose_implementation(implementation: str | None, example: tf.Tensor) -> str:
    """Returns the implementation to run.

    Args:
      implementation: "reference", "native", or None for the default.
      example: [...], any tensor of the graph it is to run in.

    Returns:
      "reference" or "native".

    Raises:
      ValueError: if the name is unknown, or "native" is asked for under XLA.
      NativeLibraryError: if "native" is asked for and cannot be used.
    """
    if implementation not in (None, *IMPLEMENTATIONS):
        expected = ", ".join(IMPLEMENTATIONS)
        raise ValueError(f"implementation={implementation!r}; expected None or one of {expected}")
    if implementation == "native":
        load_native_ops()
        if is_compiled_by_xla(example):
            raise ValueError("implementation='native' under XLA; expected None or 'reference'")
    chosen = implementation or default_implementation()
    if chosen == "native" and is_compiled_by_xla(example):
        _log_xla_once()
        return "reference"
    return chosen


def is_compiled_by_xla(example: tf.Tensor) -> bool:
    """Says whether a tensor belongs to a graph that XLA will compile.

    A `tf.function` that was traced outside is not traced again when compiled
    code calls it: call it there first, or not at all.

    Args:
      example: [...], any tensor; an eager one is never compiled.

    Returns:
      Whether the tensor's graph, or one around it, has `jit_compile=True`.
    """
    graph: Any = None if tf.executing_eagerly() else example.graph
    while graph is not None:
        # TensorFlow has no public way to ask; its own `tf.while_loop` asks so.
        context = graph._get_control_flow_context()
        if context is not None and context.IsXLAContext():
            return True
        graph = getattr(graph, "outer_graph", None)
    return False


@functools.cache
def _log_xla_once() -> None:
    """Says that XLA has no native op."""
    logging.info("sparse hypercolumns: plain TensorFlow reference under XLA")
