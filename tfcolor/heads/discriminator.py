"""A network that tells real images from made ones, and trains in the step of their maker."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.heads.generator import num_halvings, stage_channels
from tfcolor.layers.batch_norm import ParameterFreeBatchNorm, collected_statistics

SLOPE = 0.2
"""Of a rectifier for negative values."""

LAST_GAIN = 0.1
"""Deviation of the last kernel relative to He et al.: at first nothing is judged."""

REAL, FAKE = "real", "fake"
"""The kinds of things, each with batch statistics of its own."""

Things = tuple[tf.Tensor, ...]
"""Images, float32 [B, S, S, C]; and codes, float32 [B, Z], where they are judged too."""


class DiscriminatorStage(tf.keras.layers.Layer):
    """A 4x4 convolution of stride 2, or a linear layer, whose variables can be held fixed.

    Args:
      shape: of the kernel, [4, 4, C, D] or [C, D].
      normalizes: whether the output is normalized before the bias is added, by
        the statistics of things of the same kind.
      gain: deviation of the initial kernel, relative to that of He et al.
      rate: of learning, relative to that of other layers.
      seed: of the initial kernel.
      name: name of the layer.

    Attributes:
      rate_multiplier: the rate, for the update.
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        normalizes: bool = False,
        gain: float = 1.0,
        rate: float = 1.0,
        seed: int,
        name: str,
    ) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        initializer = tf.keras.initializers.VarianceScaling(
            2 * gain**2, "fan_in", "truncated_normal", seed
        )
        self.rate_multiplier = rate
        self.kernel = self.add_weight("kernel", shape, initializer=initializer)
        self.bias = self.add_weight("bias", shape[-1:], initializer="zeros")
        self.batch_norms = {
            kind: ParameterFreeBatchNorm(name=f"{kind}_batch_norm")
            for kind in ((REAL, FAKE) if normalizes else ())
        }
        for norm in self.batch_norms.values():
            norm.build([None, shape[-1]])

    def call(
        self, features: tf.Tensor, kind: str, *, training: bool = False, is_fixed: bool = False
    ) -> tf.Tensor:
        """Maps features, linearly but for the normalization.

        Args:
          features: float32 [B, h, w, C] or [B, C].
          kind: "real" or "fake".
          training: whether batch statistics are on.
          is_fixed: whether no gradient goes into the variables.

        Returns:
          float32 [B, h / 2, w / 2, D] or [B, D], sides rounded up.
        """
        kernel, bias = map(tf.convert_to_tensor, (self.kernel, self.bias))
        if is_fixed:
            kernel, bias = tf.stop_gradient(kernel), tf.stop_gradient(bias)
        if features.shape.rank == 4:
            features = tf.nn.conv2d(features, kernel, 2, "SAME")
        else:
            features = tf.matmul(features, kernel)
        if kind in self.batch_norms:
            features = self.batch_norms[kind](features, training=training)
        return features + bias


class Discriminator(tf.keras.layers.Layer):
    """Judges images, or pairs of an image and a code, by one logit each.

    Adversaries train in one step of one update: what is to improve the
    discriminator and what is to improve the makers of images are two outputs,
    equal as numbers, and gradients of either stay on their side.

    Args:
      image_channels: 1 for gray, 3 for RGB.
      channels: of the first stage; each later one has twice as many, up to eight
        times.
      side: S of the images, pixels.
      code_size: Z; 0 where only images are judged.
      num_units: of the layer that sees image and code together.
      rate: of learning, relative to that of other networks.
      seed: every initial kernel derives from it.

    References:
      Radford, Metz, Chintala. Unsupervised Representation Learning with Deep
      Convolutional Generative Adversarial Networks. ICLR 2016.
    """

    def __init__(
        self,
        image_channels: int,
        channels: int,
        *,
        side: int,
        code_size: int = 0,
        num_units: int = 0,
        rate: float = 1.0,
        seed: int,
    ) -> None:
        super().__init__(name="discriminator", dtype="float32", autocast=False)

        def build(name: str, *shape: int, **options: Any) -> DiscriminatorStage:
            kernel_seed = derive_seed(seed, f"discriminator/{name}/kernel")
            return DiscriminatorStage(shape, rate=rate, seed=kernel_seed, name=name, **options)

        widths = [stage_channels(channels, index) for index in range(num_halvings(side))]
        self.stages = []
        for index, pair in enumerate(itertools.pairwise([image_channels, *widths])):
            self.stages.append(build(f"map_{index}", 4, 4, *pair, normalizes=index > 0))
            side = -(-side // 2)
        size = side**2 * widths[-1]
        self.joining = {}
        if code_size:
            self.joining = {
                name: build(name, each, num_units)
                for name, each in (("image", size), ("code", code_size))
            }
            size = num_units
        self.opinion = build("opinion", size, 1, gain=LAST_GAIN)

    def call(
        self, things: Things, kind: str, *, training: bool = False, is_fixed: bool = False
    ) -> tf.Tensor:
        """Judges images or pairs.

        Args:
          things: images in [0, 1], with codes if these are judged.
          kind: "real" or "fake"; says only whose batch statistics are meant.
          training: whether batch statistics are on.
          is_fixed: whether no gradient goes into the variables.

        Returns:
          float32 [B], logits of being real.
        """
        images, *codes = things
        features = 2 * images - 1
        for stage in self.stages:
            features = stage(features, kind, training=training, is_fixed=is_fixed)
            features = tf.nn.leaky_relu(features, SLOPE)
        features = tf.reshape(features, [-1, tf.math.reduce_prod(features.shape[1:])])
        if self.joining:
            features = self.joining["image"](features, kind, is_fixed=is_fixed)
            features += self.joining["code"](codes[0], kind, is_fixed=is_fixed)
            features = tf.nn.leaky_relu(features, SLOPE)
        return self.opinion(features, kind, is_fixed=is_fixed)[:, 0]

    def judge(self, real: Things, fake: Things, training: bool = False) -> Mapping[str, tf.Tensor]:
        """Judges real and made things, once for each side.

        Args:
          real: what is to be taken for real.
          fake: what is not.
          training: whether batch statistics are on, which move the moving ones
            once.

        Returns:
          float32 [B] each: `real_logits` and `fake_logits`, whose gradients
          reach only the discriminator; `fixed_real_logits` and
          `fixed_fake_logits`, the same numbers, whose gradients reach only what
          made the things.
        """
        logits = {}
        for kind, things in ((REAL, real), (FAKE, fake)):
            shown = tuple(map(tf.stop_gradient, things))
            logits[f"{kind}_logits"] = self(shown, kind, training=training)
            with collected_statistics():  # and forgotten: the batch has moved them already
                fixed = self(things, kind, training=training, is_fixed=True)
            logits[f"fixed_{kind}_logits"] = fixed
        return logits
