import dataclasses
import logging
import subprocess
import sys
import warnings

import pytest

from tfcolor.config.command import Command, execute, run_command
from tfcolor.config.flags import read_options
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option


@dataclasses.dataclass(frozen=True)
class PaintOptions:
    """How the wall is painted."""

    num_coats: int = option(2, "coats of paint", minimum=1)
    color: str = option("white", "its color", choices=("white", "green"))


def paint(work, arguments: str = "") -> Command:
    text = "Paints a wall.\n\nExample:\n  tfcolor paint --num_coats=3\n"
    return Command("paint", text, [(PaintOptions, "wall_")], work, arguments)


def failing(error: BaseException):
    def work(flag_values, arguments):
        raise error

    return work


def do_nothing(flag_values, arguments):
    read_options(PaintOptions, "wall_", flag_values)


def test_flags_and_inputs_reach_the_main_in_any_order():
    seen = []

    def work(flag_values, arguments):
        seen.append((read_options(PaintOptions, "wall_", flag_values), arguments))

    arguments = ["north", "--wall_num_coats=3", "--wall_color", "green", "--", "--south"]
    assert execute(paint(work, "WALL ..."), arguments) == 0
    assert seen == [(PaintOptions(3, "green"), ["north", "--south"])]


def test_flagfile_is_read_and_later_flags_win(tmp_path):
    path = tmp_path / "wall.cfg"
    path.write_text("# A comment.\n\n--wall_num_coats=5\n--wall_color=green\n")
    seen = []

    def work(flag_values, arguments):
        seen.append(read_options(PaintOptions, "wall_", flag_values))

    assert execute(paint(work), [f"--flagfile={path}", "--wall_num_coats=1"]) == 0
    assert seen == [PaintOptions(1, "green")]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--wall_num_coat=1", "Unknown command line flag 'wall_num_coat'. Did you mean: wall_num_"),
        ("--wall_num_coats=many", "flag --wall_num_coats=many: expected integer"),
        ("--wall_num_coats=0", "--wall_num_coats=0: expected at least 1"),
        ("--wall_color=red", "--wall_color=red: expected one of white, green"),
        ("--wall_color", "Missing value for flag --wall_color"),
        ("--flagfile=absent.cfg", "absent.cfg"),
        ("--verbosity=2", "--verbosity=2: expected at most 1"),
        ("num_coats=3", "unexpected argument 'num_coats=3'; flags are written --name=value"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exits_with_two(capsys, argument, message):
    assert execute(paint(do_nothing), [argument]) == 2
    output, text = capsys.readouterr()
    assert output == ""
    assert text.startswith("tfcolor paint: ")
    assert text.count("\n") == 1
    assert message in text


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("no wall\nhere"), 1, "no wall here"),
        (UsageError("which wall?"), 2, "which wall?"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            PermissionError(13, "Permission denied", "wall"),
            1,
            "[Errno 13] Permission denied: 'wall'",
        ),
        (
            KeyError("x"),
            1,
            "internal error: KeyError: 'x' (rerun with --verbosity=1 for the traceback)",
        ),
    ],
)
def test_an_error_is_one_line_with_its_status(capsys, error, status, line):
    assert execute(paint(failing(error)), []) == status
    assert capsys.readouterr().err == f"tfcolor paint: {line}\n"


def test_the_traceback_is_shown_when_asked_for(capsys):
    assert execute(paint(failing(KeyError("x"))), ["--verbosity=1"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "tfcolor paint: internal error: KeyError: 'x'"


def test_an_exit_of_the_main_passes():
    with pytest.raises(SystemExit) as caught:
        execute(paint(failing(SystemExit(143))), [])
    assert caught.value.code == 143


def test_help_teaches_and_runs_nothing(capsys):
    assert execute(paint(failing(KeyError("x"))), ["--wall_color=red", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Paints a wall.\n\nExample:\n")
    assert "Usage: tfcolor paint [--flagfile=FILE] [--FLAG=VALUE ...]\n" in text
    assert "How the wall is painted:\n  --wall_num_coats=2\n" in text
    assert "      coats of paint (integer, at least 1)\n" in text
    assert max(map(len, text.splitlines())) <= 80


def speak(flag_values, arguments):
    logging.getLogger("tfcolor.walls").info("first coat")
    logging.getLogger("library").warning("deprecated")
    logging.getLogger("library").error("broken")
    warnings.warn("deprecated too", stacklevel=1)


@pytest.mark.parametrize(
    ("verbosity", "expected"),
    [
        (-1, ["tfcolor paint: broken"]),
        (0, ["tfcolor paint: first coat", "tfcolor paint: broken"]),
        (1, ["tfcolor paint: first coat", "tfcolor paint: deprecated", "tfcolor paint: broken"]),
    ],
)
@pytest.mark.filterwarnings("ignore:deprecated too")
def test_verbosity_decides_whose_log_lines_are_shown(capsys, verbosity, expected):
    handlers = [*logging.getLogger().handlers]
    assert execute(paint(speak), [f"--verbosity={verbosity}"]) == 0
    assert capsys.readouterr().err.splitlines() == expected
    assert logging.getLogger().handlers == handlers


def test_run_command_ends_the_process_with_the_status(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tfcolor paint", "--wall_num_coats=0"])
    with pytest.raises(SystemExit) as caught:
        run_command(paint(do_nothing))
    assert caught.value.code == 2


def test_importing_the_command_makes_tensorflow_quiet_and_does_not_load_it():
    code = (
        "import os, sys; os.environ.pop('TF_CPP_MIN_LOG_LEVEL', None);"
        "import tfcolor.config.command;"
        "sys.exit('tensorflow' in sys.modules or os.environ['TF_CPP_MIN_LOG_LEVEL'] != '3')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
