"""The CUDA kernels compile where there is a CUDA compiler; nothing runs here."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "custom_ops/sparse_hypercolumn"


@pytest.mark.skipif(not shutil.which("nvcc"), reason="nvcc is missing")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_cuda_kernels_compile(tmp_path, architecture):
    command = ["nvcc", "-x", "cu", "-std=c++17", f"-arch={architecture}", "-Werror=all-warnings"]
    command += ["-c", str(SOURCES / "kernels_gpu.cu.cc"), "-o", str(tmp_path / "kernels.o")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not shutil.which("g++"), reason="g++ is missing")
def test_op_with_gpu_kernels_passes_the_compiler():
    """Registering them needs neither CUDA's headers nor a machine with a GPU."""
    spec = importlib.util.spec_from_file_location("build", ROOT / "custom_ops/build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    flags = (*build.FLAGS, *build.tensorflow_flags(build.find_tensorflow()))
    source = str(SOURCES / "op_kernels.cc")
    command = ["g++", *flags, "-DTFCOLOR_CUDA", "-fsyntax-only", source]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
