"""How well images are classified by pretrained features and all their labels."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcolor.core.options import option
from tfcolor.data.labels import label_annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.evaluation.examples import LabelledImages, open_test_images
from tfcolor.evaluation.frozen_features import FrozenFeatures
from tfcolor.evaluation.linear_probe import STRENGTHS, LinearProbe, choose_strength
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.subjects import NETWORKS, TrainedNetwork


@dataclasses.dataclass(frozen=True)
class LinearEvaluationOptions:
    """How features are probed with all labels."""

    test_images: str = option("", "images to measure on, in the forms of --images")
    taps: tuple[str, ...] = option(
        (), "taps whose averages over the image are probed; empty takes the backbone's top"
    )
    size: int = option(
        0, "side of the images that the backbone sees, pixels; 0 is the backbone's", minimum=0
    )
    strengths: tuple[float, ...] = option(
        STRENGTHS,
        "inverse weights of the classifier's penalty among which cross-validation chooses",
    )
    batch_size: int = option(32, "images that the network sees at a time", minimum=1)


class LinearEvaluationProtocol:
    """Fits a linear classifier to a frozen backbone's features of --images.

    The network may be of any task; what it was trained for is discarded.

    Args:
      options: which images and features.
    """

    name = "linear_evaluation"
    subject = NETWORKS
    task = ""
    takes_several = False
    Options = LinearEvaluationOptions

    def __init__(self, options: LinearEvaluationOptions) -> None:
        self._options = options

    def evaluate(
        self,
        networks: Sequence[TrainedNetwork],
        reader: ExampleReader,
        reports: Reports | None = None,
    ) -> dict[str, Any]:
        """Measures the features of a network.

        Args:
          networks: one, of any task.
          reader: images with a class each, to fit the classifier to.
          reports: files to write besides; None for no file.

        Returns:
          `num_images` of the fit, `num_test_images`, `num_unreadable`,
          `num_classes`, `features` (their names), `num_features`, the `strength`
          of the classifier, and its `top1_accuracy` on the test images.

        Raises:
          UsageError: if test images or taps are not given as they should be.
          UserError: if an image has no class, or nothing can be read.
        """
        (trained,) = networks
        reports = reports or Reports()
        reports.check()
        options = self._options
        features = FrozenFeatures(trained, options.taps, options.size, options.batch_size)
        names, tests = reader.class_names, open_test_images(options.test_images, self.name)
        count = len(names) or 2**31
        own = LabelledImages(reader, label_annotation(reader, count))
        others = LabelledImages(tests, label_annotation(tests, count, names))
        (seen, labels), (unseen, truth) = _describe(features, own), _describe(features, others)
        strength = self._choose_strength(seen, labels)
        probe = LinearProbe(strength).fit(seen, labels)
        accuracy = probe.accuracy(unseen, truth)
        reports.write([{"strength": strength, "top1_accuracy": accuracy}], ())
        return {
            "num_images": len(labels),
            "num_test_images": len(truth),
            "num_unreadable": own.num_unreadable + others.num_unreadable,
            "num_classes": len(names) or len(np.unique(labels)),
            "features": list(features.names),
            "num_features": seen.shape[1],
            "strength": strength,
            "top1_accuracy": accuracy,
        }

    def _choose_strength(self, features: np.ndarray, labels: np.ndarray) -> float:
        """Returns the penalty of features float32 [N, D] with labels int [N]."""
        strengths = self._options.strengths
        if len(strengths) == 1:
            return strengths[0]
        return choose_strength(features, labels, strengths=strengths)


def _describe(features: FrozenFeatures, images: LabelledImages) -> tuple[np.ndarray, np.ndarray]:
    """Returns features float32 [N, D] and labels int64 [N]."""
    rows = features.describe(images).values()
    return np.stack([row for row, _ in rows]), np.array([label for _, label in rows])
