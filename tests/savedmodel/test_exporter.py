import json

import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tfcolor.core.errors import UsageError, UserError
from tfcolor.savedmodel.exporter import (
    ServingOptions,
    declared_signatures,
    describe_colorizer,
    export_colorizer,
)
from tfcolor_client.signatures import colorizer_signatures

NAMES = list(colorizer_signatures([], []))


@pytest.fixture(scope="module")
def signatures(tiny_colorizer):
    return declared_signatures(tiny_colorizer)


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
    assert {"Conv2D", "DecodePng", "EncodePng", "IgnoreErrorsDataset"} <= ops
    assert {name for name in ops if not hasattr(tf.raw_ops, name)} == set()
    assert {name for name in ops if "PyFunc" in name or "Tfcolor" in name} == set()


def test_declared_are_the_outputs_and_taps_of_the_network(signatures, tiny_colorizer):
    assert set(signatures["histograms"].outputs) == {"hue", "chroma"}
    assert set(signatures["features"].outputs) == set(tiny_colorizer.network.backbone.taps(32, 32))


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_as_declared(loaded, signatures, name):
    function, declared = loaded.signatures[name], signatures[name]
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


def test_there_are_no_other_signatures(loaded):
    assert set(loaded.signatures) == set(NAMES)


def test_metadata_travels_as_an_asset(colorizer_export, tiny_colorizer):
    content = json.loads((colorizer_export / "1/assets/metadata.json").read_text())
    assert (content["run"], content["step"]) == ("runs/tiny", 7)
    assert content["signatures"] == NAMES
    assert content["max_pixels"] == ServingOptions().max_pixels
    assert {key: content[key] for key in describe_colorizer(tiny_colorizer)} == (
        json.loads(json.dumps(describe_colorizer(tiny_colorizer)))
    )


def test_description_is_what_a_client_paints_by(tiny_colorizer):
    content = describe_colorizer(tiny_colorizer)
    assert content["size"] == {"min_side": 24, "max_side": 48}
    assert content["grid"] == {"stride": 4, "offset": [1.5, 1.5]}
    assert (content["output_space"], content["output_space_class"]) == ("hue_chroma", "HueChroma")
    assert (content["num_bins"], content["compute_dtype"]) == (8, "float32")
    assert content["taps"]["fc7"] == 128


@pytest.fixture
def saves_instantly(monkeypatch):
    """Replaces the slow parts of an export by a file."""
    monkeypatch.setattr("tfcolor.savedmodel.exporter._trace", lambda *_: {})

    def save(module, folder, signatures, options):
        tf.io.gfile.makedirs(folder)
        tf.io.write_file(f"{folder}/saved_model.pb", "graph")

    monkeypatch.setattr(tf.saved_model, "save", save)


def test_each_export_is_the_next_version(tiny_colorizer, tmp_path, saves_instantly):
    versions = [export_colorizer(tiny_colorizer, tmp_path / "models", {}) for _ in range(2)]
    assert [path.relative_to(tmp_path / "models").name for path in versions] == ["1", "2"]
    assert all((path / "saved_model.pb").exists() for path in versions)


def test_warm_up_is_an_option(tiny_colorizer, tmp_path, saves_instantly):
    with_it = export_colorizer(tiny_colorizer, tmp_path, {})
    without = export_colorizer(tiny_colorizer, tmp_path, {}, ServingOptions(warm_up=False))
    assert (with_it / "assets.extra").exists()
    assert not (without / "assets.extra").exists()


def test_a_failed_export_leaves_no_version(tiny_colorizer, tmp_path, saves_instantly, monkeypatch):
    def fail(module, folder, signatures, options):
        tf.io.gfile.makedirs(f"{folder}/variables")
        raise OSError("disk full")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        export_colorizer(tiny_colorizer, tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_a_user_error(tiny_colorizer, tmp_path):
    (tmp_path / "models").touch()
    with pytest.raises(UserError, match=f"cannot write in {tmp_path / 'models'}"):
        export_colorizer(tiny_colorizer, tmp_path / "models", {})


def test_impossible_limit_is_refused():
    with pytest.raises(UsageError, match="--serving_max_pixels=0: expected at least 1"):
        ServingOptions(max_pixels=0)
