import dataclasses
import re

import pytest
from absl import flags

from tfcolor.config.flags import define_options
from tfcolor.config.task_flags import add_task_flags, read_task_flags
from tfcolor.core.errors import UsageError
from tfcolor.core.options import option


@dataclasses.dataclass(frozen=True)
class CropOptions:
    """Options of one task."""

    width: int = option(1, "cells")
    names: tuple[str, ...] = option((), "of crops")
    mirrors: bool = option(True, "left to right")


@dataclasses.dataclass(frozen=True)
class LengthOptions:
    """Options of the run."""

    batch_size: int = option(8, "examples")
    num_steps: int = option(9, "updates")


SECTION = (CropOptions, "crop_")


@pytest.fixture
def flag_values():
    values = flags.FlagValues()
    define_options(*SECTION, values)
    define_options(LengthOptions, "", values)
    values(["train", "--crop_width=5", "--batch_size=3"])
    return values


def _read(flag_values, text):
    return read_task_flags(flag_values, text, [SECTION], ["batch_size"])


def test_own_flags_are_laid_over_the_others(flag_values):
    read = _read(flag_values, "--crop_names=a,'b c' --nocrop_mirrors --batch_size=2")
    assert (read.crop_width, read.crop_names) == (5, ("a", "b c"))
    assert (read.crop_mirrors, read.batch_size, read.num_steps) == (False, 2, 9)
    assert flag_values.batch_size == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--num_steps=4", "'--num_steps=4' is no flag of one task: expected --NAME=VALUE"),
        ("crop_width=4", "'crop_width=4' is no flag of one task"),
        ("--crop_widht=4", "'--crop_widht=4' is no flag of one task"),
        ("--flagfile=other.cfg", "'--flagfile=other.cfg' is no flag of one task"),
        ("--crop_width=wide", "--task_flags=--crop_width=wide: flag --crop_width=wide"),
        ("--crop_names='a", "No closing quotation"),
    ],
)
def test_what_is_no_flag_of_a_task_is_refused(flag_values, text, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        _read(flag_values, text)


def test_added_flags_are_read_again(flag_values):
    values = {"crop_names": ("it's", 'a "b"', "c,d"), "crop_mirrors": False, "batch_size": 7}
    read = _read(flag_values, add_task_flags("--crop_width=2", values))
    assert {name: read[name].value for name in values} == values
    assert read.crop_width == 2
    assert add_task_flags("", {}) == ""
