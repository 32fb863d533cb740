import json
import platform

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.ops import native_library
from tfcolor.ops.native_library import (
    NativeLibraryError,
    check_library,
    describe_platform,
    load_native_ops,
    stack_offsets,
)


def _library(folder, **changes):
    library = folder / "op.so"
    library.write_bytes(b"not a library")
    record = {**describe_platform(), **changes}
    library.with_suffix(".json").write_text(json.dumps(record))
    return library


def test_platform_names_what_the_interface_depends_on():
    here = describe_platform()
    assert here["tensorflow"].startswith("2.15.")
    assert here["machine"] == platform.machine()
    assert here["cxx11_abi"] in "01"


def test_fitting_library_passes(tmp_path):
    check_library(_library(tmp_path))


@pytest.mark.parametrize(
    ("what", "value"), [("tensorflow", "2.14.0"), ("cxx11_abi", "0"), ("machine", "sparc")]
)
def test_library_for_something_else_says_what_to_do(tmp_path, what, value):
    message = f"built for {what} {value}, this is {what} .*build it again: python custom_ops/build"
    with pytest.raises(NativeLibraryError, match=message):
        check_library(_library(tmp_path, **{what: value}))


def test_library_without_record_counts_as_missing(tmp_path):
    library = _library(tmp_path)
    library.with_suffix(".json").unlink()
    with pytest.raises(NativeLibraryError, match=r"not built; build it: .*make native"):
        check_library(library)


def test_library_that_does_not_load_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(native_library, "LIBRARY", _library(tmp_path))
    load_native_ops.cache_clear()
    try:
        with pytest.raises(NativeLibraryError, match=r"does not load .*build it again"):
            load_native_ops()
    finally:
        load_native_ops.cache_clear()


def test_offsets_may_be_numbers_or_tensors():
    taps = [Tap("a", 1, 0.5), Tap("b", 2, (1.0, tf.constant(2.5)))]
    np.testing.assert_array_equal(stack_offsets(taps), [[0.5, 0.5], [1.0, 2.5]])
    np.testing.assert_array_equal(stack_offsets(taps[:1]), [[0.5, 0.5]])
