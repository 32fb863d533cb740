"""Histograms predicted from the hypercolumns of pairs of locations."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Scalar, Tap
from tfcolor.layers.dropout import StatelessDropout
from tfcolor.layers.hypercolumn import HypercolumnProjection
from tfcolor.ops.pass_through import PassThroughColumns


class PairHistogramHead(tf.keras.Model):
    """Predicts the logits of one histogram for each pair of locations.

    A linear layer on the hypercolumn, ReLU and dropout, the same for both; then
    a linear layer on the two codes together, float32 under every precision
    policy.

    Args:
      taps: the taps to read by name; only their channels are used.
      num_bins: K of the histogram.
      hidden_units: size of a code.
      dropout_rate: probability of dropping a feature of a code in training.
      seed: every initial kernel and every dropout mask derives from it.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, section 4.3 (relative flow).
    """

    def __init__(
        self,
        taps: Mapping[str, Tap],
        num_bins: int,
        hidden_units: int,
        dropout_rate: float,
        *,
        seed: int,
    ) -> None:
        super().__init__(name="pair_histogram_head", autocast=False)
        seeds = {
            part: derive_seed(seed, f"pair_histogram_head/{part}")
            for part in ("hidden/kernel", "hidden/dropout", "bins/kernel")
        }
        self.hidden = HypercolumnProjection(
            {name: tap.channels for name, tap in taps.items()},
            hidden_units,
            seeds["hidden/kernel"],
            name="hidden",
        )
        self.dropout = StatelessDropout(dropout_rate, seeds["hidden/dropout"], name="dropout")
        self.bins = tf.keras.layers.Dense(
            num_bins,
            kernel_initializer=tf.keras.initializers.HeNormal(seeds["bins/kernel"]),
            dtype="float32",
            name="bins",
        )
        self.bins.build([None, 2 * hidden_units])

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
        sampler: PassThroughColumns | None = None,
    ) -> dict[str, tf.Tensor]:
        """Predicts logits for pairs of locations.

        Args:
          features: float [B, H, W, C] maps by tap name.
          inputs: `locations`, float32 [B, 2 * P, 2], (row, column) in input
            pixels, the two of a pair one after the other; and in training `seed`,
            int64 [B, 2].
          taps: geometry of each map.
          training: whether dropout is on.
          sampler: what `build_sampler` gave, after `features` passed through.

        Returns:
          `logits`, float32 [B, P, K].
        """
        codes = tf.nn.relu(self.hidden.sparse(features, inputs["locations"], taps, sampler))
        codes = self.dropout(codes, seeds=inputs.get("seed"), training=training)
        num_pairs = inputs["locations"].shape[1] // 2
        return {"logits": self.bins(tf.reshape(codes, [-1, num_pairs, 2 * codes.shape[-1]]))}

    def build_sampler(
        self,
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        image_size: tuple[Scalar, Scalar],
    ) -> PassThroughColumns | None:
        """Builds what the feature maps of a training step may pass through.

        Args:
          inputs: `locations`, float32 [B, 2 * P, 2], (row, column) in input pixels.
          taps: geometry of each map.
          image_size: (height, width) of the image in pixels: ints or scalar
            int32 tensors.

        Returns:
          A visitor of the backbone's activations, or None where the maps are to
          be sampled afterwards.
        """
        return self.hidden.build_sampler(inputs["locations"], taps, image_size)
