"""Builds and installs tfcolor, with its native op where there is a compiler."""

import re
import shutil
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "custom_ops"))

from build import LIBRARY, BuildError, build  # noqa: E402

VERSION = re.search(r'__version__ = "(.+?)"', (ROOT / "tfcolor/__init__.py").read_text()).group(1)

INSTALL = [
    "tensorflow==2.15.*",
    "absl-py",
    "av",
    "grpcio",
    "grpcio-health-checking",
    "grpcio-reflection",
    "h5py",
    "imagecodecs",
    "importlib-resources",
    "keras-cv==0.8.2",
    "matplotlib",
    "numpy<2",
    "opencv-python-headless",
    "pillow",
    "prometheus-client",
    "rich",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "starlette",
    "tensorboard==2.15.*",
    "tensorflow-addons==0.23.0",
    "tensorflow-datasets==4.9.10",
    "tensorflow-metadata<1.17",
    "tensorflow-serving-api==2.15.1",
    "tifffile",
    "uvicorn",
]
BEAM = ["apache-beam"]
TEST = [
    "clang-format",
    "httpx",
    "mpmath",
    "mypy",
    # Later ones need an ml-dtypes that TensorFlow 2.15 does not take.
    "onnx<1.18",
    "onnxruntime",
    "ovmsclient==2023.1",
    "playwright",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "ruff",
    "tf2onnx",
]


class BuildNativeOp(build_ext):
    """Compiles the native op; without a compiler, says so in one line."""

    def get_ext_filename(self, fullname: str) -> str:
        """Names the library as `tf.load_op_library` is told it, without a Python tag."""
        return str(Path(*fullname.split("."))) + ".so"

    def build_extension(self, extension: Extension) -> None:
        """Puts the library and the record of what it is for where the wheel wants them."""
        try:
            build()
        except BuildError as error:
            sys.stderr.write(f"native op: not built, {error}; tfcolor uses plain TensorFlow\n")
            return
        target = Path(self.get_ext_fullpath(extension.name))
        if target.resolve() != LIBRARY:
            target.parent.mkdir(parents=True, exist_ok=True)
            for suffix in (".so", ".json"):
                shutil.copy2(LIBRARY.with_suffix(suffix), target.with_suffix(suffix))


setup(
    name="tfcolor",
    version=VERSION,
    description="Photograph colorization and self-supervised learning in TensorFlow 2",
    long_description=(ROOT / "README.md").read_text() if (ROOT / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.12",
    packages=[*find_packages(include=["tfcolor", "tfcolor.*"]), "tfcolor_client"],
    package_dir={"tfcolor_client": "serving/tfcolor_client"},
    package_data={
        "tfcolor.inference": ["static/*"],
        "tfcolor.web": ["static/*", "static/vendor/*"],
    },
    ext_modules=[Extension("tfcolor.ops._sparse_hypercolumn", sources=[], optional=True)],
    cmdclass={"build_ext": BuildNativeOp},
    install_requires=INSTALL,
    extras_require={"beam": BEAM, "test": [*BEAM, *TEST]},
    entry_points={"console_scripts": ["tfcolor = tfcolor.__main__:main"]},
)
