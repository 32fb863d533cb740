"""Digits drawn with OpenCV's fonts, to try things out without a file."""

import cv2
import numpy as np

from tfcolor.core.lookup import lookup
from tfcolor.core.seeds import derive_seed
from tfcolor.data.sources.array import ArraySource
from tfcolor.data.sources.mnist import CLASS_NAMES

NUM_DIGITS = 1000
"""Images of each split, as many of each class."""

MAX_ANGLES = {"digits": 12.0, "digits_rot": 180.0}
"""How far a digit is turned to either side, degrees, in each collection."""

_SPLITS = ("train", "test")
_SIDE = 28
_CANVAS = 4 * _SIDE
_FONT_SCALE = 2.6
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)


def open_digits(selection: str) -> ArraySource:
    """Draws one split of a collection of digits, the same in every call.

    Args:
      selection: "digits" for upright digits, "digits_rot" for digits turned by
        any angle; with ":train", which is meant without, or ":test" after it.

    Returns:
      1000 images, uint8 [N, 28, 28, 1], bright on dark; the classes take turns.

    Raises:
      UsageError: if the selection is unknown.
    """
    collection, _, split = selection.partition(":")
    max_angle = lookup(MAX_ANGLES, collection, "builtin collection")
    split = split or _SPLITS[0]
    lookup(dict.fromkeys(_SPLITS), split, f"split of builtin:{collection}")
    labels = np.arange(NUM_DIGITS) % len(CLASS_NAMES)
    generator = np.random.default_rng(derive_seed(0, f"{collection}/{split}"))
    images = np.stack([draw_digit(int(label), max_angle, generator) for label in labels])
    names = [f"builtin:{collection}/{split}/{index:05d}" for index in range(NUM_DIGITS)]
    return ArraySource(images, names, labels, CLASS_NAMES)


def draw_digit(digit: int, max_angle: float, generator: np.random.Generator) -> np.ndarray:
    """Draws one digit with a random font, width, size, place, slant and angle.

    Args:
      digit: in [0, 10).
      max_angle: to either side, degrees; digits that may be upside down are not
        slanted.
      generator: chooses.

    Returns:
      uint8 [28, 28, 1].
    """
    font = _FONTS[generator.integers(len(_FONTS))]
    thickness = int(generator.integers(4, 9))
    text, center = str(digit), (_CANVAS - 1) / 2
    (width, height), _ = cv2.getTextSize(text, font, _FONT_SCALE, thickness)
    corner = (round(center - width / 2), round(center + height / 2))
    canvas = np.zeros([_CANVAS, _CANVAS], np.uint8)
    cv2.putText(canvas, text, corner, font, _FONT_SCALE, (255,), thickness, cv2.LINE_AA)
    angle = np.deg2rad(generator.uniform(-max_angle, max_angle))
    slant = generator.uniform(-0.2, 0.2) if max_angle < 90 else 0.0
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    linear = generator.uniform(0.85, 1.1) * turn @ np.array([[1, slant], [0, 1]])
    shift = center - linear @ [center, center] + generator.uniform(-4, 4, 2)
    matrix = np.column_stack([linear, shift])
    warped = cv2.warpAffine(canvas, matrix, (_CANVAS, _CANVAS), flags=cv2.INTER_LINEAR)
    return cv2.resize(warped, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)[..., np.newaxis]
