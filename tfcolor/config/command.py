"""What every command does around its own work: flags, help, errors, exit status.

Imported before anything that imports TensorFlow, whose start-up noise it mutes.
"""

import contextlib
import dataclasses
import logging
import os
import sys
import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from absl import flags

from tfcolor.config.flags import define_options, flag_sections, format_value, read_options
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.training.signals import StoppedError

# At 2, TensorFlow 2.15 still reports on every start that it registered cuDNN,
# cuFFT and cuBLAS twice. What goes wrong in an operation is raised, not logged.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow turns oneDNN on by itself only where it finds AVX-512. On a processor
# with AVX2 alone a training step of VGG-16 x 1/4 took 2.1 s without it, 0.65 s with.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

HELP_FLAGS = ("--help", "-help", "-h", "--helpfull", "--helpshort")
EXIT_FAILURE, EXIT_INTERRUPTED = 1, 130
INDENT = " " * 6

Main = Callable[[flags.FlagValues, list[str]], None]


@dataclasses.dataclass(frozen=True)
class CommonOptions:
    """Flags of every command."""

    verbosity: int = option(
        0,
        "-1 shows errors only, 0 progress and results, 1 also the log lines of the libraries"
        " and the traceback of an error",
        minimum=-1,
        maximum=1,
    )


@dataclasses.dataclass(frozen=True)
class Command:
    """One main: what it is called, what it takes and what it does.

    Args:
      name: the word after `tfcolor` ("train").
      help_text: what the command does, with examples; `--help` opens with it.
        The docstring of the main.
      options: (options dataclass, prefix) pairs in the order of `--help`.
      main: does the work, given the parsed flags and the positional arguments.
      arguments: how `--help` shows the positional arguments ("INPUT ..."); empty
        if the command takes none.
    """

    name: str
    help_text: str
    options: Sequence[tuple[type, str]]
    main: Main
    arguments: str = ""


def run_command(command: Command) -> NoReturn:
    """Runs a command on the arguments of this process and ends the process.

    Args:
      command: the command.

    Raises:
      SystemExit: always, with the exit status.
    """
    raise SystemExit(execute(command, sys.argv[1:]))


def execute(command: Command, arguments: Sequence[str]) -> int:
    """Runs a command and turns every error into one line on stderr.

    Args:
      command: the command.
      arguments: the command line after the command's name.

    Returns:
      The exit status: 0 on success, 2 if the command line is wrong, 130 if
      interrupted, the own status of a UserError and of a run that a signal has
      stopped, else 1.
    """
    flag_values = define_flags(command)
    try:
        if any(argument in HELP_FLAGS for argument in arguments):
            sys.stdout.write(format_help(command, flag_values))
            return 0
        positional = _parse(command, flag_values, arguments)
        verbosity = read_options(CommonOptions, "", flag_values).verbosity
        with _logging_to_stderr(command.name, verbosity):
            command.main(flag_values, positional)
    except KeyboardInterrupt:
        return _report(command, flag_values, "interrupted", EXIT_INTERRUPTED)
    except StoppedError as stopped:  # which has said what it saved
        return stopped.exit_status
    except UserError as error:
        return _report(command, flag_values, str(error), error.exit_status)
    except OSError as error:
        return _report(command, flag_values, str(error), EXIT_FAILURE)
    except Exception as error:
        text = f"internal error: {type(error).__name__}: {error}"
        hint = " (rerun with --verbosity=1 for the traceback)"
        return _report(command, flag_values, text, EXIT_FAILURE, hint)
    return 0


def define_flags(command: Command) -> flags.FlagValues:
    """Returns the command's own flags with their defaults, not yet parsed.

    They are not absl's global flags, so that two commands may use one name
    and no flag of a library shows up among ours.

    Args:
      command: the command.

    Returns:
      The flags of `command.options` and of `CommonOptions`.
    """
    flag_values = flags.FlagValues()
    flag_values.set_gnu_getopt(True)
    for options_class, prefix in (*command.options, (CommonOptions, "")):
        define_options(options_class, prefix, flag_values)
    return flag_values


def format_help(command: Command, flag_values: flags.FlagValues) -> str:
    """Returns what `--help` shows.

    Args:
      command: the command.
      flag_values: its flags, for their defaults and help.

    Returns:
      The command's own text, its usage, then its flags section by section.
    """
    usage = f"tfcolor {command.name} [--flagfile=FILE] [--FLAG=VALUE ...] {command.arguments}"
    lines = [command.help_text.strip(), "", f"Usage: {usage.rstrip()}"]
    for title, section in flag_sections(flag_values):
        lines += ["", f"{title}:"]
        for flag in section:
            lines.append(f"  --{flag.name}={format_value(flag.default)}")
            lines += textwrap.wrap(
                flag.help or "", 80, initial_indent=INDENT, subsequent_indent=INDENT
            )
    return "\n".join(lines) + "\n"


def _parse(command: Command, flag_values: flags.FlagValues, arguments: Sequence[str]) -> list[str]:
    """Parses the flags; returns the positional arguments or raises UsageError."""
    try:
        positional = list(flag_values([command.name, *arguments])[1:])
    except (flags.Error, ValueError) as error:
        flag_values.unparse_flags()
        text = str(error).rstrip(".")
        raise UsageError(f"{text} (tfcolor {command.name} --help lists the flags)") from error
    if positional and not command.arguments:
        raise UsageError(
            f"unexpected argument {positional[0]!r}; flags are written --name=value,"
            " on the command line and in a flagfile"
        )
    return positional


@contextlib.contextmanager
def _logging_to_stderr(name: str, verbosity: int) -> Iterator[None]:
    """Shows our log lines after the command's name; the libraries' only if asked."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"tfcolor {name}: %(message)s"))
    handler.setLevel(logging.INFO if verbosity >= 0 else logging.ERROR)
    if verbosity < 1:
        handler.addFilter(lambda line: line.name.startswith("tfcolor") or line.levelname == "ERROR")
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    # It has a handler of its own, which knows nothing of --verbosity.
    tensorflow_logger = logging.getLogger("tensorflow")
    tensorflow_level = tensorflow_logger.level
    tensorflow_logger.setLevel(logging.ERROR if verbosity < 1 else logging.INFO)
    try:
        with warnings.catch_warnings():
            if verbosity < 1:
                warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        tensorflow_logger.setLevel(tensorflow_level)


def _report(
    command: Command, flag_values: flags.FlagValues, text: str, status: int, hint: str = ""
) -> int:
    """Writes an error as one line, after its traceback if asked; returns `status`."""
    if flag_values["verbosity"].value == 1:
        traceback.print_exc()
        hint = ""
    sys.stderr.write(f"tfcolor {command.name}: {' '.join(text.split())}{hint}\n")
    return status
