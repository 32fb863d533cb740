"""Every flagfile in configs/ parses, reads as a lab note and makes two steps."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tfcolor.config.command import define_flags, execute
from tfcolor.config.experiment import read_experiment
from tfcolor.core.errors import UserError
from tfcolor.data.options import open_readers
from tfcolor.train import COMMAND

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.cfg"))
FLAG = re.compile(r"--(\w+)=(.*)")
# Flags that decide how long two steps take but not which code they run.
SMALL = {
    "num_steps": 2,
    "batch_size": 2,
    "log_every_steps": 1,
    "checkpoint_every_steps": 2,
    "evaluate_every_steps": 2,
    "evaluate_num_examples": 2,
    "colorization_crop_size": 32,
    "colorization_min_side": 32,
    "colorization_max_side": 40,
    "colorization_num_locations": 4,
    "colorization_edge": 4,
}


def lines_of(config: Path) -> list[str]:
    return (ROOT / config).read_text(encoding="utf-8").splitlines()


def flags_of(config: Path) -> list[tuple[str, str]]:
    """Returns name and value of each flag in the file itself, in order."""
    matches = (FLAG.fullmatch(line) for line in lines_of(config))
    return [match.groups() for match in matches if match]


def parse(config: Path, *more: str):
    """Parses a flagfile as `train` does."""
    flag_values = define_flags(COMMAND)
    flag_values(["train", f"--flagfile={config}", *more])
    return read_experiment(flag_values)


@pytest.fixture(autouse=True)
def in_repository(monkeypatch):
    """Nested flagfiles resolve against the working directory."""
    monkeypatch.chdir(ROOT)


def test_there_are_configs():
    assert Path("configs/quickstart.cfg") in CONFIGS
    assert [config for config in CONFIGS if config.parent.name == "smoke"]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_config_opens_with_what_it_is(config):
    lines = lines_of(config)
    head = lines[: lines.index("")]
    assert len(head) >= 2
    assert all(line.startswith("# ") for line in head)
    assert any("Command: " in line for line in head)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_config_has_only_flags_comments_and_blank_lines(config):
    for number, line in enumerate(lines_of(config), 1):
        assert not line or line.startswith("#") or FLAG.fullmatch(line), f"{config}:{number}"
    assert all("#" not in value and value == value.strip() for _, value in flags_of(config))


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_config_names_each_flag_once_and_nests_once_at_most(config):
    names = [name for name, _ in flags_of(config)]
    assert len(set(names)) == len(names)
    nested = [Path(value) for name, value in flags_of(config) if name == "flagfile"]
    for path in nested:
        assert "flagfile" not in dict(flags_of(path)), f"{path} nests again"


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_config_parses_and_changes_what_it_names(config):
    parse(config)
    flag_values = define_flags(COMMAND)
    assert list(flag_values(["train", f"--flagfile={config}"])) == ["train"]
    for name, text in flags_of(config):
        if name != "flagfile":
            assert flag_values[name].value == flag_values[name].parser.parse(text)


def images_at_hand(config: Path) -> list[str]:
    """Returns flags that replace images which are not on this machine."""
    data = dataclasses.replace(parse(config).data, cache_images_mb=0)
    try:
        open_readers(data)
    except UserError:
        return ["--images=builtin:photos:train", "--heldout_images=builtin:photos:heldout"]
    return []


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_config_makes_two_steps(config, tmp_path):
    run = tmp_path / "run"
    smaller = [f"--{name}={value}" for name, value in SMALL.items()]
    arguments = [*smaller, *images_at_hand(config), f"--run_dir={run}"]
    assert execute(COMMAND, [f"--flagfile={config}", *arguments]) == 0
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert np.isfinite([line["loss"] for line in lines]).all()


@pytest.mark.parametrize("config", [c for c in CONFIGS if c.parent.name == "smoke"], ids=str)
def test_smoke_config_is_small_as_it_stands(config):
    experiment = parse(config)
    assert experiment.training.num_steps == 2
    assert experiment.data.images.startswith("builtin:")
    assert experiment.backbone.width_multiplier < 0.1
