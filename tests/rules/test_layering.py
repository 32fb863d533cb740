"""A package imports only packages of a strictly lower rank (HOUSE 2.2)."""

import pytest
from source_tree import Source, imports, make_source, read_sources, report

RANKS = {
    "core": 0,
    "color": 1,
    "ops": 1,
    "mixtures": 1,
    "layers": 2,
    "losses": 2,
    "metrics": 2,
    "data": 2,
    "backbones": 3,
    "heads": 3,
    "parts": 3,
    "models": 4,
    "tasks": 5,
    "inference": 5,
    "training": 6,
    "savedmodel": 6,
    "evaluation": 7,
    "analysis": 7,
    "server": 7,
    "web": 7,
    "config": 8,
    "mains": 9,
}


def package_of(module: str) -> str:
    """Returns the package of a module below tfcolor; "mains" for a command."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in RANKS else "mains"


def layering_complaints(source: Source) -> list[str]:
    """Returns what a file imports that its rank does not allow."""
    if source.path.startswith("serving/"):
        return [
            source.at(node, f"the client imports {name}; it must run without tfcolor")
            for node, name in imports(source)
            if name.split(".")[0] in ("tfcolor", "tensorflow", "tensorflow_serving")
        ]
    if source.path == "tfcolor/__init__.py":
        return [source.at(node, "imports nothing; move this down") for node, _ in imports(source)]
    folder = source.path.split("/")[1]
    own = folder if "/" in source.path.removeprefix("tfcolor/") else "mains"
    if own not in RANKS:
        return [f"{source.path}: package {own} has no rank; add it to RANKS and to HOUSE 2.2"]
    complaints = []
    for node, name in imports(source):
        if name.split(".")[:2] == ["absl", "flags"] and own not in ("config", "mains"):
            complaint = f"{own} imports absl.flags; take an Options dataclass instead"
            complaints.append(source.at(node, complaint))
        if not name.startswith("tfcolor.") or name.startswith("tfcolor.__version__"):
            continue
        other = package_of(name)
        if other != own and RANKS[other] >= RANKS[own]:
            complaint = (
                f"{own} (rank {RANKS[own]}) imports {name} (rank {RANKS[other]}); pass it in as an"
                f" argument, or move what you need below rank {RANKS[own]}"
            )
            complaints.append(source.at(node, complaint))
        if other == own == "mains":
            complaints.append(source.at(node, f"a main imports {name}; move the shared part down"))
    return complaints


def test_every_import_goes_down():
    complaints = [text for source in read_sources() for text in layering_complaints(source)]
    assert not complaints, report(complaints)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("tfcolor/color/planted.py", "from tfcolor.models import weights"),
        ("tfcolor/losses/planted.py", "import tfcolor.metrics.base"),
        ("tfcolor/losses/planted.py", "from tfcolor import data"),
        ("tfcolor/training/planted.py", "from ..evaluation import protocol"),
        ("tfcolor/data/planted.py", "def load():\n    from tfcolor.tasks import base"),
        ("tfcolor/models/planted.py", "from absl import flags"),
        ("tfcolor/models/planted.py", "import absl.flags"),
        ("tfcolor/planted.py", "from tfcolor import train"),
        ("tfcolor/planted.py", "from tfcolor.train import main"),
        ("tfcolor/unheard/planted.py", "import os"),
        ("tfcolor/__init__.py", "import os"),
        ("serving/tfcolor_client/planted.py", "from tfcolor.core import errors"),
        ("serving/tfcolor_client/planted.py", "import tensorflow as tf"),
    ],
)
def test_rule_catches_an_upward_import(path, line):
    assert len(layering_complaints(make_source(line, path))) == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("tfcolor/models/planted.py", "from tfcolor.backbones import BACKBONES"),
        ("tfcolor/losses/planted.py", "from tfcolor.losses.base import mean"),
        ("tfcolor/planted.py", "from absl import flags\nfrom tfcolor import __version__"),
        ("tfcolor/planted.py", "from tfcolor.config.command import Command"),
    ],
)
def test_rule_lets_a_downward_import_pass(path, line):
    assert layering_complaints(make_source(line, path)) == []
