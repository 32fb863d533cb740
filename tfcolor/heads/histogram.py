"""Histograms predicted from hypercolumns."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import ALIGNMENTS, Scalar, Tap
from tfcolor.layers.convolved_map import ConvolvedMap
from tfcolor.layers.dropout import StatelessDropout
from tfcolor.layers.hypercolumn import HypercolumnProjection
from tfcolor.ops.pass_through import PassThroughColumns


class HistogramHead(tf.keras.Model):
    """Predicts the logits of several histograms at locations or on a grid.

    A linear layer on the hypercolumn, ReLU, dropout, and one linear layer per
    histogram whose logits are float32 under every precision policy.

    Args:
      taps: the taps to read by name; only their channels are used, so they may
        be those of any image size.
      outputs: number of bins of each histogram by name.
      hidden_units: size of the hidden layer.
      dropout_rate: probability of dropping a hidden feature in training.
      convolves: whether the hidden layer is two convolutions on the last tap
        (`ConvolvedMap`) instead of one linear layer on the hypercolumn.
      seed: every initial kernel and every dropout mask derives from it.

    Raises:
      ValueError: if there is no output.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016, section 3.
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 3 (convolutions).
    """

    def __init__(
        self,
        taps: Mapping[str, Tap],
        outputs: Mapping[str, int],
        hidden_units: int = 1024,
        dropout_rate: float = 0.5,
        *,
        convolves: bool = False,
        seed: int,
    ) -> None:
        super().__init__(name="histogram_head", autocast=False)
        if not outputs:
            raise ValueError("got no outputs; a histogram head needs at least one")
        hidden_seed = derive_seed(seed, "histogram_head/hidden/kernel")
        self.hidden: HypercolumnProjection | ConvolvedMap
        if convolves:
            last = list(taps.values())[-1]
            self.hidden = ConvolvedMap(last, hidden_units, hidden_seed, name="hidden")
        else:
            channels = {name: tap.channels for name, tap in taps.items()}
            self.hidden = HypercolumnProjection(channels, hidden_units, hidden_seed, name="hidden")
        self.dropout = StatelessDropout(
            dropout_rate, derive_seed(seed, "histogram_head/hidden/dropout"), name="hidden_dropout"
        )
        self.histograms = {
            name: _logits_layer(name, num_bins, hidden_units, seed)
            for name, num_bins in outputs.items()
        }

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
        sampler: PassThroughColumns | None = None,
    ) -> dict[str, tf.Tensor]:
        """Predicts logits at sparse locations.

        Args:
          features: float [B, H, W, C] maps by tap name.
          inputs: `locations`, float32 [B, L, 2], (row, column) in input pixels;
            and in training `seed`, int64 [B, 2].
          taps: geometry of each map.
          training: whether dropout is on.
          sampler: what `build_sampler` gave, after `features` passed through.

        Returns:
          `NAME_logits`, float32 [B, L, K], for every histogram.
        """
        hidden = tf.nn.relu(self.hidden.sparse(features, inputs["locations"], taps, sampler))
        hidden = self.dropout(hidden, seeds=inputs.get("seed"), training=training)
        return self.logits(hidden)

    def build_sampler(
        self,
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        image_size: tuple[Scalar, Scalar],
    ) -> PassThroughColumns | None:
        """Builds what the feature maps of a training step may pass through.

        Args:
          inputs: `locations`, float32 [B, L, 2], (row, column) in input pixels.
          taps: geometry of each map.
          image_size: (height, width) of the image in pixels: ints or scalar
            int32 tensors.

        Returns:
          A visitor of the backbone's activations, or None where the maps are to
          be sampled afterwards.
        """
        return self.hidden.build_sampler(inputs["locations"], taps, image_size)

    def dense(
        self,
        features: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        image_size: tuple[Scalar, Scalar],
        *,
        grid_stride: int = 4,
        alignment: str = "centered",
    ) -> tuple[dict[str, tf.Tensor], Tap]:
        """Predicts logits on a regular grid over the image, without dropout.

        Args:
          features: float [B, H, W, C] maps by tap name.
          taps: geometry of each map.
          image_size: (height, width) of the image in pixels: ints or scalar
            int32 tensors.
          grid_stride: pixels per grid cell.
          alignment: "centered" puts a grid cell on the center of the pixels it
            stands for, "zero" on the first of them.

        Returns:
          (logits, grid): `NAME_logits`, float32 [B, h, w, K], for every
          histogram, with h = ceil(height / grid_stride); and the grid's
          geometry.

        Raises:
          ValueError: if `alignment` is neither "centered" nor "zero".
        """
        hidden, grid = self.dense_hidden(
            features, taps, image_size, grid_stride=grid_stride, alignment=alignment
        )
        return self.logits(hidden), grid

    def dense_hidden(
        self,
        features: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        image_size: tuple[Scalar, Scalar],
        *,
        grid_stride: int = 4,
        alignment: str = "centered",
    ) -> tuple[tf.Tensor, Tap]:
        """Returns the hidden layer on a regular grid over the image.

        Args:
          features: float [B, H, W, C] maps by tap name.
          taps: geometry of each map.
          image_size: (height, width) of the image in pixels: ints or scalar
            int32 tensors.
          grid_stride: pixels per grid cell.
          alignment: "centered" or "zero"; see `dense`.

        Returns:
          (hidden, grid): float [B, h, w, D] of the layer's compute dtype, not
          negative, from which `logits` follows; and the grid's geometry.

        Raises:
          ValueError: if `alignment` is neither "centered" nor "zero".
        """
        if alignment not in ALIGNMENTS:
            raise ValueError(f"alignment={alignment!r}; expected one of {', '.join(ALIGNMENTS)}")
        offset = (grid_stride - 1) / 2 if alignment == "centered" else 0.0
        grid = Tap("grid", grid_stride, offset)
        # Rounded up. Not by negation: ONNX rounds quotients toward zero.
        height, width = ((size + grid_stride - 1) // grid_stride for size in image_size)
        return tf.nn.relu(self.hidden.dense(features, taps, grid, (height, width))), grid

    def logits(self, hidden: tf.Tensor) -> dict[str, tf.Tensor]:
        """Applies the output layers to hidden features.

        Args:
          hidden: float [..., D], after the activation.

        Returns:
          `NAME_logits`, float32 [..., K], for every histogram.
        """
        return {f"{name}_logits": layer(hidden) for name, layer in self.histograms.items()}


def _logits_layer(name: str, num_bins: int, units: int, seed: int) -> tf.keras.layers.Dense:
    """Builds the float32 linear layer of one histogram."""
    kernel_seed = derive_seed(seed, f"histogram_head/{name}/kernel")
    initializer = tf.keras.initializers.HeNormal(kernel_seed)
    layer = tf.keras.layers.Dense(
        num_bins, kernel_initializer=initializer, dtype="float32", name=name
    )
    layer.build([None, units])
    return layer
