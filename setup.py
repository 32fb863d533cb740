"""Builds and installs tfcolor."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (ROOT / "tfcolor/__init__.py").read_text()).group(1)

INSTALL = [
    "tensorflow==2.15.*",
    "absl-py",
    "h5py",
    "importlib_resources",
    "keras-cv==0.8.2",
    "matplotlib",
    "numpy<2",
    "opencv-python-headless",
    "pillow",
    "rich",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "tensorboard==2.15.*",
    "tensorflow-addons==0.23.0",
    "tensorflow-datasets==4.9.10",
    "tensorflow-metadata<1.17",
]
TEST = ["clang-format", "mypy", "pytest", "pytest-timeout", "pytest-xdist", "ruff"]

setup(
    name="tfcolor",
    version=VERSION,
    description="Photograph colorization and self-supervised learning in TensorFlow 2",
    long_description=(ROOT / "README.md").read_text() if (ROOT / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=["tfcolor", "tfcolor.*"]),
    install_requires=INSTALL,
    extras_require={"test": TEST},
    entry_points={"console_scripts": ["tfcolor = tfcolor.__main__:main"]},
)
