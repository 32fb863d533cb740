"""What may not lie in the repository, and how a flagfile is written."""

import re
import subprocess
from pathlib import Path

import pytest
from source_tree import ROOT, report

MAX_BYTES = 5_000_000
# In two parts, so that this file does not catch itself.
MACHINE = re.compile(r"(?<![\w.])/" r"(work|home|root|opt|Users)/\w")
REGISTRY = re.compile(r"pypi" r"\.org|python" r"hosted|index-" r"url")
FLAG = re.compile(r"--\w+=\S?.*(?<!\s)|--\w+=")


def repository_files() -> list[Path]:
    """Returns the files that git tracks or would track."""
    command = [
        "git",
        "-C",
        str(ROOT),
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("git is missing, or this is no clone: what is tracked is unknown")
    paths = {ROOT / name for name in listing.stdout.split("\0") if name}
    return sorted(path for path in paths if path.is_file())


def file_complaints(path: Path) -> list[str]:
    """Returns what is wrong with one file of the repository."""
    complaints = []
    size = path.stat().st_size
    if size > MAX_BYTES:
        complaints.append(f"{path}: {size} bytes, at most {MAX_BYTES}; download or make it instead")
    if path.suffix == ".ipynb":
        complaints.append(f"{path}: a notebook; make it a main, an example or a test")
    text = path.read_bytes()[:MAX_BYTES].decode("utf-8", errors="ignore")
    for pattern, instead in ((MACHINE, "use a relative path"), (REGISTRY, "leave it to pip")):
        match = pattern.search(text)
        if match:
            complaints.append(f"{path}: {match.group(0)!r} holds on one machine only; {instead}")
    return complaints


def flagfile_complaints(path: Path, root: Path) -> list[str]:
    """Returns the lines that absl would take for something else."""
    complaints = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path}:{number}: "
        if not line or line.startswith("#"):
            continue
        if not FLAG.fullmatch(line):
            complaints.append(f"{where}{line!r} is ignored or misread; write --name=value")
        elif re.search(r"\s#", line):
            complaints.append(f"{where}the comment becomes part of the value; give it its own line")
        elif line.startswith("--flagfile=") and not (root / line.split("=", 1)[1]).is_file():
            complaints.append(f"{where}no such file below the repository root")
    return complaints


def test_repository_holds_only_what_belongs_there():
    complaints = [text for path in repository_files() for text in file_complaints(path)]
    assert not complaints, report(complaints)


def test_flagfiles_are_well_formed():
    paths = sorted((ROOT / "configs").rglob("*.cfg"))
    complaints = [text for path in paths for text in flagfile_complaints(path, ROOT)]
    assert not complaints, report(complaints)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("weights.bin", "0" * (MAX_BYTES + 1)),
        ("study.ipynb", "{}"),
        ("setup.py", "DATA = '/ho" + "me/someone/data'"),
        ("Makefile", "pip install --index-" + "url=x tfcolor"),
    ],
)
def test_rule_catches_a_file(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    assert len(file_complaints(path)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "seed=3",
        "-seed=3",
        "--seed 3",
        "--seed=3 # why",
        "--seed=3 ",
        " --seed=3",
        "--flagfile=configs/none.cfg",
    ],
)
def test_rule_catches_a_flagfile_line(tmp_path, line):
    path = tmp_path / "x.cfg"
    path.write_text(f"# A comment.\n\n{line}\n")
    (complaint,) = flagfile_complaints(path, tmp_path)
    assert complaint.startswith(f"{path}:3: ")


def test_rule_lets_a_good_flagfile_pass(tmp_path):
    path = tmp_path / "x.cfg"
    path.write_text("# A comment.\n\n--flagfile=x.cfg\n--seed=3\n--tasks=a,b\n--name=\n")
    assert flagfile_complaints(path, tmp_path) == []
