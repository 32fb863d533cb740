"""Adversarial feature learning: an encoder that inverts a generator of images."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import Example
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import random_view
from tfcolor.heads.bigan import BiganHead, BiganSizes
from tfcolor.heads.generator import SMALLEST_SIDE
from tfcolor.losses.adversarial import discriminator_loss, judgement_loss
from tfcolor.metrics.judgement import JudgementAccuracy
from tfcolor.tasks.base import Panel, Tensors
from tfcolor.tasks.canonical_view import SquareViewOptions
from tfcolor.tasks.image_task import image_pixels
from tfcolor.tasks.pretext import PretextOptions, PretextTask


@dataclasses.dataclass(frozen=True)
class BiganOptions(PretextOptions, SquareViewOptions):
    """Which images are encoded, and how large codes and networks are."""

    code_size: int = option(200, "numbers of a code", minimum=1)
    code_distribution: str = option(
        "uniform",
        "of each number of a code: uniform from -1 to 1, or standard normal",
        choices=("uniform", "normal"),
    )
    channels: int = option(
        64, "of the maps next to the image, in generator and discriminator", minimum=1
    )
    num_units: int = option(
        512, "of the discriminator's layer that sees image and code together", minimum=1
    )
    discriminator_rate: float = option(
        1.0,
        "learning rate of the discriminator, relative to that of the others, by any optimizer",
        minimum=1e-3,
    )

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "BiganOptions":
        """Fills in the size of the view.

        Args:
          readers: not read.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a crop size of 0.

        Raises:
          UsageError: if the backbone's top is of views of another size, or the
            view is too small to be generated or too large for the photographs.
        """
        del readers
        size = self.patch_side(self.crop_size, canonical_size, "bigan_crop_size")
        if size < 2 * SMALLEST_SIDE:
            raise UsageError(f"--bigan_crop_size={size}: expected at least {2 * SMALLEST_SIDE}")
        return self.with_size(size)


class BiganTask(PretextTask):
    """Learns to encode random views as the codes that would generate them.

    The backbone and a linear layer encode views, a generator makes images of
    random codes, and a discriminator tells views and their codes from codes and
    their images. The encoder learns only from what the discriminator takes its
    pairs for; every step updates all three, each by its own loss.

    The losses do not fall as the networks improve together. The score asks
    whether the generator gives back the view that was encoded rather than
    another one.

    Args:
      options: views, codes and sizes; completed if there are readers.
      readers: where each split's images come from.
      color_input: feeds the gray image copied to three channels, for a
        backbone that is shared with tasks on color images.

    References:
      Donahue, Krahenbuhl, Darrell. Adversarial Feature Learning. ICLR 2017.
    """

    name = "bigan"
    Options = BiganOptions
    score = "matching_accuracy"

    def make_example(self, rgb: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns a view, and a code that has nothing to do with it.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          seed: int64 [2], the example's own; fixes view and code.

        Returns:
          Inputs: `image`, float32 [S, S, C] in [0, 1], and `code`, float32 [Z].
          Targets: the same `image`, which only figures compare with.
        """
        options = self.options
        view_seed, code_seed = (
            tf.random.experimental.stateless_fold_in(seed, number) for number in (1, 2)
        )
        image = self.as_input(random_view(rgb, view_seed, options.training_view))
        if options.code_distribution == "normal":
            code = tf.random.stateless_normal([options.code_size], code_seed)
        else:
            code = tf.random.stateless_uniform([options.code_size], code_seed, -1, 1)
        return {"image": image, "code": code}, {"image": image}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the encoder's last layer, the generator and the discriminator.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with the outputs of `BiganHead`.
        """
        options = self.options
        sizes = BiganSizes(
            options.crop_size,
            self.input_channels,
            options.code_size,
            options.channels,
            options.num_units,
        )
        return BiganHead(taps, sizes, discriminator_rate=options.discriminator_rate, seed=seed)

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns what the discriminator's judgement costs each of the networks.

        Args:
          targets: not read.
          outputs: those of `BiganHead`.

        Returns:
          float32 [B] each, nats: `encoder`, whose pairs should be taken for
          those of the generator; `generator`, whose pairs should be taken for
          those of the encoder; `discriminator`.

        References:
          Donahue, Krahenbuhl, Darrell, 2017, section 3.4.
        """
        del targets
        return {
            "encoder": judgement_loss(outputs["fixed_real_logits"], is_real=False),
            "generator": judgement_loss(outputs["fixed_fake_logits"], is_real=True),
            "discriminator": discriminator_loss(outputs["real_logits"], outputs["fake_logits"]),
        }

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns how far encoder and generator invert each other.

        Args:
          fitted: not read; there is no baseline to fit.

        Returns:
          `matching_accuracy` and `discriminator_accuracy` in [0, 1], with 1/2 by
          chance, and `reconstruction_error`, a mean of squares.
        """
        del fitted
        return {
            "matching_accuracy": MatchingAccuracy(),
            "discriminator_accuracy": JudgementAccuracy(),
            "reconstruction_error": ReconstructionError(),
        }

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns each view, what its code generates, and what a random code does.

        Args:
          inputs: `image`, float32 [B, S, S, C] in [0, 1].
          targets: not read.
          outputs: `reconstruction` and `generated`, float32 [B, S, S, C].

        Returns:
          Three panels for each example.
        """
        del targets
        pictures = {
            "image": inputs["image"],
            "reconstruction": outputs["reconstruction"],
            "sample": outputs["generated"],
        }
        pixels = {caption: image_pixels(some) for caption, some in pictures.items()}
        return [
            [Panel(caption, some[row]) for caption, some in pixels.items()]
            for row in range(len(inputs["image"]))
        ]


class MatchingAccuracy(tf.keras.metrics.Mean):
    """How often a reconstruction is more like its image than like another of the batch.

    By the correlation of pixels, over all pairs; a tie is half right. By chance
    1/2, whatever the size of the batch.

    Args:
      name: what the metric is called.
      dtype: type of the sums.
    """

    def __init__(self, name: str = "matching_accuracy", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `image` and `reconstruction`, float32 [B, S, S, C]."""
        answers, images = _directions(outputs["reconstruction"]), _directions(targets["image"])
        likeness = tf.matmul(answers, images, transpose_b=True)
        own = tf.linalg.diag_part(likeness)[:, tf.newaxis]
        is_other = 1 - tf.eye(tf.shape(own)[0])
        super().update_state((1 + tf.sign(own - likeness)) / 2, sample_weight=is_other)


class ReconstructionError(tf.keras.metrics.Mean):
    """The mean squared error of reconstructions.

    Args:
      name: what the metric is called.
      dtype: type of the sums.
    """

    def __init__(self, name: str = "reconstruction_error", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `image` and `reconstruction`, float32 [B, S, S, C]."""
        super().update_state(
            tf.math.squared_difference(targets["image"], outputs["reconstruction"])
        )


def _directions(images: tf.Tensor) -> tf.Tensor:
    """Returns float32 [B, S, S, C] as rows of mean 0 and length 1, or 0 if constant."""
    rows = tf.reshape(images, [tf.shape(images)[0], -1])
    return tf.math.l2_normalize(rows - tf.reduce_mean(rows, axis=1, keepdims=True), axis=1)
