import io
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tfcolor.color.lightness import quantize_rgb
from tfcolor.core.errors import UserError
from tfcolor.savedmodel.exporter import export_colorizer
from tfcolor_client.signatures import colorizer_signatures

SIGNATURES = colorizer_signatures(("hue", "chroma"))


@pytest.fixture(scope="module")
def model(colorizer_export):
    return tf.saved_model.load(str(colorizer_export / "1"))


def _encode(pixels, file_format):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=file_format)
    return stream.getvalue()


def _ops(folder):
    """Returns the names of all operations in the graphs of a SavedModel."""
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graphs = [meta.graph_def for meta in saved.meta_graphs]
    functions = [function for graph in graphs for function in graph.library.function]
    bodies = [*(graph.node for graph in graphs), *(function.node_def for function in functions)]
    own = {function.signature.name for function in functions}
    return {node.op for nodes in bodies for node in nodes} - own


def test_graph_holds_stock_operations_only(colorizer_export):
    ops = _ops(colorizer_export / "1")
    assert {"Conv2D", "DecodeImage", "EncodePng"} <= ops
    assert {name for name in ops if not hasattr(tf.raw_ops, name)} == set()
    assert {name for name in ops if "PyFunc" in name or "Tfcolor" in name} == set()


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_as_declared(model, name):
    function, declared = model.signatures[name], SIGNATURES[name]
    _, inputs = function.structured_input_signature
    for specs, tensors in (
        (inputs, declared.inputs),
        (function.structured_outputs, declared.outputs),
    ):
        assert set(specs) == set(tensors)
        for key, tensor in tensors.items():
            assert specs[key].dtype.name == tensor.dtype
            # Where both state a size, it is the same; inputs accept any they declare.
            assert specs[key].shape.is_compatible_with(tensor.shape)
    for key, tensor in declared.inputs.items():
        assert tuple(inputs[key].shape) == tensor.shape


def test_there_are_no_other_signatures(model):
    assert set(model.signatures) == set(SIGNATURES)


def test_encoded_photographs_of_mixed_sizes_and_formats(model, tiny_colorizer):
    random_numbers = np.random.default_rng(0)
    color, other, single = (
        random_numbers.integers(0, 256, shape).astype(np.uint8)
        for shape in ((20, 31, 3), (44, 7, 3), (9, 10))
    )
    encoded = [_encode(color, "PNG"), _encode(other, "JPEG"), _encode(single, "PNG")]
    outputs = model.signatures["serving_default"](image_bytes=tf.constant(encoded))
    # JPEG decoders differ by some steps in noise; TensorFlow's is taken.
    decoded = tf.io.decode_jpeg(encoded[1]).numpy()
    truths = [color, decoded, np.repeat(single[..., None], 3, axis=-1)]
    for content, truth in zip(outputs["image_bytes"].numpy(), truths, strict=True):
        picture = Image.open(io.BytesIO(content))
        assert picture.format == "PNG"
        pixels = np.asarray(picture).astype(int)
        assert pixels.shape == truth.shape
        np.testing.assert_array_equal(pixels.sum(axis=-1), truth.astype(int).sum(axis=-1))
        gray = truth.mean(axis=-1, keepdims=True, dtype=np.float32)[None] / 255
        expected = quantize_rgb(tiny_colorizer.colorize(gray)["rgb"][0]).numpy().astype(int)
        assert np.abs(pixels - expected).max() <= 1


def test_an_empty_batch_is_answered_by_one(model):
    outputs = model.signatures["serving_default"](image_bytes=tf.zeros([0], tf.string))
    assert outputs["image_bytes"].shape == [0]


def test_bytes_that_are_no_image_are_an_invalid_argument(model):
    with pytest.raises(tf.errors.InvalidArgumentError):
        model.signatures["serving_default"](image_bytes=tf.constant([b"not an image"]))


def test_metadata_travels_as_an_asset(colorizer_export):
    content = json.loads((colorizer_export / "1/assets/metadata.json").read_text())
    assert (content["run"], content["step"]) == ("runs/tiny", 7)
    assert content["size"] == {"min_side": 24, "max_side": 48}
    assert content["grid"] == {"stride": 4, "offset": [1.5, 1.5]}
    assert (content["output_space"], content["num_bins"]) == ("hue_chroma", 8)
    assert content["signatures"] == list(SIGNATURES)


@pytest.fixture
def saves_instantly(monkeypatch):
    """Replaces the slow parts of an export by a file."""
    monkeypatch.setattr("tfcolor.savedmodel.exporter._trace", lambda *_: {})

    def save(module, folder, signatures):
        tf.io.gfile.makedirs(folder)
        tf.io.write_file(f"{folder}/saved_model.pb", "graph")

    monkeypatch.setattr(tf.saved_model, "save", save)


def test_each_export_is_the_next_version(tiny_colorizer, tmp_path, saves_instantly):
    versions = [export_colorizer(tiny_colorizer, tmp_path / "models", {}) for _ in range(2)]
    (tmp_path / "models/10").mkdir()
    versions.append(export_colorizer(tiny_colorizer, tmp_path / "models", {}))
    assert [path.relative_to(tmp_path / "models").name for path in versions] == ["1", "2", "11"]
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["1", "10", "11", "2"]
    assert all((path / "saved_model.pb").exists() for path in versions)


def test_a_failed_export_leaves_no_version(tiny_colorizer, tmp_path, saves_instantly, monkeypatch):
    def fail(module, folder, signatures):
        tf.io.gfile.makedirs(folder)
        raise OSError("disk full")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        export_colorizer(tiny_colorizer, tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_a_user_error(tiny_colorizer, tmp_path):
    (tmp_path / "models").touch()
    with pytest.raises(UserError, match=f"cannot write in {tmp_path / 'models'}"):
        export_colorizer(tiny_colorizer, tmp_path / "models", {})
