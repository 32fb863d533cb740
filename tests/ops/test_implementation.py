import logging

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.ops import implementation, native_library
from tfcolor.ops.implementation import choose_implementation, default_implementation
from tfcolor.ops.native_library import LIBRARY, NativeLibraryError
from tfcolor.ops.sparse_hypercolumn import sparse_hypercolumn


@pytest.fixture
def undecided():
    """Lets the process decide anew, and again afterwards."""
    caches = default_implementation, implementation._log_xla_once
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def unbuilt(monkeypatch, undecided, tmp_path):
    """A process in which the native op was never built."""
    monkeypatch.setattr(native_library, "LIBRARY", tmp_path / "missing.so")
    native_library.load_native_ops.cache_clear()
    yield
    native_library.load_native_ops.cache_clear()


def test_a_built_op_is_the_default_and_never_skipped():
    """If this fails, tests marked native are skipped although the op was built."""
    assert default_implementation() == ("native" if LIBRARY.exists() else "reference")


def test_default_is_logged_once(undecided, caplog):
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            default_implementation()
    (record,) = [one for one in caplog.records if "sparse hypercolumns" in one.message]
    assert record.message.endswith("native op") == LIBRARY.exists()


def test_without_library_the_reference_runs(unbuilt, caplog):
    with caplog.at_level(logging.INFO):
        assert choose_implementation(None, tf.zeros([])) == "reference"
    assert "plain TensorFlow reference, the native op is not built" in caplog.text


def test_asking_for_a_missing_op_names_the_build_command(unbuilt):
    with pytest.raises(NativeLibraryError, match=r"not built.*python custom_ops/build.py"):
        choose_implementation("native", tf.zeros([]))


def test_unknown_implementation_is_an_error():
    with pytest.raises(ValueError, match=r"'cuda'; expected None or one of reference, native"):
        choose_implementation("cuda", tf.zeros([]))


@pytest.mark.native
def test_xla_runs_the_reference_and_says_so_once(native_ops, undecided, caplog):
    tap, features = Tap("a", 2, 0.5, 3), tf.random.normal([2, 5, 4, 3])
    locations = tf.random.uniform([2, 7, 2], 0, 9)

    def gradient(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = tf.reduce_sum(sparse_hypercolumn([features], locations, [tap]) ** 2)
        return loss, tape.gradient(loss, features)

    expected, nested = gradient(features), tf.function(gradient)
    with caplog.at_level(logging.INFO):
        for function in (gradient, lambda features: nested(features)):
            compiled = tf.function(function, jit_compile=True)(features)
            for one, other in zip(compiled, expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-5)
    assert caplog.text.count("under XLA") == 1


@pytest.mark.native
def test_native_under_xla_is_an_error(native_ops):
    @tf.function(jit_compile=True)
    def run(features):
        return sparse_hypercolumn([features], tf.zeros([1, 2, 2]), [Tap("a", 1, 0.0)], "native")

    with pytest.raises(ValueError, match="implementation='native' under XLA"):
        run(tf.zeros([1, 2, 3, 4]))
