"""What a person has chosen on the page, checked before anything is computed."""

import dataclasses
import math
import re
from typing import Any

from tfcolor.color.decoding import DecodingOptions
from tfcolor.core.errors import UserError

SATURATIONS = ("predicted", "vivid")
REFERENCES = ("none", "energy", "quantile")
MAX_HINTS = 200
MAX_VERSION = 10_000
MAX_LEAN = 10.0

_VIVID = {"chroma": "q75", "lab": "mode"}
"""Statistics that lie farther from gray, for spaces with chroma and for Lab."""

_COLOR = re.compile("#[0-9a-f]{6}")


@dataclasses.dataclass(frozen=True)
class PlacedHint:
    """The color of one pixel.

    Args:
      row: from the top of the upright photograph, in its own pixels.
      column: from its left.
      rgb: "#rrggbb".
    """

    row: int
    column: int
    rgb: str


@dataclasses.dataclass(frozen=True)
class Look:
    """How one photograph is to be colored; the default is as predicted.

    Args:
      hints: colors of pixels.
      version: 0 for the most likely colors, k for the k-th draw.
      saturation: one of `SATURATIONS`.
      lean_strength: how much one color is favored, in nats.
      lean_angle: which, in turns around the hue circle.
      reference: how the colors of the reference are taken, of `REFERENCES`.
    """

    hints: tuple[PlacedHint, ...] = ()
    version: int = 0
    saturation: str = "predicted"
    lean_strength: float = 0.0
    lean_angle: float = 0.0
    reference: str = "none"

    def decoding(self, base: DecodingOptions) -> DecodingOptions:
        """Returns how histograms become colors.

        Args:
          base: the model's own decoding. Version k is what
            `tfcolor colorize --num_samples` writes as number k.

        Returns:
          `base` itself for the default look.
        """
        changes: dict[str, Any] = {}
        if self.version:
            changes["sampling"] = "once" if base.sampling == "none" else base.sampling
            changes["seed"] = base.seed + self.version - 1
        if self.saturation == "vivid":
            changes |= _VIVID
        if self.lean_strength:
            changes |= {"bias_strength": self.lean_strength, "bias_angle": self.lean_angle}
        return dataclasses.replace(base, **changes) if changes else base


def parse_look(value: Any) -> Look:
    """Returns the look that a page asks for.

    Args:
      value: an object with any of the fields of `Look`, from JSON.

    Returns:
      The look.

    Raises:
      UserError: if a field is unknown or its value is not accepted.

    Example:
      >>> parse_look({"version": 3}).version
      3
    """
    if not isinstance(value, dict):
        raise UserError(f"a look is an object, not {value!r:.40}")
    known = {field.name for field in dataclasses.fields(Look)}
    unknown = sorted(set(value) - known)
    if unknown:
        raise UserError(f"unknown choices {unknown!r:.80}; known: {sorted(known)}")
    hints = value.get("hints", [])
    if not isinstance(hints, list) or len(hints) > MAX_HINTS:
        raise UserError(f"expected a list of at most {MAX_HINTS} color hints")
    return Look(
        hints=tuple(_parse_hint(hint) for hint in hints),
        version=int(_number(value, "version", MAX_VERSION, is_whole=True)),
        saturation=_choice(value, "saturation", SATURATIONS),
        lean_strength=_number(value, "lean_strength", MAX_LEAN),
        lean_angle=_number(value, "lean_angle", 1.0),
        reference=_choice(value, "reference", REFERENCES),
    )


def _parse_hint(hint: Any) -> PlacedHint:
    """Returns one hint, or raises UserError with what is expected."""
    if isinstance(hint, dict) and set(hint) == {"row", "column", "rgb"}:
        row, column, rgb = hint["row"], hint["column"], str(hint["rgb"]).lower()
        if type(row) is int and type(column) is int and _COLOR.fullmatch(rgb):
            return PlacedHint(row, column, rgb)
    raise UserError(
        f'a color hint {hint!r:.80}: expected {{"row": 9, "column": 7, "rgb": "#c81e28"}}'
    )


def _choice(value: dict[str, Any], name: str, accepted: tuple[str, ...]) -> str:
    """Returns one of the accepted words, by default the first."""
    word = value.get(name, accepted[0])
    if word not in accepted:
        raise UserError(f"{name} {word!r:.40}: expected one of {', '.join(accepted)}")
    return word


def _number(value: dict[str, Any], name: str, maximum: float, is_whole: bool = False) -> float:
    """Returns a number from 0 to a maximum, by default 0."""
    number = value.get(name, 0)
    accepted = (int,) if is_whole else (int, float)
    if type(number) not in accepted or not (math.isfinite(number) and 0 <= number <= maximum):
        raise UserError(f"{name} {number!r:.40}: expected a number from 0 to {maximum:g}")
    return number
