"""One photograph with what the network predicts for it, painted again and again.

The network runs once. Hints, versions, reference and decoding start from what it
predicted.
"""

import dataclasses
import io
import threading
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from PIL import Image

from tfcolor.color.decoding import DecodingOptions
from tfcolor.core.errors import UserError
from tfcolor.core.taps import Tap
from tfcolor.data.images import Photograph
from tfcolor.data.raster import narrow
from tfcolor.inference.hint_field import HintOptions
from tfcolor.inference.hints import Hints, hinted_histograms
from tfcolor.inference.histogram_transfer import target_histograms
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.painting import Painter, SizeOptions
from tfcolor.inference.photographs import ColoredPhotograph, gray_batch
from tfcolor.inference.result_files import encode_result
from tfcolor.inference.sheet import uncertainty_picture
from tfcolor.inference.variations import Wishes, color_variations
from tfcolor.web.look import Look, PlacedHint
from tfcolor.web.palette import LikelyColor, likely_colors

PREVIEW_SIDE = 1600
SIZES = ("preview", "thumbnail", "full")
_ANY_SIZE = SizeOptions(min_side=1, max_side=1_000_000)


@dataclasses.dataclass(eq=False)
class Prediction:
    """What a network predicted for one photograph, as a colorizer of only this.

    Args:
      painter: turns predictions into colors.
      decoding: the model's own.
      predictions: float32 [1, h, w, K] by name.
      features: float32 [1, h, w, D], which cells look alike to the network.
    """

    painter: Painter
    decoding: DecodingOptions
    predictions: Mapping[str, tf.Tensor]
    features: tf.Tensor

    def colorize(self, gray: Any) -> dict[str, tf.Tensor]:
        """Colors this photograph, float32 [1, H, W, 1] in [0, 1]."""
        return self.painter.paint(gray, self.predictions, self.decoding)

    def histograms(self, gray: Any) -> dict[str, tf.Tensor]:
        """Returns float32 [1, h, w, K] by name, whatever the size of `gray`."""
        del gray
        return dict(self.predictions)

    def describe(self, gray: Any) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Returns predictions and features, float32 [1, h, w, D]."""
        return self.histograms(gray), self.features


def predict(colorizer: GrayToColor, gray: tf.Tensor) -> Prediction:
    """Lets a network look at a photograph, once.

    Args:
      colorizer: a network, a SavedModel or a server.
      gray: float32 [1, h, w, 1] in [0, 1], at the network's size.

    Returns:
      The prediction.

    Raises:
      UserError: if the model is not the one that it was when it was opened.
    """
    space = colorizer.painter.space
    predictions, features = colorizer.describe(gray)
    sizes = {name: int(values.shape[-1]) for name, values in predictions.items()}
    if sizes != {output.name: output.size for output in space.outputs}:
        raise UserError("the server has changed its model meanwhile: open the photograph again")
    return Prediction(colorizer.painter, colorizer.decoding, predictions, features)


class Easel:
    """A photograph and its prediction; threads may share it.

    Args:
      colorizer: runs once, here.
      photograph: what is colored.
    """

    def __init__(self, colorizer: GrayToColor, photograph: Photograph) -> None:
        self.photograph = photograph
        self._small = colorizer.painter.shrink(tf.constant(gray_batch(photograph)))
        self._prediction = predict(colorizer, self._small)
        side = max(PREVIEW_SIDE, colorizer.painter.size.max_side)
        self._preview = shrink_photograph(photograph, side)
        self._reference: Photograph | None = None
        self._targets: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()
        self._hinted: tuple[tuple[PlacedHint, ...], Prediction] = ((), self._prediction)
        self._painted: tuple[Look, ColoredPhotograph] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Returns (height, width) of the photograph in pixels."""
        height, width = self.photograph.pixels.shape[:2]
        return height, width

    @property
    def has_alternatives(self) -> bool:
        """Whether histograms are predicted: without, there is one color per pixel."""
        return bool(self._prediction.painter.space.histograms)

    def take_reference(self, photograph: Photograph) -> None:
        """Keeps a photograph whose colors may be asked for from now on."""
        targets = {}
        if self.has_alternatives:
            targets = target_histograms(self._prediction.painter, photograph.rgb[None])
        with self._lock:
            self._reference, self._targets, self._painted = photograph, targets, None

    def before(self) -> bytes:
        """Returns the photograph's lightness at the preview's size, as PNG."""
        lightness = gray_batch(self._preview)[0, ..., 0]
        return encode_png(np.round(255 * lightness).astype(np.uint8), self._preview.alpha_pixels)

    def uncertainty(self, look: Look) -> bytes:
        """Returns how unsure each pixel of the preview is, as PNG."""
        painted = self.paint(look, "preview")
        return encode_png(uncertainty_picture(painted.uncertainty.astype(np.float32) / 255))

    def colored(self, look: Look, size: str) -> bytes:
        """Returns the colored photograph as PNG.

        Args:
          look: how.
          size: one of `SIZES`. "full" has the pixels that `tfcolor colorize`
            writes.

        Returns:
          The file.
        """
        painted = self.paint(look, size)
        if size == "full":
            return encode_result(painted, "colored.png")
        return encode_png(narrow(painted.rgb), painted.photograph.alpha_pixels)

    def paint(self, look: Look, size: str) -> ColoredPhotograph:
        """Colors the photograph.

        Args:
          look: how.
          size: one of `SIZES`.

        Returns:
          The colors at that size.

        Raises:
          UserError: if the look asks for what is not there.
        """
        with self._lock:
            if self._painted is not None and (look, size) == (self._painted[0], "preview"):
                return self._painted[1]
            prediction = self._with_hints(look.hints)
            photograph = self.photograph if size == "full" else self._preview
            if size == "thumbnail":
                prediction, photograph = self._halved(prediction)
            wishes = self._wishes(look, size)
            (painted,) = color_variations(prediction, photograph, wishes)
            if size == "preview":
                self._painted = look, painted
        return painted

    def likely_colors(self, row: int, column: int) -> list[LikelyColor]:
        """Returns likely colors of a pixel of the photograph, the likeliest first.

        Args:
          row: of the pixel, from the top.
          column: from the left.

        Returns:
          A few, or none where no histograms are predicted.

        Raises:
          UserError: if the pixel lies outside.
        """
        height, width = self.size
        if not (0 <= row < height and 0 <= column < width):
            raise UserError(f"row {row}, column {column} lies outside of {width}x{height} pixels")
        painter, predictions = self._prediction.painter, self._prediction.predictions
        cells = self._prediction.features.shape[1:3]
        position = [
            int(np.rint(painter.grid.to_cells(tf.constant(pixel, tf.float32), axis, cells[axis])))
            for axis, pixel in enumerate(self._to_small([(row, column)])[0])
        ]
        lightness = float(np.mean(self.photograph.pixels[row, column])) / (
            2**self.photograph.bits - 1
        )
        at_cell = {
            name: np.asarray(values[0])[tuple(position)] for name, values in predictions.items()
        }
        return likely_colors(painter.space, self._prediction.decoding, at_cell, lightness)

    def _with_hints(self, hints: tuple[PlacedHint, ...]) -> Prediction:
        """Returns the prediction with hints spread over it; keeps the last."""
        if not hints:
            return self._prediction
        if self._hinted[0] != hints:
            if not self.has_alternatives:
                raise UserError("this model predicts one color per pixel: hints cannot change it")
            pixels = np.array([(hint.row, hint.column) for hint in hints])
            rgb = np.array([list(bytes.fromhex(hint.rgb[1:])) for hint in hints], np.float32) / 255
            Hints("hints", pixels, rgb).check(self.photograph.name, self.size)
            placed = Hints("hints", self._to_small(pixels), rgb)
            predictions = hinted_histograms(self._prediction, self._small, placed, HintOptions())
            prediction = dataclasses.replace(self._prediction, predictions=predictions)
            self._hinted = hints, prediction
        return self._hinted[1]

    def _wishes(self, look: Look, size: str) -> Wishes:
        """Returns a look without its hints as `colorize` knows it."""
        decodings = (look.decoding(self._prediction.decoding),)
        if look.reference == "none":
            return Wishes(decodings)
        if self._reference is None:
            raise UserError("there is no reference photograph yet: choose one")
        if look.reference == "energy":
            if not self._targets:
                raise UserError("the reference has no colors, or the model no histograms to move")
            return Wishes(decodings, targets=self._targets)
        reference = self._reference
        if size != "full":
            reference = shrink_photograph(reference, PREVIEW_SIDE // 2)
        return Wishes(decodings, reference_rgb=reference.rgb)

    def _halved(self, prediction: Prediction) -> tuple[Prediction, Photograph]:
        """Returns prediction and photograph at half of the network's size."""
        painter = prediction.painter
        # Pixel i of the half lies on pixel 2 i + 1/2 of what the network saw.
        stride = painter.grid.stride // 2
        offset = tuple((value - 0.5) / 2 for value in painter.grid.offset)
        halved = dataclasses.replace(painter, size=_ANY_SIZE, grid=Tap("grid", stride, offset))
        height, width = (stride * int(size) for size in prediction.features.shape[1:3])
        photograph = resize_photograph(self._preview, (height, width))
        return dataclasses.replace(prediction, painter=halved), photograph

    def _to_small(self, pixels: Any) -> np.ndarray:
        """Returns positions [P, 2] in the photograph as pixels that the network sees."""
        scale = np.array(self._small.shape[1:3]) / np.array(self.size)
        return (np.asarray(pixels) + 0.5) * scale - 0.5


def shrink_photograph(photograph: Photograph, max_side: int) -> Photograph:
    """Returns a photograph with a longer side of at most so many pixels."""
    height, width = photograph.pixels.shape[:2]
    scale = max_side / max(height, width)
    if scale >= 1:
        return photograph
    return resize_photograph(photograph, (round(height * scale), round(width * scale)))


def resize_photograph(photograph: Photograph, size: tuple[int, int]) -> Photograph:
    """Returns a photograph of another (height, width), at least one pixel each."""
    to_size = max(size[1], 1), max(size[0], 1)  # OpenCV has the width first
    alpha = photograph.alpha_pixels
    return dataclasses.replace(
        photograph,
        pixels=cv2.resize(photograph.pixels, to_size, interpolation=cv2.INTER_AREA),
        alpha_pixels=alpha if alpha is None else cv2.resize(alpha, to_size),
    )


def encode_png(pixels: np.ndarray, alpha: np.ndarray | None = None) -> bytes:
    """Returns a picture for the screen as a PNG file, quickly.

    Args:
      pixels: uint8 [H, W] or [H, W, 3].
      alpha: uint8 or uint16 [H, W], or None for an opaque picture.

    Returns:
      The file.
    """
    if alpha is not None:
        opacity = alpha if alpha.dtype == np.uint8 else (alpha // 257).astype(np.uint8)
        pixels = np.dstack([pixels, opacity])
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
