import dataclasses
import re
from typing import Literal, Optional

import pytest
from absl import flags

from tfcolor.config.flags import (
    define_options,
    differing_flags,
    flag_sections,
    format_value,
    read_flagfile,
    read_options,
    resolved_flags,
    write_flagfile,
)
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option


@dataclasses.dataclass(frozen=True)
class EveryOptions:
    """One field of every kind."""

    steps: int = option(10, "optimizer steps", minimum=1)
    rate: float = option(1, "learning rate")
    is_fast: bool = option(False, "whether to hurry")
    name: str = option("a run", "its name")
    space: str = option("lab", "color space", choices=("lab", "hsv"))
    mode: Literal["mean", "median"] = option("mean", "decoding")
    sizes: tuple[int, ...] = option((), "pixels")
    point: tuple[float, float] = option((0.5, 2), "row and column")
    tasks: tuple[str, ...] = option(("a", "b"), "tasks")
    limit: int | None = option(None, "images at most")
    decay: Optional[float] = option(0.5, "weight decay")  # noqa: UP045


CHANGES = {
    "steps": 2**40,
    "rate": 0.1 + 0.2,
    "is_fast": True,
    "name": ' "x" = --seed=1, # not a comment; färbig',
    "space": "hsv",
    "mode": "median",
    "sizes": (3, -4),
    "point": (1e-300, -0.0),
    "tasks": ("", " spaced ", 'quo"ted', "with,comma"),
    "limit": 0,
    "decay": None,
}


def parsed(*arguments: str, prefix: str = "") -> flags.FlagValues:
    flag_values = flags.FlagValues()
    flags.DEFINE_string("foreign", "", "of a library", flag_values=flag_values)
    define_options(EveryOptions, prefix, flag_values)
    flag_values(["program", *arguments])
    return flag_values


def test_flags_not_given_have_the_defaults_of_the_fields():
    assert read_options(EveryOptions, "", parsed()) == EveryOptions()


def test_every_kind_is_read_with_its_type():
    texts = {name: format_value(value) for name, value in CHANGES.items()}
    flag_values = parsed(*(f"--x_{name}={text}" for name, text in texts.items()), prefix="x_")
    options = read_options(EveryOptions, "x_", flag_values)
    assert options == EveryOptions(**CHANGES)
    assert [type(getattr(options, name)) for name in CHANGES] == [*map(type, CHANGES.values())]


def test_booleans_have_the_three_spellings_of_absl():
    for argument, expected in (("--is_fast", True), ("--nois_fast", False), ("--is_fast=1", True)):
        assert read_options(EveryOptions, "", parsed(argument)).is_fast is expected


def test_a_later_flag_wins():
    assert read_options(EveryOptions, "", parsed("--tasks=a", "--tasks=c,d")).tasks == ("c", "d")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--steps=few", "flag --steps=few: expected integer"),
        ("--steps=1.5", "flag --steps=1.5: expected integer"),
        ("--rate=", "flag --rate=: expected number"),
        ("--point=1", "flag --point=1: expected 2 values with commas, each number"),
        ("--sizes=1,x", "flag --sizes=1,x: expected values with commas, each integer"),
        ("--limit=none", "flag --limit=none: expected integer; empty for none"),
    ],
)
def test_text_of_another_type_is_named_with_what_is_expected(argument, message):
    with pytest.raises(flags.IllegalFlagValueError, match=re.escape(message)):
        parsed(argument)


def test_values_out_of_range_are_named_with_their_flag():
    with pytest.raises(UsageError, match="--x_steps=0: expected at least 1"):
        read_options(EveryOptions, "x_", parsed("--x_steps=0", prefix="x_"))
    with pytest.raises(UsageError, match="--space=rgb: expected one of lab, hsv"):
        read_options(EveryOptions, "", parsed("--space=rgb"))


def test_help_says_what_is_accepted():
    (section,) = flag_sections(parsed())
    title, ours = section
    texts = {flag.name: flag.help for flag in ours}
    assert title == "One field of every kind"
    assert texts["steps"] == "optimizer steps (integer, at least 1)"
    assert texts["space"] == "color space (one of lab, hsv)"
    assert texts["limit"] == "images at most (integer; empty for none)"


def test_a_field_that_no_flag_can_be_is_refused():
    @dataclasses.dataclass(frozen=True)
    class NestedOptions:
        """Too much."""

        phase: complex = option(None, "a phase")

    with pytest.raises(TypeError, match=r"NestedOptions.phase is .*complex.*expected bool, int"):
        define_options(NestedOptions, "", flags.FlagValues())


def test_resolved_flags_are_ours_in_order():
    names = [field.name for field in dataclasses.fields(EveryOptions)]
    assert list(resolved_flags(parsed("--foreign=x"))) == names
    assert list(resolved_flags(parsed(), exclude=("steps", "mode"))) == [
        name for name in names if name not in ("steps", "mode")
    ]


def test_flagfile_gives_the_same_values_again(tmp_path):
    path = tmp_path / "a folder" / "flags.cfg"
    texts = [f"--{name}={format_value(value)}" for name, value in CHANGES.items()]
    write_flagfile(path, parsed(*texts))
    again = parsed("--steps=7", f"--flagfile={path}")
    assert read_options(EveryOptions, "", again) == EveryOptions(**CHANGES)
    assert path.read_text().splitlines()[2] == "--is_fast=true"


def test_flagfile_is_read_with_the_defaults_of_what_it_leaves_out(tmp_path):
    path = tmp_path / "flags.cfg"
    path.write_text("--run_steps=3\n")
    read = read_flagfile(path, [(EveryOptions, "run_")])
    assert read_options(EveryOptions, "run_", read) == EveryOptions(steps=3)
    path.write_text("--walk_steps=3\n")
    with pytest.raises(UserError, match=r"cannot read .*flags\.cfg.*walk_steps"):
        read_flagfile(path, [(EveryOptions, "run_")])


@pytest.mark.parametrize("name", ["two\nlines", "space at the end "])
def test_a_value_that_a_flagfile_would_change_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="expected no line break and no space at the end"):
        write_flagfile(tmp_path / "flags.cfg", parsed(f"--name={name}"))
    assert not (tmp_path / "flags.cfg").exists()


def test_differing_flags_are_named_with_both_values(tmp_path):
    path = tmp_path / "flags.cfg"
    write_flagfile(path, parsed("--steps=5", "--name=first"))
    assert differing_flags(path, parsed("--name=first", "--steps=5")) == []
    current = parsed("--tasks=b", "--name=second")
    expected = [("steps", "5", "10"), ("name", "first", "second"), ("tasks", "a,b", "b")]
    assert differing_flags(path, current) == expected
    assert differing_flags(path, current, exclude=("name",)) == [expected[0], expected[2]]
    assert read_options(EveryOptions, "", current).name == "second"  # left as it was


def test_a_flag_that_the_record_does_not_mention_had_its_default(tmp_path):
    path = tmp_path / "flags.cfg"
    path.write_text("--steps=5\n")
    assert differing_flags(path, parsed("--steps=5", "--space=hsv")) == [("space", "lab", "hsv")]


@pytest.mark.parametrize("text", ["--unheard=1\n", "--steps=few\n", None])
def test_an_unusable_record_is_an_error_of_the_user(tmp_path, text):
    path = tmp_path / "flags.cfg"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=r"cannot compare with .*flags\.cfg"):
        differing_flags(path, parsed())
