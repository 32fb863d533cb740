"""Reconstruction of whole images from the features of a network."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import BatchPlan, Example, build_dataset
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import center_view, random_view
from tfcolor.heads.decoder import CODE, DecoderHead, DecoderOptions, shortcut_taps
from tfcolor.losses.normal_divergence import normal_divergence
from tfcolor.metrics.definitions import peak_signal_to_noise
from tfcolor.tasks.base import TRAIN_SPLIT, Tensors, count_examples
from tfcolor.tasks.canonical_view import SquareViewOptions, canonical_side
from tfcolor.tasks.image_task import ImageTask

ERROR_WEIGHT = 50 * 0.25
"""Of the mean squared error of an image, as in the program of the dissertation."""


@dataclasses.dataclass(frozen=True)
class AutoencoderOptions(SquareViewOptions):
    """What the autoencoder reconstructs, from which layers."""

    input: str = option(
        "color", "what the network sees and reconstructs", choices=("gray", "color")
    )
    shortcuts: tuple[str, ...] = option(
        (), "taps from which the image is reconstructed too, by name (conv2,conv4,fc6)"
    )
    shortcut_weight: float = option(1.0, "weight of the loss of every shortcut", minimum=0)
    sigmoid_outputs: str = option(
        "none",
        "which reconstructions pass a sigmoid; the others are linear",
        choices=("none", "shortcuts", "all"),
    )
    use_batch_norm: bool = option(True, "normalize before every nonlinearity of the decoder")
    dropout_rate: float = option(
        0.0,
        "dropout on features as they enter the decoder, besides the backbone's own",
        minimum=0,
        maximum=0.99,
    )
    embedding_size: int = option(
        0, "features of a layer behind the top, the code; 0 takes the top itself", minimum=0
    )
    is_variational: bool = option(
        False, "draw the code from a normal distribution and keep it near the standard one"
    )
    divergence_weight: float = option(
        1.0, "weight of the divergence of a variational code, nats", minimum=0
    )
    ladder_weight: float = option(
        0.0,
        "weight of the distance between decoded features and those of the taps of their names;"
        " 0.1 in the program of the dissertation, 0 for none",
        minimum=0,
    )

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "AutoencoderOptions":
        """Fills in the size of the view.

        Args:
          readers: not read.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a crop size of 0.

        Raises:
          UsageError: if the backbone takes views of another size, or the photographs
            do not hold such a view.
        """
        del readers
        return self.with_size(
            canonical_side(self.crop_size, canonical_size, "autoencoder_crop_size")
        )


class AutoencoderTask(ImageTask):
    """Reconstructs whole images from the top of a network and from shortcuts.

    Every shortcut is an autoencoder of the layers up to a tap and of the layers
    that decode it, with the weights of the whole one. The task trains on random
    views and is measured on the middle of each held-out image.

    Args:
      options: views, entries and losses; completed if there are readers.
      readers: where each split's images come from.
      color_input: feeds the gray image copied to three channels, for a
        backbone that is shared with tasks on color images.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, section 1.3.
    """

    name = "autoencoder"
    convolutional = False
    Options = AutoencoderOptions
    score: str | None = None
    count_samples = staticmethod(count_examples)

    @property
    def entries(self) -> tuple[str, ...]:
        """Returns what images are reconstructed from, by name."""
        return (CODE, *self.options.shortcuts)

    def make_dataset(self, split: str, plan: BatchPlan) -> tf.data.Dataset:
        """Yields (inputs, targets) batches of views.

        Args:
          split: "train" for random views, "heldout" for the middle.
          plan: which examples, in which batches.

        Returns:
          A dataset of two dicts. Inputs: `image` float32 [B, S, S, 1 or 3] in
          [0, 1] and `seed` int64 [B, 2]. Targets: the same `image`.
        """
        make_example = self.make_example if split == TRAIN_SPLIT else self.make_center_example
        return build_dataset(self._readers[split], make_example, plan)

    def make_example(self, rgb: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets of one random view.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          seed: int64 [2], the example's own; fixes the view.

        Returns:
          The two dicts of `make_dataset`, without the batch axis and `seed`.
        """
        seed = tf.random.experimental.stateless_fold_in(seed, 1)
        return self._finish(random_view(rgb, seed, self.options.training_view))

    def make_center_example(self, rgb: tf.Tensor, seed: tf.Tensor | None = None) -> Example:
        """Returns the inputs and targets of the middle of a photograph.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          seed: int64 [2], not read.

        Returns:
          The two dicts of `make_dataset`, without the batch axis and `seed`.
        """
        del seed
        return self._finish(center_view(rgb, self.options.min_side, self.options.crop_size))

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the decoder from the code and the shortcuts.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights, the dropout masks and a variational code.

        Returns:
          A head with the outputs of `DecoderHead`.

        Raises:
          UsageError: if there is no decoder for the backbone, or a shortcut is
            no tap below the code.
        """
        options = self.options
        allowed, names = shortcut_taps(taps, options.embedding_size), options.shortcuts
        if len(set(names) & set(allowed)) < len(names):
            raise UsageError(
                f"--autoencoder_shortcuts={','.join(names)}: expected some of"
                f" {', '.join(allowed)}, each once"
            )
        decoder_options = DecoderOptions(
            shortcuts=names,
            embedding_size=options.embedding_size,
            is_variational=options.is_variational,
            use_ladder=options.ladder_weight > 0,
            dropout_rate=options.dropout_rate,
            use_batch_norm=options.use_batch_norm,
            sigmoid_outputs=options.sigmoid_outputs,
        )
        return DecoderHead(taps, decoder_options, seed=seed)

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the weighted errors of all reconstructions.

        Args:
          targets: `image`, float32 [B, S, S, C] in [0, 1].
          outputs: those of `DecoderHead`.

        Returns:
          For `code` and every shortcut `50 mean(0.25 (x - y)^2)`, float32 [B],
          times the weight of shortcuts; and, where they are asked for, the
          `divergence` of the code and the distance of the `ladder`.

        References:
          Larsson, 2017, equations 1.10 and 1.12.
        """
        options = self.options
        losses = {}
        for entry in self.entries:
            error = tf.math.squared_difference(targets["image"], outputs[f"{entry}_reconstruction"])
            weight = ERROR_WEIGHT * (1.0 if entry == CODE else options.shortcut_weight)
            losses[entry] = weight * tf.reduce_mean(error, axis=[1, 2, 3])
        if options.is_variational:
            divergence = normal_divergence(outputs["mean"], outputs["log_variance"])
            losses["divergence"] = options.divergence_weight * divergence
        if options.ladder_weight:
            losses["ladder"] = options.ladder_weight * outputs["ladder"]
        return losses

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns how much of the image the reconstruction from the code keeps.

        Args:
          fitted: not read; there is no baseline to fit.

        Returns:
          `psnr_db`, the mean over images.
        """
        del fitted
        return {"psnr_db": CodeSignalToNoise()}

    def _finish(self, view: tf.Tensor) -> Example:
        """Returns an example from a view, float32 [S, S, 3] in [0, 1]."""
        image = self.as_input(view)
        return {"image": image}, {"image": image}


class CodeSignalToNoise(tf.keras.metrics.Mean):
    """The mean PSNR in dB of the reconstruction from the code, clipped to [0, 1].

    Args:
      name: what the metric is called.
      dtype: type of the sums.
    """

    def __init__(self, name: str = "psnr_db", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `image` and `code_reconstruction`, both float32 [B, S, S, C]."""
        reconstruction = tf.clip_by_value(outputs[f"{CODE}_reconstruction"], 0.0, 1.0)
        super().update_state(peak_signal_to_noise(targets["image"], reconstruction))
