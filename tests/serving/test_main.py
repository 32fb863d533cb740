import importlib.metadata
import json
import re
import tomllib
from pathlib import Path

import pytest

import tfcolor
from tests.serving.model_servicer import DESCRIPTION, RefusalError, sepia_bytes
from tfcolor_client.__main__ import execute

SERVING = Path(__file__).resolve().parents[2] / "serving"


def test_help_teaches(capsys):
    assert execute(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "tfcolor-client colorize grpc://localhost:8500/tfcolor grandmother.jpg" in shown
    assert "TFCOLOR_TOKEN" in shown
    for command, flags in {
        "colorize": ("--output", "--max_side", "--timeout"),
        "sample": ("--seeds", "--temperature"),
        "status": ("ADDRESS",),
        "metadata": ("ADDRESS",),
    }.items():
        assert execute([command, "--help"]) == 0
        shown = capsys.readouterr().out
        assert all(flag in shown for flag in flags)


def test_photographs_are_colored(address, photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert execute(["colorize", address, str(photos), f"--output={out}"]) == 0
    for path in photos.iterdir():
        assert (out / f"{path.stem}.png").read_bytes() == sepia_bytes(path.read_bytes())
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("tfcolor-client: 6 of 6, ") for line in lines)
    assert lines[-1] == "tfcolor-client: colored 6 of 6 photographs"


def test_samples_are_drawn(address, photos, tmp_path):
    source, out = photos / "photo0.png", tmp_path / "out"
    assert execute(["sample", address, str(source), "--seeds=4,5", f"--output={out}"]) == 0
    for seed in (4, 5):
        assert (out / f"photo0_{seed}.png").read_bytes() == sepia_bytes(source.read_bytes(), seed)


def test_status_and_metadata_are_shown(address, capsys):
    assert execute(["status", address]) == 0
    good, failed = sorted(capsys.readouterr().out.splitlines(), reverse=True)
    assert good.endswith("/tfcolor version 3: AVAILABLE")
    assert failed.endswith("version 2: END NOT_FOUND: its files are gone")
    assert execute(["metadata", address]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["version"] == 3
    assert shown["signatures"]["colorize"]["inputs"]["gray"]["shape"] == [None, None, None, 1]
    assert shown["export"] == DESCRIPTION


@pytest.mark.parametrize(
    ("status", "arguments", "words"),
    [
        (2, ["colorize"], ("ADDRESS",)),
        (2, ["paint", "{address}"], ("paint", "colorize")),
        (2, ["colorize", "{address}"], ("PHOTO",)),
        (2, ["colorize", "runs/first", "{photo}"], ("no address", "grpc://HOST")),
        (2, ["status", "{address}", "--timeout=0"], ("positive",)),
        (2, ["status", "{address}", "--timeout=soon"], ("soon",)),
        (2, ["colorize", "{address}", "{photo}", "--max_side=-1"], ("-1",)),
        (2, ["sample", "{address}", "{photo}", "--seeds=a"], ("whole numbers",)),
        (2, ["sample", "{address}", "{photo}", "--seeds=9999999999"], ("2147483648",)),
        (2, ["sample", "{address}", "{photo}", "--temperature=-1"], ("positive",)),
        (2, ["colorize", "{address}", "{photo}", "--out=x"], ("--out",)),
        (1, ["colorize", "{address}", "{folder}/none.jpg"], ("none.jpg",)),
        (1, ["colorize", "{address}", "{folder}/note.jpg"], ("1 of 1", "could not be colored")),
        (1, ["colorize", "{address}", "{photo}", "--output={folder}/note.jpg"], ("could not",)),
        (1, ["status", "{address}x"], ("NOT_FOUND", "expected the name")),
        (1, ["status", "{address}/versions/9"], ("NOT_FOUND",)),
    ],
)
def test_mistakes_have_a_status_and_a_last_line(
    grpc_address, photos, tmp_path, capsys, status, arguments, words
):
    (tmp_path / "note.jpg").write_text("not a photograph")
    places = {"address": grpc_address, "folder": tmp_path, "photo": photos / "photo0.png"}
    assert execute([text.format(**places) for text in arguments]) == status
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("tfcolor-client")
    assert all(word in line for word in words), line
    assert not list(tmp_path.rglob("*.png"))


def test_a_token_comes_from_the_environment(sepia, grpc_address, capsys, monkeypatch):
    monkeypatch.setattr(sepia, "token", "secret")
    assert execute(["status", grpc_address]) == 1
    assert "UNAUTHENTICATED" in capsys.readouterr().err
    monkeypatch.setenv("TFCOLOR_TOKEN", "secret")
    assert execute(["status", grpc_address]) == 0


def test_an_interruption_is_no_traceback(sepia, grpc_address, photos, tmp_path, monkeypatch):
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tfcolor_client.__main__.find_work", interrupt)
    assert execute(["colorize", grpc_address, str(photos)]) == 130


def test_a_lost_server_is_one_line(sepia, grpc_address, photos, tmp_path, capsys):
    sepia.refusals[:] = [RefusalError("NOT_FOUND", "unloaded")]
    assert execute(["colorize", grpc_address, str(photos), f"--output={tmp_path}"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tfcolor-client: NOT_FOUND: ")


def test_the_distribution_names_what_is_imported():
    project = tomllib.loads((SERVING / "pyproject.toml").read_text())["project"]
    assert project["version"] == tfcolor.__version__
    assert project["scripts"] == {"tfcolor-client": "tfcolor_client.__main__:main"}
    imported = set()
    for path in (SERVING / "tfcolor_client").glob("*.py"):
        imported |= set(re.findall(r"^(?:import|from) (\w+)", path.read_text(), re.MULTILINE))
    required = {re.split(r"[<>=]", line)[0] for line in project["dependencies"]}
    packages = {"google": "protobuf", "grpc": "grpcio", "PIL": "pillow", "numpy": "numpy"}
    assert {packages[name] for name in imported & set(packages)} == required
    import sys

    assert imported - set(packages) - set(sys.stdlib_module_names) == {"tfcolor_client"}
    for name in required:
        assert importlib.metadata.version(name)
