"""Builds the native op into the package: `python custom_ops/build.py`.

Used by setup.py and by `make native`. Needs a C++17 compiler and TensorFlow's
headers; imports nothing but the standard library. Without a compiler it says so
in one line and succeeds: the plain TensorFlow reference is used then.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "sparse_hypercolumn"
LIBRARY = ROOT.parent / "tfcolor/ops/_sparse_hypercolumn.so"
KERNELS = ("kernels_cpu.cc", "rows.cc")
OPS = ("op.cc", "op_kernels.cc")
FLAGS = ("-std=c++17", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")
# The kernels give the same bits on every instruction set: no contraction. The
# other two let compilers vectorize comparisons and conversions.
KERNEL_FLAGS = ("-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")


class BuildError(Exception):
    """The native op cannot be built; the message is one line for a user."""


def main(arguments: Sequence[str]) -> int:
    """Builds the op and says in one line what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=LIBRARY, help="the library to write")
    parser.add_argument("--sanitize", action="store_true", help="with ASan and UBSan")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        fingerprint = build(options.output, sanitize=options.sanitize)
    except BuildError as error:
        print(f"native op: not built, {error}; the plain TensorFlow reference is used")
        return 0
    seconds = time.monotonic() - start
    print(f"native op: built for TensorFlow {fingerprint['tensorflow']} in {seconds:.0f} s")
    return 0


def build(output: Path = LIBRARY, *, sanitize: bool = False) -> dict[str, str]:
    """Compiles the library, and beside it a JSON file that says for what.

    The library and its fingerprint are put in place by rename; a library that
    is up to date is left alone.

    Args:
      output: where the library goes.
      sanitize: whether to build with AddressSanitizer and UBSan.

    Returns:
      What the library was built for and from.

    Raises:
      BuildError: if there is no compiler or TensorFlow, or compiling fails.
    """
    compiler, tensorflow = find_compiler(), find_tensorflow()
    fingerprint = make_fingerprint(tensorflow)
    record = output.with_suffix(".json")
    if output.exists() and record.exists() and json.loads(record.read_text()) == fingerprint:
        return fingerprint
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".build") as folder:
        extra = SANITIZE if sanitize else ()
        with ThreadPoolExecutor() as pool:
            objects = list(
                pool.map(
                    lambda name: compile_object(compiler, tensorflow, name, Path(folder), extra),
                    (*OPS, *KERNELS),
                )
            )
        library = Path(folder) / output.name
        framework = tensorflow / "libtensorflow_framework.so.2"
        run([*compiler, "-shared", *extra, *objects, "-o", str(library), str(framework)])
        record.unlink(missing_ok=True)
        library.replace(output)
        staged = Path(folder) / record.name
        staged.write_text(json.dumps(fingerprint, indent=2) + "\n")
        staged.replace(record)
    return fingerprint


def compile_object(
    compiler: Sequence[str], tensorflow: Path, name: str, folder: Path, extra: Sequence[str]
) -> str:
    """Compiles one source and returns the path of the object file."""
    flags = KERNEL_FLAGS if name in KERNELS else ("-O2", *tensorflow_flags(tensorflow))
    target = folder / f"{name}.o"
    run([*compiler, *FLAGS, *flags, *extra, "-c", str(SOURCES / name), "-o", str(target)])
    return str(target)


def tensorflow_flags(tensorflow: Path) -> tuple[str, ...]:
    """Returns the flags of a source that includes TensorFlow's headers."""
    return (
        f"-D_GLIBCXX_USE_CXX11_ABI={cxx11_abi(tensorflow)}",
        "-DEIGEN_MAX_ALIGN_BYTES=64",
        "-isystem",
        str(tensorflow / "include"),
    )


def find_compiler() -> list[str]:
    """Returns the command of the C++ compiler: CXX, g++, c++ or clang++."""
    wanted = shlex.split(os.environ.get("CXX", ""))
    for command in [wanted] if wanted else [["g++"], ["c++"], ["clang++"]]:
        if shutil.which(command[0]):
            return command
    raise BuildError(f"no C++ compiler ({' '.join(wanted) or 'g++, c++ or clang++'}) was found")


def find_tensorflow() -> Path:
    """Returns the folder of the installed TensorFlow without importing it.

    In an isolated build it need not be on the path: it may be installed in the
    environment all the same.
    """
    found = importlib.util.find_spec("tensorflow")
    folders = [Path(path) for path in (found.submodule_search_locations or [])] if found else []
    folders.append(Path(sysconfig.get_paths()["purelib"]) / "tensorflow")
    for folder in folders:
        if (folder / "include/tensorflow/core/framework/op.h").exists():
            return folder
    raise BuildError("TensorFlow's headers were not found")


def make_fingerprint(tensorflow: Path) -> dict[str, str]:
    """Returns what a library built now would be for and from."""
    digest = hashlib.sha256()
    sources = [SOURCES / name for name in (*OPS, *KERNELS)]
    for source in sorted([*sources, *SOURCES.glob("*.h"), Path(__file__)]):
        digest.update(source.read_bytes())
    return {
        "tensorflow": tensorflow_version(tensorflow),
        "cxx11_abi": cxx11_abi(tensorflow),
        "machine": platform.machine(),
        "sources": digest.hexdigest()[:16],
    }


def tensorflow_version(tensorflow: Path) -> str:
    """Returns the version from the metadata beside the package."""
    for metadata in tensorflow.parent.glob("tensorflow*-*.dist-info"):
        name, _, version = metadata.name.removesuffix(".dist-info").partition("-")
        if name in ("tensorflow", "tensorflow_cpu"):
            return version
    raise BuildError("the version of TensorFlow could not be read")


def cxx11_abi(tensorflow: Path) -> str:
    """Returns "1" or "0": the C++ ABI that TensorFlow was compiled with.

    Names with the tag `cxx11` only exist in libraries of the new ABI.
    """
    symbols = (tensorflow / "libtensorflow_framework.so.2").read_bytes()
    return "1" if b"B5cxx11" in symbols else "0"


def run(command: Sequence[str]) -> None:
    """Runs a compiler; raises BuildError with its first error line."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        errors = [line for line in result.stderr.splitlines() if "error" in line]
        sys.stderr.write(result.stderr)
        raise BuildError((errors or ["the compiler failed"])[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
