import json
import re
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.core.errors import UsageError, UserError
from tfcolor.heads.histogram import HistogramHead
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.painting import SizeOptions
from tfcolor.models.network import Network
from tfcolor.savedmodel.compact import HalfStorage
from tfcolor.savedmodel.portable import PortableOptions, export_portable, input_shape

LIMITS = SizeOptions(min_side=16, max_side=64)


def _colorizer():
    kind = BACKBONES["alexnet"]
    backbone = kind(kind.Options(width_multiplier=1 / 32), input_channels=1, seed=0)
    taps = backbone.taps(32, 32)
    head = HistogramHead(
        {name: taps[name] for name in ("x", "conv2", "fc7")}, {"hue": 8, "chroma": 8}, 16, seed=0
    )
    head.hidden.kernel.assign(5000 * head.hidden.kernel)  # or every color would be gray
    return Colorizer(Network(backbone, head), HueChroma(8), DecodingOptions(), LIMITS)


@pytest.fixture(scope="module")
def colorizer():
    return _colorizer()


def _gray(*shape):
    return np.random.default_rng(3).uniform(0, 1, (*shape, 1)).astype(np.float32)


def _assert_parity(actual, expected):
    assert set(actual) == set(expected)
    assert max(np.ptp(value) for value in actual.values()) > 0.01
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, atol=1e-4)


def _run_tflite(path, signature, gray):
    interpreter = tf.lite.Interpreter(str(path))
    assert list(interpreter.get_signature_list()) == [signature]
    return interpreter.get_signature_runner(signature)(gray=gray)


def test_tflite_colors_as_the_colorizer_does(colorizer, tmp_path):
    options = PortableOptions(size="24x36")
    version = export_portable(colorizer, tmp_path, {"step": 7}, "tflite", options)
    gray = _gray(1, 24, 36)
    expected = colorizer.colorize(gray)
    _assert_parity(_run_tflite(version / "model.tflite", "colorize", gray), expected)
    metadata = json.loads((version / "metadata.json").read_text())
    assert (metadata["step"], metadata["format"]) == (7, "tflite")
    assert metadata["input_shape"] == [1, 24, 36, 1]
    assert metadata["grid"]["stride"] == 4


def test_tflite_histograms_take_any_size_and_store_half_as_half(tmp_path):
    tf.keras.mixed_precision.set_global_policy(HalfStorage("float32"))
    try:
        half = _colorizer()
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    options = PortableOptions(signature="histograms")
    version = export_portable(half, tmp_path, {}, "tflite", options)
    gray = _gray(2, 21, 34)
    actual = _run_tflite(version / "model.tflite", "histograms", gray)
    _assert_parity(actual, half.histograms(gray))
    weights = sum(np.prod(variable.shape) for variable in half.variables)
    assert (version / "model.tflite").stat().st_size < 3 * weights


@pytest.mark.slow
@pytest.mark.parametrize("signature", ["colorize", "histograms"])
def test_onnx_gives_what_the_colorizer_gives(colorizer, tmp_path, signature):
    onnx, onnxruntime = (pytest.importorskip(name) for name in ("tf2onnx", "onnxruntime"))
    del onnx
    size = "24x36" if signature == "colorize" else ""
    options = PortableOptions(signature=signature, size=size)
    version = export_portable(colorizer, tmp_path, {}, "onnx", options)
    session = onnxruntime.InferenceSession(str(version / "model.onnx"))
    gray = _gray(1, 24, 36) if size else _gray(2, 21, 34)
    names = [output.name for output in session.get_outputs()]
    actual = dict(zip(names, session.run(None, {"gray": gray}), strict=True))
    _assert_parity(actual, getattr(colorizer, signature)(gray))


def test_missing_converter_is_named(colorizer, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(UserError, match="pip install tf2onnx"):
        export_portable(colorizer, tmp_path, {}, "onnx", PortableOptions())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("signature", "size", "shape"),
    [
        ("colorize", "", [1, 16, 16, 1]),
        ("colorize", "16x64", [1, 16, 64, 1]),
        ("histograms", "", [None, None, None, 1]),
        ("histograms", "8x99", [None, 8, 99, 1]),
    ],
)
def test_shape_follows_signature_and_size(signature, size, shape):
    assert input_shape(PortableOptions(signature, size), LIMITS) == shape


@pytest.mark.parametrize("size", ["15x20", "20x65"])
def test_sizes_that_would_be_resized_are_refused(size):
    with pytest.raises(UsageError, match=f"--portable_size={size}: .* from 16 to 64"):
        input_shape(PortableOptions(size=size), LIMITS)


@pytest.mark.parametrize("size", ["20", "0x20", "20x", "ax2"])
def test_a_size_is_two_numbers(size):
    message = re.escape(f"--portable_size={size}: expected HEIGHTxWIDTH")
    with pytest.raises(UsageError, match=message):
        PortableOptions(size=size)
