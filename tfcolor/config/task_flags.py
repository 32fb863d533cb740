"""Flags that hold for one task of several: laid over those of the command."""

import copy
import shlex
from collections.abc import Sequence

from absl import flags

from tfcolor.config.flags import define_options, format_value
from tfcolor.core.errors import UsageError

Section = tuple[type, str]


def read_task_flags(
    flag_values: flags.FlagValues, text: str, sections: Sequence[Section], others: Sequence[str]
) -> flags.FlagValues:
    """Returns the flags of one task.

    Args:
      flag_values: the parsed flags of the command.
      text: flags as on a command line, "--images=FOLDER --batch_size=4"; quotes
        and backslashes as in a shell.
      sections: (options dataclass, prefix) pairs that a task may have for itself.
      others: names of further flags that it may have.

    Returns:
      A copy of the command's flags with these laid over.

    Raises:
      UsageError: if the text holds something else, or a wrong value.

    Example:
      >>> import dataclasses
      >>> from tfcolor.core.options import option
      >>> @dataclasses.dataclass(frozen=True)
      ... class SizeOptions:
      ...     width: int = option(1, "cells")
      >>> values = flags.FlagValues()
      >>> define_options(SizeOptions, "map_", values)
      >>> _ = values(["train"])
      >>> read_task_flags(values, "--map_width=3", [(SizeOptions, "map_")], []).map_width
      3
    """
    allowed = flags.FlagValues()
    for options_class, prefix in sections:
        define_options(options_class, prefix, allowed)
    names = {*allowed, *others}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--task_flags={text}: {error}") from error
    for word in words:
        name = word.removeprefix("--").removeprefix("no").split("=")[0]
        if not word.startswith("--") or not {name, word[2:].split("=")[0]} & names:
            raise UsageError(
                f"--task_flags={text}: {word!r} is no flag of one task: expected --NAME=VALUE of"
                f" its own options, of its images, or --{' or --'.join(others)}"
            )
    values = copy.deepcopy(flag_values)
    try:
        values(["", *words])
    except flags.Error as error:
        raise UsageError(f"--task_flags={text}: {error}") from error
    return values


def add_task_flags(text: str, values: dict[str, object]) -> str:
    """Returns the flags of one task with further ones.

    Args:
      text: as `read_task_flags` takes it.
      values: name to value of the flags to be laid over.

    Returns:
      A text from which `read_task_flags` reads these values.

    Example:
      >>> add_task_flags("--seed=1", {"images": "my photos", "num_classes": 3})
      "--seed=1 '--images=my photos' --num_classes=3"
    """
    words = [shlex.quote(f"--{name}={format_value(value)}") for name, value in values.items()]
    return " ".join([*([text] if text else []), *words])
