import hashlib
import shutil

import pytest

from tfcolor.config.model_identity import hash_model


def _hash(*files):
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    for step, content in ((3, b"three"), (12, b"twelve")):
        (folder / f"ckpt-{step}.index").write_bytes(content)
        (folder / f"ckpt-{step}.data-00000-of-00001").write_bytes(content * 2)
    return tmp_path / "run"


def test_a_run_is_its_checkpoint(run):
    folder = run / "checkpoints"
    last = _hash(folder / "ckpt-12.data-00000-of-00001", folder / "ckpt-12.index")
    assert hash_model(str(run), "last") == last
    first = hash_model(str(run), "3")
    assert first == _hash(folder / "ckpt-3.data-00000-of-00001", folder / "ckpt-3.index")
    moved = shutil.copytree(run, run.with_name("moved"))
    assert hash_model(str(moved), "3") == first


def test_an_export_is_its_graph_and_variables(colorizer_export):
    version = colorizer_export / "1"
    files = [version / "saved_model.pb", *sorted((version / "variables").iterdir())]
    assert hash_model(str(colorizer_export), "best") == _hash(*files)
    assert hash_model(str(version), "best") == _hash(*files)


def test_a_server_does_not_tell():
    assert hash_model("grpc://localhost:8500/tiny", "best") == ""
