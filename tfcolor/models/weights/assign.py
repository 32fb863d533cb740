"""Strict assignment of a file's tensors: everything is compared before anything changes."""

import dataclasses
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.models.weights.layout import Shape


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a file has against what a network needs, by the file's names.

    Args:
      matched: tensors that are there in an accepted shape, with it.
      missing: tensors that are not there, with the shape they should have.
      unexpected: tensors that the network has no place for, with their shape.
      misshaped: tensors of another shape, with (found, expected).
    """

    matched: Mapping[str, Shape]
    missing: Mapping[str, Shape]
    unexpected: Mapping[str, Shape]
    misshaped: Mapping[str, tuple[Shape, Shape]]

    def table(self) -> list[str]:
        """Returns one line per tensor: what became of it, its name and shapes."""
        rows = [("matched", name, _text(shape)) for name, shape in self.matched.items()]
        rows += [("missing", name, _text(shape)) for name, shape in self.missing.items()]
        rows += [("unexpected", name, _text(shape)) for name, shape in self.unexpected.items()]
        rows += [
            ("mis-shaped", name, f"{_text(found)}, expected {_text(expected)}")
            for name, (found, expected) in self.misshaped.items()
        ]
        width = max((len(name) for _, name, _ in rows), default=0)
        return [f"{what:<11} {name:<{width}} {shapes}" for what, name, shapes in rows]

    def check_complete(self, source: str) -> None:
        """Raises UserError unless the tensors are exactly those expected.

        Args:
          source: what the message calls the file.

        Raises:
          UserError: naming every tensor that is not matched.
        """
        problems = [line for line in self.table() if not line.startswith("matched")]
        if problems:
            listed = "; ".join(" ".join(line.split()) for line in problems)
            raise UserError(
                f"{source} does not fit: {listed}. "
                "--allow_partial loads what fits and leaves the rest as it starts"
            )


def compare_tensors(
    found: Mapping[str, Shape],
    expected: Mapping[str, Sequence[Shape]],
    ignored: Sequence[str] = (),
) -> Comparison:
    """Compares names and shapes.

    Args:
      found: shapes of a file's tensors by name.
      expected: accepted shapes by name, the usual one first.
      ignored: patterns (`fc8/*`) of tensors that may be there and are not used.

    Returns:
      Every name of `found` and `expected` in one of four groups, except those
      that are ignored.

    Example:
      >>> compare_tensors({"a": (2,)}, {"a": [(3,)]}).table()
      ['mis-shaped  a [2], expected [3]']
    """
    here = {name: shape for name, shape in found.items() if name in expected}
    return Comparison(
        matched={name: shape for name, shape in here.items() if shape in expected[name]},
        missing={name: shapes[0] for name, shapes in expected.items() if name not in found},
        unexpected={
            name: shape
            for name, shape in found.items()
            if name not in expected and not any(fnmatchcase(name, each) for each in ignored)
        },
        misshaped={
            name: (shape, expected[name][0])
            for name, shape in here.items()
            if shape not in expected[name]
        },
    )


def assign_values(values: Sequence[tuple[tf.Variable, np.ndarray]]) -> None:
    """Assigns arrays to variables, all or none.

    Args:
      values: pairs of a variable and a finite float array [...] of its shape.

    Raises:
      ValueError: if a shape differs or a number is not finite; then no variable
        has changed.
    """
    for variable, array in values:
        if tuple(variable.shape) != array.shape:
            raise ValueError(f"{variable.name} is {variable.shape}, its value {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"the value of {variable.name} is not finite")
    for variable, array in values:
        variable.assign(array)


def _text(shape: Shape) -> str:
    """Returns a shape as [2, 3]."""
    return str(list(shape))
