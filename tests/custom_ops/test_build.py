"""Building the native op: with a compiler, without one, with a broken one."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfcolor.ops.native_library import describe_platform

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "custom_ops/build.py"


def _load_script():
    spec = importlib.util.spec_from_file_location("build_native_op", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(output, **environment):
    command = [sys.executable, str(SCRIPT), f"--output={output}"]
    environment = {**os.environ, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_without_a_compiler_one_line_says_so_and_nothing_fails(tmp_path):
    result = _run(tmp_path / "op.so", PATH=str(tmp_path), CXX="")
    assert result.returncode == 0
    assert result.stdout.count("\n") == 1
    assert "not built, no C++ compiler" in result.stdout
    assert "plain TensorFlow reference" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_fails_leaves_nothing_behind(tmp_path):
    compiler = tmp_path / "broken"
    compiler.write_text("#!/bin/sh\necho 'fatal error: out of order' >&2\nexit 1\n")
    compiler.chmod(0o755)
    result = _run(tmp_path / "out/op.so", CXX=str(compiler))
    assert result.returncode == 0
    assert "not built, fatal error: out of order" in result.stdout
    assert list((tmp_path / "out").iterdir()) == []


def test_fingerprint_agrees_with_what_the_loader_asks():
    script = _load_script()
    fingerprint = script.make_fingerprint(script.find_tensorflow())
    assert describe_platform().items() <= fingerprint.items()


@pytest.mark.native
def test_library_is_built_from_these_sources():
    """If this fails, run `make native`: the tests are running an older op."""
    script = _load_script()
    if not script.LIBRARY.exists():
        pytest.skip("the native op is not built")
    record = json.loads(script.LIBRARY.with_suffix(".json").read_text())
    assert record == script.make_fingerprint(script.find_tensorflow())
