"""Fuzzes the native op under sanitizers: `python custom_ops/sanitize.py`.

First the kernels alone, with a driver in C++: AddressSanitizer and UBSan, then
ThreadSanitizer. Then the op inside TensorFlow, with the tests of the op, under
AddressSanitizer and UBSan. Any finding ends the run with exit code 1.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from build import FLAGS, KERNELS, ROOT, SANITIZE, SOURCES, build, find_compiler

TESTS = ("test_native_errors.py", "test_native_op.py", "test_pass_through.py")
# Python and TensorFlow never free everything, and they are not what is tested.
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
RUN_TESTS = """
import sys
from pathlib import Path
import pytest
sys.path.insert(0, "")
from tfcolor.ops import native_library
native_library.LIBRARY = Path(sys.argv[1])
native_library.load_native_ops()
sys.exit(pytest.main(["-p", "no:cacheprovider", "-q", "-s", "-k", sys.argv[2], *sys.argv[3:]]))
"""
# They start processes of their own, or compile: nothing that sanitizers see.
LEFT_OUT = "not threads and not saved and not mirrored"


def main(arguments: Sequence[str]) -> int:
    """Runs every check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=300, help="random cases for each type")
    parser.add_argument("--kernels_only", action="store_true", help="leave TensorFlow out")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        fuzz(Path(folder) / "fuzz_address", SANITIZE, options.cases)
        fuzz(Path(folder) / "fuzz_thread", ("-g", "-fsanitize=thread"), options.cases // 3)
        if not options.kernels_only:
            run_tests(Path(folder) / "sanitized.so")
    print("sanitizers found nothing")
    return 0


def fuzz(program: Path, flags: Sequence[str], cases: int) -> None:
    """Builds the driver with some sanitizers and runs it on random cases."""
    sources = [str(SOURCES / name) for name in ("fuzz.cc", *KERNELS)]
    kernel_flags = ("-O1", "-ffp-contract=off", "-pthread")
    command = [*find_compiler(), *FLAGS, *kernel_flags, *flags, *sources, "-o", str(program)]
    subprocess.run(command, check=True)
    print(f"{program.name}: ", end="", flush=True)
    subprocess.run([str(program), str(cases)], check=True, env={**os.environ, **ENVIRONMENT})


def run_tests(library: Path) -> None:
    """Builds the op with sanitizers and runs its tests inside TensorFlow."""
    build(library, sanitize=True)
    # libstdc++ too: AddressSanitizer looks for its `__cxa_throw` when it starts.
    preload = ":".join(locate(name) for name in ("libasan.so", "libstdc++.so"))
    environment = {**os.environ, **ENVIRONMENT, "LD_PRELOAD": preload}
    tests = [str(ROOT.parent / "tests/ops" / name) for name in TESTS]
    command = [sys.executable, "-c", RUN_TESTS, str(library), LEFT_OUT, *tests]
    subprocess.run(command, check=True, env=environment, cwd=ROOT.parent)


def locate(library: str) -> str:
    """Returns the path of one of the compiler's libraries."""
    command = [*find_compiler(), f"-print-file-name={library}"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return str(Path(found).resolve())


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"sanitize: {error.cmd[0]} ended with exit code {error.returncode}")
