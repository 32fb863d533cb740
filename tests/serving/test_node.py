"""The example for Node: an HTTP/2 and protobuf implementation that is not ours."""

import json
import re
import shutil
from pathlib import Path

from tests.serving.conftest import NODE_FOLDER
from tests.serving.model_servicer import sepia_bytes
from tests.serving.test_wire import OFFICIAL


def test_node_gets_status_and_predictions(run_node_example, grpc_address, photos, tmp_path):
    sources = [shutil.copy(photos / name, tmp_path) for name in ("photo0.png", "photo1.jpg")]
    done = run_node_example(grpc_address, "tfcolor", *sources)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tfcolor has the versions 3\n")
    for source in map(Path, sources):
        result = source.with_name(f"{source.stem}_colorized.png")
        assert result.read_bytes() == sepia_bytes(source.read_bytes())


def test_node_reports_a_broken_photograph_and_a_missing_model(
    run_node_example, grpc_address, tmp_path
):
    (tmp_path / "note.jpg").write_text("not a photograph")
    done = run_node_example(grpc_address, "tfcolor", tmp_path / "note.jpg")
    assert done.returncode == 1 and "note.jpg: the server could not" in done.stderr
    done = run_node_example(grpc_address, "other", tmp_path / "note.jpg")
    assert done.returncode == 1 and done.stderr.startswith("NOT_FOUND: Servable not found")
    assert run_node_example(grpc_address).returncode == 2
    assert not list(tmp_path.glob("*.png"))


def test_packages_are_pinned():
    package = json.loads((NODE_FOLDER / "package.json").read_text())
    assert package["dependencies"] == {"@grpc/grpc-js": "1.14.7", "@grpc/proto-loader": "0.8.1"}


def test_proto_has_the_official_names_and_numbers():
    text = (NODE_FOLDER / "prediction_service.proto").read_text()
    messages = re.findall(r"^message (\w+) \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE)
    assert len(messages) == 9
    for name, body in messages:
        official = OFFICIAL[name].DESCRIPTOR.fields_by_name
        for repeated, kind, field, number in re.findall(
            r"(repeated |map)?(\S*|<.+>) (\w+) = (\d+);", body
        ):
            assert official[field].number == int(number)
            assert (official[field].label == official[field].LABEL_REPEATED) == bool(repeated)
            if kind in ("string", "bytes", "float", "int32", "int64"):
                expected = getattr(official[field], f"TYPE_{kind.upper()}")
                assert official[field].type == expected
    types = OFFICIAL["TensorProto"].DESCRIPTOR.fields_by_name["dtype"].enum_type
    states = OFFICIAL["ModelVersionStatus"].DESCRIPTOR.fields_by_name["state"].enum_type
    for enum, body in re.findall(r"^enum (\w+) \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE):
        official = {"DataType": types, "State": states}[enum].values_by_name
        for name, number in re.findall(r"(\w+) = (\d+);", body):
            assert official[name].number == int(number)
    assert "package tensorflow.serving;" in text
