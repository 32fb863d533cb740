"""Color hints: points of a photograph whose color the user knows.

A hint gives hue and saturation; the lightness stays that of the photograph.
`hint_field` says how hints spread.
"""

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.color.outputs.base import OutputSpace
from tfcolor.color.transfer import apply_bias
from tfcolor.core.errors import UserError
from tfcolor.core.taps import Tap
from tfcolor.data.images import read_photograph
from tfcolor.inference.hint_field import HintOptions, pinned_bias, spread
from tfcolor.inference.loading import GrayToColor

OPAQUE = 0.5
"""Opacity from which on a pixel of a hint image is a hint."""

_EXPECTED = '{"row": 120, "column": 80, "rgb": [200, 30, 40]} or with "rgb": "#c81e28"'


@dataclasses.dataclass(frozen=True, eq=False)
class Hints:
    """Pixels of one photograph and their colors.

    Args:
      name: the file they come from.
      pixels: int [P, 2], (row, column) from the top left of the upright
        photograph.
      rgb: float32 [P, 3], in [0, 1].
      size: (height, width) of the photograph that they belong to, in pixels, or
        None where the file does not say.
    """

    name: str
    pixels: np.ndarray
    rgb: np.ndarray
    size: tuple[int, int] | None = None

    def check(self, name: str, size: tuple[int, int]) -> None:
        """Makes sure that the hints fit a photograph.

        Args:
          name: the photograph, for messages.
          size: its (height, width) in pixels.

        Raises:
          UserError: if it has another size than the hint image, or a hint lies
            outside.
        """
        photograph = f"{name} of {size[1]}x{size[0]} pixels"
        if self.size not in (None, size):
            height, width = self.size or size
            raise UserError(f"{self.name}: {width}x{height} pixels do not fit {photograph}")
        for row, column in self.pixels:
            if not (0 <= row < size[0] and 0 <= column < size[1]):
                raise UserError(
                    f"{self.name}: row {row}, column {column} lies outside of {photograph}"
                )


def read_hints(path: str | os.PathLike[str]) -> Hints:
    """Reads hints from a JSON file.

    Args:
      path: a list of points, each with `row` and `column` in pixels of the
        upright photograph and `rgb`, three numbers from 0 to 255 or "#rrggbb".

    Returns:
      The hints.

    Raises:
      UserError: if the file cannot be read or is no such list.
    """
    try:
        with open(path, encoding="utf-8") as file:
            points = json.load(file)
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})") from error
    if not isinstance(points, list) or not points:
        raise UserError(f"{path}: expected a list of hints, each {_EXPECTED}")
    parsed = [
        _parse_point(point, f"{path}: hint {1 + index}") for index, point in enumerate(points)
    ]
    pixels = np.array([pixel for pixel, _ in parsed])
    return Hints(str(path), pixels, np.array([rgb for _, rgb in parsed], np.float32))


def read_hint_image(path: str | os.PathLike[str]) -> Hints:
    """Reads hints from an image that is transparent where there is none.

    Args:
      path: an image of the photograph's size; pixels of at least half opacity
        are hints.

    Returns:
      The hints, with the image's size.

    Raises:
      UserError: if it cannot be read, has no transparency or no opaque pixel.
    """
    image = read_photograph(path)
    if image.alpha is None:
        raise UserError(f"{path}: no transparency; expected an image that is opaque at hints only")
    is_hint = image.alpha >= OPAQUE
    if not is_hint.any():
        raise UserError(f"{path}: no opaque pixel; expected one at least, which is a hint")
    height, width = is_hint.shape
    return Hints(str(path), np.argwhere(is_hint), image.rgb[is_hint], (height, width))


def require_spreading(space: OutputSpace) -> None:
    """Raises UserError unless hints can spread over what a network predicts.

    Args:
      space: what it predicts.

    Raises:
      UserError: if it has no histograms.
    """
    if not space.histograms:
        raise UserError(
            f"color hints need histograms, and the network predicts {space.name}, which has none"
        )


def hinted_histograms(
    colorizer: GrayToColor, gray: tf.Tensor, hints: Hints, options: HintOptions
) -> dict[str, tf.Tensor]:
    """Predicts the histograms of a photograph and lets hints spread over them.

    Args:
      colorizer: a network, an export or a server.
      gray: float32 [1, H, W, 1], lightness in [0, 1].
      hints: pixels of this photograph.
      options: how far they spread.

    Returns:
      float32 [1, h, w, K] by name: what its `histograms` gives, but of the
      hints' colors at the hints.
    """
    painter = colorizer.painter
    small = painter.shrink(gray)
    predictions, features = colorizer.describe(small)
    height, width = (int(size) for size in features.shape[1:3])
    lightness = tf.image.resize(small, (height, width), antialias=True)
    scale = np.array(small.shape[1:3]) / np.array(gray.shape[1:3])
    cells = _to_cells(hints.pixels, scale, painter.grid, (height, width))
    probs = {
        name: predictions[name].numpy().reshape(height * width, -1)
        for name in painter.space.histograms
    }
    places, colors = color_histograms(painter.space, cells, hints.rgb)
    biases = [pinned_bias(probs[name][places], colors[name]) for name in probs]
    field = spread(
        features[0].numpy(),
        lightness[0, ..., 0].numpy(),
        places,
        np.concatenate(biases, axis=-1),
        options,
    )
    return {**predictions, **_biased(probs, field)}


def color_histograms(
    space: OutputSpace, cells: np.ndarray, rgb: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns where the colors of hints lie in the histograms of their cells.

    Args:
      space: whose histograms are meant.
      cells: int [P], the cell of each hint.
      rgb: float32 [P, 3], its color, in [0, 1].

    Returns:
      (places, colors): the different cells, int [Q], and float64 [Q, K] by name,
      the mean over a cell's hints, which sums to 1, or is 0 where no hint has a
      true bin: gray has no hue.
    """
    places, index = np.unique(cells, return_inverse=True)
    labels, weights = space.labels(tf.constant(rgb)), space.label_weights(tf.constant(rgb))
    colors = {}
    for name, num_bins in space.histograms.items():
        mass = np.zeros((len(places), num_bins))
        np.add.at(mass, (index, labels[name].numpy()), weights[name].numpy())
        total = mass.sum(axis=-1, keepdims=True)
        colors[name] = mass / np.where(total > 0, total, 1)
    return places, colors


def _to_cells(
    pixels: np.ndarray, scale: np.ndarray, grid: Tap, size: tuple[int, int]
) -> np.ndarray:
    """Returns the nearest cell, `width * row + column`, of int [P, 2] pixels."""
    seen = (pixels + 0.5) * scale - 0.5
    nearest = np.rint((seen - np.array(grid.offset)) / grid.stride).astype(int)
    rows, columns = np.clip(nearest, 0, np.array(size) - 1).T
    return size[1] * rows + columns


def _biased(probs: Mapping[str, np.ndarray], field: np.ndarray) -> dict[str, tf.Tensor]:
    """Returns float32 [1, h, w, K] by name, of [h w, K] and biases [h, w, sum of K]."""
    height, width = field.shape[:2]
    ends = np.cumsum([values.shape[-1] for values in probs.values()])
    parts = np.split(field, ends[:-1], axis=-1)
    return {
        name: tf.constant(apply_bias(values.reshape(1, height, width, -1), part), tf.float32)
        for (name, values), part in zip(probs.items(), parts, strict=True)
    }


def _parse_point(point: Any, name: str) -> tuple[tuple[int, int], np.ndarray]:
    """Returns (row, column) and RGB in [0, 1], float [3], of one hint of a file."""
    try:
        pixel = point["row"], point["column"]
        color = point["rgb"]
    except (TypeError, KeyError) as error:
        raise UserError(f"{name} is {json.dumps(point)}: expected {_EXPECTED}") from error
    if not all(type(value) is int for value in pixel):
        raise UserError(f"{name} lies at {list(pixel)}: expected whole numbers, in pixels")
    if isinstance(color, str) and re.fullmatch("#[0-9a-fA-F]{6}", color):
        color = list(bytes.fromhex(color[1:]))
    is_color = isinstance(color, list) and len(color) == 3
    if not is_color or not all(type(v) in (int, float) and 0 <= v <= 255 for v in color):
        raise UserError(
            f"{name} has the rgb {json.dumps(color)}: expected three numbers from 0 to 255"
            ' or "#rrggbb"'
        )
    return (pixel[0], pixel[1]), np.array(color) / 255
