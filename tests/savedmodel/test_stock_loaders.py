"""The export runs in programs that are not ours: C++ and `saved_model_cli`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

SOURCE = Path(__file__).with_name("run_signatures.cc")
RUN_CLI = """
import importlib.metadata, json, sys
main = importlib.metadata.entry_points(group="console_scripts")["saved_model_cli"].load()
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["saved_model_cli", *arguments]
    try:
        main()
    except SystemExit as stop:
        if stop.code:
            raise
"""


@pytest.fixture(scope="session")
def run_signatures(tmp_path_factory) -> Path:
    """The compiled `run_signatures.cc`."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is missing: the C++ loader cannot be built")
    program = tmp_path_factory.mktemp("build") / "run_signatures"
    libraries = tf.sysconfig.get_lib()
    command = [compiler, "-std=c++17", *tf.sysconfig.get_compile_flags(), str(SOURCE)]
    command += ["-o", str(program), f"-L{libraries}", f"-Wl,-rpath,{libraries}"]
    command += ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return program


def _assert_same(actual, expected):
    assert {name: set(outputs) for name, outputs in actual.items()} == {
        name: set(outputs) for name, outputs in expected.items()
    }
    for name, outputs in expected.items():
        for key, value in outputs.items():
            if value.dtype == object:  # bytes: PNG files and JSON
                assert list(actual[name][key]) == list(value)
            else:
                np.testing.assert_allclose(actual[name][key], value, atol=1e-5, rtol=1e-5)


def test_loader_of_tensorflow_serving_runs_every_signature(
    run_signatures, colorizer_export, signature_inputs, expected_outputs, tmp_path
):
    for name, inputs in signature_inputs.items():
        folder = tmp_path / name / "inputs"
        folder.mkdir(parents=True)
        for key, value in inputs.items():
            (folder / key).write_bytes(tf.make_tensor_proto(value).SerializeToString())
    command = [str(run_signatures), str(colorizer_export / "1"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    actual = {
        folder.name: {path.name: _read_tensor(path) for path in (folder / "outputs").iterdir()}
        for folder in tmp_path.iterdir()
    }
    _assert_same(actual, expected_outputs)


def _read_tensor(path):
    proto = tf.make_tensor_proto(0)
    proto.ParseFromString(path.read_bytes())
    return tf.make_ndarray(proto)


def test_saved_model_cli_runs_every_signature(
    colorizer_export, signature_inputs, expected_outputs, tmp_path
):
    calls = []
    for name, inputs in signature_inputs.items():
        folder = tmp_path / name
        folder.mkdir()
        calls.append(["run", "--dir", str(colorizer_export / "1"), "--tag_set", "serve"])
        calls[-1] += ["--signature_def", name, "--outdir", str(folder / "outputs"), "--inputs"]
        files = []
        for key, value in inputs.items():
            np.save(folder / f"{key}.npy", value.astype("S") if value.dtype == object else value)
            files.append(f"{key}={folder / key}.npy")
        calls[-1].append(";".join(files))
    done = subprocess.run(
        [sys.executable, "-c", RUN_CLI, json.dumps(calls)],
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    actual = {
        name: {
            path.stem: np.load(path, allow_pickle=True)
            for path in (tmp_path / name / "outputs").iterdir()
        }
        for name in signature_inputs
    }
    _assert_same(actual, expected_outputs)
