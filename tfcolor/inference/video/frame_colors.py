"""What a network predicts for the frames of a film, and pictures painted with it."""

import functools
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.lightness import fit_gamut, quantize_rgb
from tfcolor.core.errors import UsageError
from tfcolor.inference.histogram_transfer import energy_bias, require_histograms
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.painting import Painter, network_size
from tfcolor.inference.variations import Wishes
from tfcolor.inference.video.links import Cells
from tfcolor.inference.video.reading import Film, Frame


def check_wishes(wishes: Wishes, colorizer: GrayToColor) -> None:
    """Makes sure that a wish for photographs makes sense for a video.

    Args:
      wishes: what is asked for.
      colorizer: a network or a SavedModel.

    Raises:
      UsageError: if it does not.
    """
    if len(wishes.decodings) > 1:
        raise UsageError(f"--num_samples={len(wishes.decodings)}: a video is colored once")
    if wishes.hints is not None:
        raise UsageError("hints are for one photograph, not for a video")
    if wishes.reference_rgb is not None:
        raise UsageError("--transfer=quantile would flicker in a video: use --transfer=energy")
    if wishes.blend.layer != "full":
        raise UsageError(f"--layer={wishes.blend.layer} is for photographs, not for a video")
    if wishes.targets is not None:
        require_histograms(colorizer.painter.space)


class FrameColors:
    """Predicts and paints the frames of one film.

    Args:
      colorizer: a network or a SavedModel.
      film: what is colored. The network sees it with square pixels.
      wishes: decoding, favored colors and their strength.
      is_exact: whether pictures are whole numbers that keep the lightness.
    """

    def __init__(
        self, colorizer: GrayToColor, film: Film, wishes: Wishes, *, is_exact: bool = False
    ) -> None:
        self._colorizer, self._film, self._wishes = colorizer, film, wishes
        self._painter, self._is_exact = colorizer.painter, is_exact
        (self._decoding,) = wishes.decodings
        height, width = film.size
        aspect = film.pixel_aspect
        square = (height, round(width * aspect)) if aspect >= 1 else (round(height / aspect), width)
        seen = network_size(tf.constant(square), self._painter.size)
        self._seen = int(seen[0]), int(seen[1])
        self._bias: dict[str, np.ndarray] | None = None
        self._decode = _decode_function(self._painter, self._decoding, square)
        self._lay = _lay_function(self._painter, wishes.blend.strength)

    @property
    def bias(self) -> Mapping[str, np.ndarray]:
        """Returns biases float64 [K] by name towards wished histograms, in the present shot."""
        return self._bias or {}

    @bias.setter
    def bias(self, bias: Mapping[str, np.ndarray]) -> None:
        """Goes on with a shot whose biases are known, float64 [K] by name."""
        self._bias = dict(bias) or None

    def cells(self, prediction: np.ndarray) -> Cells:
        """Returns the grid of a prediction, float32 [h, w, K]."""
        rows, columns = prediction.shape[:2]
        return Cells((rows, columns), self._painter.grid, self._seen)

    def predict(self, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        """Lets the network look at a frame.

        Args:
          frame: of the film.

        Returns:
          (seen, prediction): float32 [h', w'] in [0, 1], what the network saw; and
          float32 [h, w, K], its histograms side by side.
        """
        gray = tf.constant(frame.gray())
        if self._film.pixel_aspect == 1:
            seen = self._painter.shrink(gray)
        else:
            seen = tf.clip_by_value(tf.image.resize(gray, self._seen, antialias=True), 0.0, 1.0)
        outputs = self._colorizer.histograms(seen)
        parts = [outputs[output.name][0] for output in self._painter.space.outputs]
        return seen[0, ..., 0].numpy(), tf.concat(parts, axis=-1).numpy()

    def paint(
        self, frame: Frame, prediction: np.ndarray, *, begins_shot: bool
    ) -> tuple[np.ndarray, float]:
        """Colors a frame.

        Args:
          frame: of the film.
          prediction: float32 [h, w, K], histograms side by side.
          begins_shot: whether biases towards wished histograms are found anew.

        Returns:
          (rgb, doubt): float32 [H, W, 3] in [0, 1], whose mean over the channels is
          the lightness, or the nearest uint8 or uint16 of the film's depth; and the
          mean uncertainty in [0, 1].
        """
        space, wishes = self._painter.space, self._wishes
        sizes = [output.size for output in space.outputs]
        parts = tf.split(tf.constant(prediction[None]), sizes, axis=-1)
        predictions = {output.name: part for output, part in zip(space.outputs, parts, strict=True)}
        if wishes.targets is not None and (begins_shot or self._bias is None):
            self._bias = energy_bias(predictions, wishes.targets, wishes.target_weight)
        maps = self._decode(space.posteriors(predictions, self._decoding, self._bias))
        coordinates = tf.image.resize(maps[..., :-1], self._film.size, antialias=True)
        rgb = self._lay(tf.constant(frame.gray()), coordinates)[0]
        if self._is_exact:
            rgb = quantize_rgb(rgb, 8 if self._film.bits == 8 else 16)
        return rgb.numpy(), float(np.clip(maps[..., -1], 0, 1).mean())


@functools.lru_cache(maxsize=8)
def _decode_function(
    painter: Painter, decoding: DecodingOptions, size: tuple[int, int]
) -> Callable[[Mapping[str, tf.Tensor]], tf.Tensor]:
    """Returns what decodes histograms [1, h, w, K] to maps [1, h', w', C + 1]."""

    def decode(posteriors: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return painter.decode(posteriors, decoding, tf.constant(size))

    return tf.function(decode, autograph=False)


@functools.lru_cache(maxsize=8)
def _lay_function(painter: Painter, strength: float) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Returns what lays maps [1, H, W, C] over a lightness [1, H, W, 1]: RGB [1, H, W, 3].

    Compiled, it takes a tenth of the time: it is all arithmetic on pixels.
    """

    def lay(gray: tf.Tensor, coordinates: tf.Tensor) -> tf.Tensor:
        rgb = fit_gamut(gray, painter.space.to_difference(coordinates, gray))
        return rgb if strength == 1 else fit_gamut(gray, strength * (rgb - gray))

    return tf.function(lay, autograph=False, jit_compile=True)
