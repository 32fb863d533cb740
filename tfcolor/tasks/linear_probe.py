"""Linear classifiers on several layers of a frozen backbone, trained together."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.reading import ExampleReader
from tfcolor.heads.linear_probes import LinearProbesHead
from tfcolor.layers.map_reduction import PROBE_RULES
from tfcolor.tasks.base import Tensors
from tfcolor.tasks.classification import (
    ClassificationTask,
    LabelledViewOptions,
    TopAccuracy,
    count_classes,
)

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")


@dataclasses.dataclass(frozen=True)
class LinearProbeOptions(LabelledViewOptions):
    """Which layers are probed, and how their maps are reduced."""

    taps: tuple[str, ...] = option(LAYERS, "layers that are probed")
    rule: str = option(
        "rotnet",
        "whose protocol reduces the maps: zhang resizes, rotnet takes the maxima of cells,"
        " deepcluster averages windows, revisiting takes the maxima of random regions, doersch"
        " those of 3 x 3 cells",
        choices=tuple(PROBE_RULES),
    )
    sizes: tuple[int, ...] = option(
        (),
        "cells along each side (zhang, rotnet, doersch), side of a window (deepcluster), or"
        " features that are left (revisiting): one for each layer, or for all; empty for the"
        " published ones",
        minimum=1,
    )

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "LinearProbeOptions":
        """Fills in the number of classes, the size of the view and those of the maps.

        Args:
          readers: the images by split; their classes are counted.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a 0 or an empty tuple that stands for something else.

        Raises:
          UserError: if the images have no classes.
          UsageError: if the number of classes is neither given nor known, or too
            small, or if there are no layers, or not as many sizes.
        """
        if not self.taps:
            raise UsageError("--linear_probe_taps is empty: name the layers that are probed")
        sizes = self.sizes or PROBE_RULES[self.rule].sizes
        if len(sizes) not in (1, len(self.taps)):
            raise UsageError(
                f"--linear_probe_sizes={','.join(map(str, sizes))}: expected one, or one for each "
                f"of {len(self.taps)} layers ({', '.join(self.taps)})"
            )
        return dataclasses.replace(
            self,
            num_classes=count_classes(readers, self.num_classes, "linear_probe_num_classes"),
            crop_size=self.crop_size or canonical_size,
            sizes=sizes if len(sizes) > 1 else sizes * len(self.taps),
        )


class LinearProbeTask(ClassificationTask):
    """Tells classes apart by one linear layer on each of several layers.

    No gradient reaches the backbone, which is to be frozen, so that its batch norm
    has the statistics of its own training: `--frozen_through=top`. With
    `--mixed_taps=all` the last layer's classifier reads a mixture. Every layer's
    loss is a term of its own; being independent, the classifiers come out as if
    each were trained alone.

    Args:
      options: layers, views and input; completed if there are readers.
      readers: where each split's images come from, all of them with a class.
      color_input: as of `ClassificationTask`.

    References:
      Zhang, Isola, Efros. Split-Brain Autoencoders. CVPR 2017 (zhang); Gidaris,
      Singh, Komodakis. Unsupervised Representation Learning by Predicting Image
      Rotations. ICLR 2018 (rotnet); Caron, Bojanowski, Joulin, Douze. Deep
      Clustering for Unsupervised Learning of Visual Features. ECCV 2018; Kolesnikov,
      Zhai, Beyer. Revisiting Self-Supervised Visual Representation Learning. CVPR
      2019; Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV
      2017, section 5.1.
    """

    name = "linear_probe"
    convolutional = True
    trains_backbone = False
    Options: ClassVar[type] = LinearProbeOptions
    score = None

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns a linear classifier for each layer.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with an output float32 [B, K] by tap.

        Raises:
          UsageError: if the backbone has no such layer.
        """
        options = self.options
        return LinearProbesHead(
            [lookup(taps, name, "tap") for name in options.taps],
            options.crop_size,
            PROBE_RULES[options.rule],
            options.sizes,
            num_classes=options.num_classes,
            seed=seed,
        )

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the cross-entropy of each classifier.

        Args:
          targets: `label`, int32 [B].
          outputs: logits float32 [B, K] by tap.

        Returns:
          float32 [B] by tap, nats.
        """
        cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits
        return {name: cross_entropy(targets["label"], outputs[name]) for name in self.options.taps}

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns how often each classifier is right.

        Args:
          fitted: not read; there is no baseline to fit.

        Returns:
          `TAP_top1_accuracy` in [0, 1] for each tap.
        """
        del fitted
        return {f"{name}_top1_accuracy": ProbeAccuracy(name) for name in self.options.taps}


class ProbeAccuracy(TopAccuracy):
    """How often the most probable class of one classifier is the true one.

    Args:
      tap: whose classifier.
      name: what the metric is called.
      dtype: type of the result.
    """

    def __init__(
        self, tap: str, name: str = "probe_accuracy", dtype: str | tf.DType | None = None
    ) -> None:
        super().__init__(1, name, dtype)
        self._tap = tap

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `label`, int32 [B], and the tap's logits, float32 [B, K]."""
        super().update_state(targets, {"logits": outputs[self._tap]})
