"""Codes of patches, or an answer about a pair, through residual units."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.layers.batch_norm import TrainableBatchNorm
from tfcolor.layers.bottleneck import BottleneckUnit

NAME = "residual_patch_head"
UNIT_STRIDE, NUM_PAIR_UNITS = 2, 3


@dataclasses.dataclass(frozen=True)
class ResidualShape:
    """How wide residual units above the backbone are.

    Args:
      channels: outputs of the two units that code a patch.
      width: of their bottlenecks.
      pair_width: of the bottlenecks of the three units that answer about a pair.
    """

    channels: tuple[int, ...] = (1024, 512)
    width: int = 128
    pair_width: int = 512


class ResidualPatchHead(tf.keras.Model):
    """Codes each patch by residual units, and may answer about pairs of them.

    Two units of stride 2 on the backbone's last map, flattened, are the code: 4608
    numbers of a patch of 96 pixels at stride 8. About a pair a linear layer, as
    wide as one code, three fully connected residual units and a linear layer
    answer. The paper has these units as wide as one code too, and does not say how
    two codes become that narrow, nor what is done to their raw sum: batch norm and
    ReLU, as ResNet-v2 ends. Without, each step of RMSProp moves the answers by the
    size of the sum, and so much that nothing else is learned.

    Args:
      taps: of the backbone; the last one is read.
      patch_size: side of the patches, pixels.
      shape: widths.
      num_labels: K of the answer about a pair; 0 for the codes themselves.
      kernel_deviation: of the initial kernel of the answer, so that it starts at
        guessing although what it reads are raw sums; 0 for that of Glorot.
      seed: every initial kernel derives from it.

    Attributes:
      code_size: D, numbers of a code.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 3 (relative position, exemplar).
    """

    normalizes_input = True

    def __init__(
        self,
        taps: Mapping[str, Tap],
        patch_size: int,
        shape: ResidualShape,
        num_labels: int = 0,
        *,
        kernel_deviation: float = 0.0,
        seed: int,
    ) -> None:
        super().__init__(name=NAME, autocast=False)
        last = list(taps.values())[-1]
        side, channels = -(-patch_size // last.stride), last.channels
        self.units = []
        for number, size in enumerate(shape.channels, 1):
            unit_seed = derive_seed(seed, f"{NAME}/unit{number}")
            self.units.append(
                BottleneckUnit(
                    channels,
                    size,
                    shape.width,
                    stride=UNIT_STRIDE,
                    seed=unit_seed,
                    name=f"unit{number}",
                )
            )
            side, channels = -(-side // UNIT_STRIDE), size
        self.code_size = side * side * channels
        self.pair_units: list[BottleneckUnit] = []
        self.join = self.labels = None
        self.norm: TrainableBatchNorm | None = None
        if num_labels:
            self._build_pair_layers(shape.pair_width, num_labels, kernel_deviation, seed)

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Codes patches and answers.

        Args:
          features: `top`, float [B * T, h, w, C].
          inputs: `image`, float32 [B, T, S, S, C]; T is 2 for answers.
          taps: not read.
          training: whether batch norm uses the statistics of the batch.

        Returns:
          `logits`, float32 [B, K], or `embeddings`, float32 [B, T, D].
        """
        del taps
        current = features["top"]
        for unit in self.units:
            current = unit(current, training=training)
        num_patches = inputs["image"].shape[1]
        codes = tf.cast(tf.reshape(current, [-1, num_patches, self.code_size]), tf.float32)
        if self.join is None or self.norm is None or self.labels is None:
            return {"embeddings": codes}
        pairs = self.join(tf.reshape(codes, [-1, num_patches * self.code_size]))
        current = pairs[:, tf.newaxis, tf.newaxis]
        for unit in self.pair_units:
            current = unit(current, training=training)
        answers = tf.nn.relu(self.norm(current[:, 0, 0], training=training))
        return {"logits": self.labels(answers)}

    def _build_pair_layers(
        self, width: int, num_labels: int, kernel_deviation: float, seed: int
    ) -> None:
        """Creates what answers about two codes."""
        size = self.code_size
        self.join = _dense("join", 2 * size, size, seed)
        for number in range(1, NUM_PAIR_UNITS + 1):
            name = f"pair_unit{number}"
            unit_seed = derive_seed(seed, f"{NAME}/{name}")
            unit = BottleneckUnit(size, size, width, kernel=1, seed=unit_seed, name=name)
            self.pair_units.append(unit)
        norm = TrainableBatchNorm(synchronize=True, use_ramp=True, name="norm")
        norm.build([None, size])
        self.norm = norm
        self.labels = _dense("labels", size, num_labels, seed, kernel_deviation)


def _dense(
    name: str, in_size: int, size: int, seed: int, deviation: float = 0.0
) -> tf.keras.layers.Dense:
    """Returns a linear layer with its variables, of Glorot's deviation for 0."""
    own = derive_seed(seed, f"{NAME}/{name}/kernel")
    initializer = tf.keras.initializers.GlorotUniform(own)
    if deviation:
        initializer = tf.keras.initializers.RandomNormal(stddev=deviation, seed=own)
    layer = tf.keras.layers.Dense(size, kernel_initializer=initializer, dtype="float32", name=name)
    layer.build([None, in_size])
    return layer
