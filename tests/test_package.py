import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import tfcolor

ROOT = Path(__file__).resolve().parents[1]


def setup_lists() -> dict[str, list[str]]:
    """Returns the lists written in setup.py by name."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
    }


def pins() -> dict[str, str]:
    """Returns the exact version of each package in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return dict(pairs)


REQUIREMENTS = [text for texts in setup_lists().values() for text in texts]


def test_version_is_a_version():
    assert str(Version(tfcolor.__version__)) == tfcolor.__version__


def test_importing_the_package_loads_nothing():
    code = "import sys, tfcolor; sys.exit('tensorflow' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("text", REQUIREMENTS)
def test_requirement_has_a_pin_that_satisfies_it(text):
    requirement = Requirement(text)
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_pins_are_exact_sorted_and_written_once():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    names = [line.split("==")[0] for line in lines if line and not line.startswith("#")]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in lines if line[:1].isalnum())


def test_requirements_are_written_one_a_line():
    text = (ROOT / "setup.py").read_text()
    for requirement in setup_lists()["INSTALL"]:
        assert f'\n    "{requirement}",\n' in text


def test_continuous_integration_runs_make_test_and_nothing_else():
    script = ROOT / ".ci/run"
    commands = [line for line in script.read_text().splitlines() if line and line[0] != "#"]
    assert os.access(script, os.X_OK)
    assert commands[-1] == "exec make test"
    assert all(line.startswith(("set ", "cd ")) for line in commands[:-1])


def test_make_lists_its_targets():
    listing = subprocess.run(
        ["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True
    ).stdout
    for target in ("quickstart", "test", "bench", "lint", "format", "clean", "help"):
        assert f"make {target} " in listing


def test_make_asks_for_the_right_python(tmp_path):
    for name in ("Makefile", "setup.py", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    command = ["make", "-C", str(tmp_path), "lint", "PYTHON=false"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode != 0
    assert "tfcolor needs Python 3.11 and 'false' is not" in finished.stdout
    assert not (tmp_path / ".venv").exists()
