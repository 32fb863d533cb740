"""The public signatures of an exported colorizer, as data.

What an export offers and a client asks for is declared here and nowhere else.
Imports neither TensorFlow nor NumPy.
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


IMAGES = TensorDeclaration("string", (None,))
"""Encoded photographs of any sizes, one per element."""

GRAY = TensorDeclaration("float32", (None, None, None, 1))
RGB = TensorDeclaration("float32", (None, None, None, 3))
FEATURES = TensorDeclaration("float32", (None, None, None, None))


def colorizer_signatures(outputs: Sequence[str], taps: Sequence[str]) -> Mapping[str, Signature]:
    """Returns every signature of an exported colorizer, by its public name.

    `serving_default` and `sample` take JPEG, PNG (8 or 16 bits, with or without
    alpha), BMP and GIF files (the first frame). EXIF orientation is not applied.
    An empty string in the answer stands for a photograph that was not colored:
    it cannot be decoded, it has more pixels than the export accepts
    (`max_pixels` of its metadata), or its temperature is negative or no number.
    The others of the batch are not affected.

    Args:
      outputs: what its network predicts: ("hue", "chroma"), ("a", "b") or
        ("ab",).
      taps: the feature maps of its backbone ("conv1_1", ...).

    Returns:
      Signatures by name, the same names for every colorizer. `describe` answers
      each of its strings with the export's metadata as JSON.
    """
    one_each = TensorDeclaration("int32", (None,)), TensorDeclaration("float32", (None,))
    return {
        "serving_default": Signature({"image_bytes": IMAGES}, {"image_bytes": IMAGES}),
        "sample": Signature(
            {"image_bytes": IMAGES, "seed": one_each[0], "temperature": one_each[1]},
            {"image_bytes": IMAGES},
        ),
        "colorize": Signature(
            {"gray": GRAY},
            {"rgb": RGB, "uncertainty": TensorDeclaration("float32", (None, None, None))},
        ),
        "histograms": Signature({"gray": GRAY}, dict.fromkeys(outputs, FEATURES)),
        "features": Signature({"rgb": RGB}, dict.fromkeys(taps, FEATURES)),
        "describe": Signature(
            {"name": TensorDeclaration("string", (None,))},
            {"metadata": TensorDeclaration("string", (None,))},
        ),
    }
