"""How well images are classified by pretrained features and all their labels."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.data.labels import label_annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.evaluation.base import NetworkProtocol
from tfcolor.evaluation.examples import LabelledImages, open_test_images
from tfcolor.evaluation.frozen_features import FeatureOptions, FrozenFeatures, joined
from tfcolor.evaluation.linear_classifier import (
    STRENGTHS,
    LinearClassifier,
    check_several_classes,
    choose_strength,
)
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.subjects import TrainedNetwork


@dataclasses.dataclass(frozen=True)
class LinearEvaluationOptions(FeatureOptions):
    """How features are probed with all labels."""

    test_images: str = option("", "images to measure on, in the forms of --images")
    strengths: tuple[float, ...] = option(
        STRENGTHS,
        "inverse weights of the classifier's penalty among which cross-validation chooses",
        minimum=1e-12,
    )

    def __post_init__(self) -> None:
        """Raises UsageError if there is no weight to choose."""
        if not self.strengths:
            raise UsageError("--linear_evaluation_strengths is empty: name one weight or several")


class LinearEvaluationProtocol(NetworkProtocol[LinearEvaluationOptions]):
    """Fits a linear classifier to a frozen backbone's features of --images.

    The network may be of any task; what it was trained for is discarded. The
    features are computed once and held in memory, 4 bytes each.

    Args:
      options: which images and features.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 5.1: the last map, by maxima over 3 x 3 cells. That classifier is
      trained on augmented images, as the task linear_probe does it.
    """

    name = "linear_evaluation"
    Options = LinearEvaluationOptions

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
        features = FrozenFeatures.of(trained, options)
        names, tests = reader.class_names, open_test_images(options.test_images, self.name)
        count = len(names) or 2**31
        check_several_classes(count)
        own = LabelledImages(reader, label_annotation(reader, count))
        others = LabelledImages(tests, label_annotation(tests, count, names))
        seen, labels = joined(features.describe(own).values())
        unseen, truth = joined(features.describe(others).values())
        check_several_classes(len(np.unique(labels)))
        strength = self._choose_strength(seen, labels)
        classifier = LinearClassifier(strength).fit(seen, labels)
        accuracy = classifier.accuracy(unseen, truth)
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
