"""The public signatures of an exported colorizer, as data.

Imports nothing, so that clients without TensorFlow can read it.
"""

import dataclasses
from collections.abc import Mapping, Sequence

Shape = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class TensorDeclaration:
    """One input or output of a signature.

    Args:
      dtype: TensorFlow's name of the type ("float32", "string").
      shape: None where any size is accepted; the first axis is the batch.
    """

    dtype: str
    shape: Shape


@dataclasses.dataclass(frozen=True)
class Signature:
    """One callable of a SavedModel.

    Args:
      inputs: by name, in order.
      outputs: by name.
    """

    inputs: Mapping[str, TensorDeclaration]
    outputs: Mapping[str, TensorDeclaration]


_STRINGS = TensorDeclaration("string", (None,))
_GRAY = TensorDeclaration("float32", (None, None, None, 1))
_MAP = TensorDeclaration("float32", (None, None, None, None))


def colorizer_signatures(outputs: Sequence[str]) -> Mapping[str, Signature]:
    """Returns every signature of an exported colorizer, by its public name.

    Args:
      outputs: what its network predicts: ("hue", "chroma"), ("a", "b") or
        ("ab",).

    Returns:
      Signatures by name, the same names for every colorizer.
    """
    return {
        "serving_default": Signature({"image_bytes": _STRINGS}, {"image_bytes": _STRINGS}),
        "colorize": Signature(
            {"gray": _GRAY},
            {
                "rgb": TensorDeclaration("float32", (None, None, None, 3)),
                "uncertainty": TensorDeclaration("float32", (None, None, None)),
            },
        ),
        "histograms": Signature({"gray": _GRAY}, dict.fromkeys(outputs, _MAP)),
    }
