"""Every module has a test file of its own name in the same place (HOUSE 3.6)."""

from pathlib import Path

from source_tree import ROOT, read_sources, report


def namesake(path: str) -> str:
    """Returns the test file of a module."""
    path = path.removeprefix("tfcolor/").replace("serving/tfcolor_client/", "serving/")
    folder, _, name = path.rpartition("/")
    name = "main.py" if name == "__main__.py" else name
    return "/".join(filter(None, ["tests", folder, f"test_{name}"]))


def mirroring_complaints(paths: list[str], root: Path) -> list[str]:
    """Returns the modules without a namesake among the tests."""
    modules = [path for path in paths if not path.endswith("__init__.py")]
    return [
        f"{path}: no test of its own; write {namesake(path)}"
        for path in modules
        if not (root / namesake(path)).exists()
    ]


def test_every_module_has_a_namesake():
    complaints = mirroring_complaints([source.path for source in read_sources()], ROOT)
    assert not complaints, report(complaints)


def test_rule_catches_a_module_without_a_test(tmp_path):
    (tmp_path / "tests/color").mkdir(parents=True)
    (tmp_path / "tests/color/test_spaces.py").touch()
    (tmp_path / "tests/test_main.py").touch()
    paths = ["tfcolor/color/spaces.py", "tfcolor/color/bins.py", "tfcolor/__main__.py"]
    (complaint,) = mirroring_complaints([*paths, "tfcolor/__init__.py"], tmp_path)
    assert "tests/color/test_bins.py" in complaint
