"""Reading the plain tables that turn names into objects."""

from collections.abc import Mapping
from typing import TypeVar

from tfcolor.core.errors import UsageError

Value = TypeVar("Value")


def lookup(table: Mapping[str, Value], name: str, kind: str) -> Value:
    """Returns `table[name]`.

    Args:
      table: known names and what they stand for.
      name: the name asked for.
      kind: what the table holds, singular, for the message ("backbone").

    Returns:
      The entry called `name`.

    Raises:
      UsageError: if there is no such entry; the message lists the known names.

    Example:
      >>> lookup({"vgg16": 1}, "vgg16", "backbone")
      1
    """
    if name not in table:
        known = ", ".join(sorted(table))
        raise UsageError(f"unknown {kind} {name!r}; known: {known}")
    return table[name]
