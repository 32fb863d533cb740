"""Frozen option dataclasses whose fields are the only home of a default."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tfcolor.core.errors import UsageError


def option(
    default: Any,
    help_text: str,
    *,
    choices: Sequence[Any] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """Declares one field of an options dataclass; it becomes one flag.

    Args:
      default: the value where the user gives none; its type is the flag's.
        A tuple becomes a comma-separated list.
      help_text: one sentence for `--help`, with the unit.
      choices: the accepted values, if they can be listed.
      minimum: the smallest accepted number.
      maximum: the largest accepted number.

    Returns:
      A `dataclasses.field` that carries the metadata.
    """
    metadata = {"help": help_text, "choices": choices, "minimum": minimum, "maximum": maximum}
    return dataclasses.field(default=default, metadata=metadata)


def check_options(options: Any, prefix: str = "") -> None:
    """Checks every field of an options dataclass against its declaration.

    Args:
      options: an instance of a dataclass whose fields come from `option`.
      prefix: put before each field's name in messages ("colorization_").

    Raises:
      UsageError: if a value is not among the choices or out of range; the
        message names the flag, the value and what is accepted.
    """
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        for item in value if isinstance(value, tuple) else (value,):
            _check_value(f"--{prefix}{field.name}", item, field.metadata)


def _check_value(flag: str, value: Any, metadata: Any) -> None:
    """Raises UsageError where `value` breaks the field's declaration."""
    choices = metadata.get("choices")
    if choices is not None and value not in choices:
        known = ", ".join(str(choice) for choice in choices)
        raise UsageError(f"{flag}={value}: expected one of {known}")
    low, high = metadata.get("minimum"), metadata.get("maximum")
    if isinstance(value, (int, float)):
        if value != value:
            raise UsageError(f"{flag}={value}: expected a number")
        if low is not None and value < low:
            raise UsageError(f"{flag}={value}: expected at least {low}")
        if high is not None and value > high:
            raise UsageError(f"{flag}={value}: expected at most {high}")
