"""How well linear support vector machines tell classes apart by pretrained features."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.core.progress import track
from tfcolor.data.labels import label_annotation
from tfcolor.data.pipeline import Annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_labels import presence_annotation
from tfcolor.data.sources.joined import check_common_classes
from tfcolor.data.sources.voc import ABSENT, DIFFICULT, PRESENT, PresenceSource
from tfcolor.evaluation.base import NetworkProtocol
from tfcolor.evaluation.class_figures import draw_few_label_curve
from tfcolor.evaluation.examples import LabelledImages, open_test_images
from tfcolor.evaluation.few_label import class_members
from tfcolor.evaluation.frozen_features import FeatureOptions, FrozenFeatures, joined
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.subjects import TrainedNetwork
from tfcolor.evaluation.svm_classifier import COSTS, SvmClassifier
from tfcolor.metrics.average_precision import MeanAveragePrecision


@dataclasses.dataclass(frozen=True)
class LinearSvmOptions(FeatureOptions):
    """What the machines learn from."""

    test_images: str = option("", "images to measure on, in the forms of --images")
    costs: tuple[float, ...] = option(
        COSTS,
        "costs of an error among which cross-validation chooses, for each class",
        minimum=1e-12,
    )
    num_per_class: tuple[int, ...] = option(
        (), "learn from so many positives of each class besides, as 1,2,4,8,16,32,64,96", minimum=1
    )
    num_draws: int = option(5, "times that these are drawn", minimum=1)
    seed: int = option(0, "chooses them, and the parts of the cross-validation", minimum=0)

    def __post_init__(self) -> None:
        """Raises UsageError if there is no cost to choose."""
        if not self.costs:
            raise UsageError("--linear_svm_costs is empty: name one cost or several")


class LinearSvmProtocol(NetworkProtocol[LinearSvmOptions]):
    """Fits one-against-all machines to a frozen backbone's features.

    Images have one class each, or show several objects ("voc:FOLDER"), of which
    the difficult ones count neither way. With few positives, a class of K gets
    K - 1 negatives for each of them.

    Args:
      options: which images and features.

    References:
      Goyal, Mahajan, Gupta, Misra. Scaling and Benchmarking Self-Supervised Visual
      Representation Learning. ICCV 2019, sections 6.1 and 6.2. There the costs for
      few labels are the best ones of the test images.
    """

    name = "linear_svm"
    Options = LinearSvmOptions

    def evaluate(
        self,
        networks: Sequence[TrainedNetwork],
        reader: ExampleReader,
        reports: Reports | None = None,
    ) -> dict[str, Any]:
        """Measures the features of a network.

        Args:
          networks: one, of any task.
          reader: images with their classes, to fit the machines to.
          reports: files to write besides; None for no file.

        Returns:
          `num_images` of the fit, `num_test_images`, `num_unreadable`,
          `num_classes`, `features` (their names), `num_features`,
          `mean_average_precision`, `ap_by_class` (None without a positive),
          `cost_by_class`, `top1_accuracy` where images have one class each, else
          None, and the `curve`: for each `num_per_class` the `precisions` of all
          draws, `precision_mean` and `precision_std` (of a sample; None for a
          single draw).

        Raises:
          UsageError: if test images or taps are not given as they should be.
          UserError: if classes are not known, there are too few positives, or
            nothing can be read.
        """
        (trained,) = networks
        reports = reports or Reports()
        reports.check()
        features = FrozenFeatures.of(trained, self._options)
        tests = open_test_images(self._options.test_images, self.name)
        names = _class_names(reader)
        own, others = (
            LabelledImages(one, _read_presence(one, len(names), reader.class_names))
            for one in (reader, tests)
        )
        seen, presence = joined(features.describe(own).values())
        unseen, truth = joined(features.describe(others).values())
        machines = self._machines().fit(seen, presence)
        scores = machines.scores(unseen)
        total, precisions = _precisions(truth, scores)
        curve = self._measure_curve((seen, presence), (unseen, truth), names)
        by_class = dict(zip(names, precisions, strict=True))
        reports.write(_rows(by_class, machines.costs), self._draw(curve, truth))
        is_single = not isinstance(reader.source, PresenceSource)
        return {
            "num_images": len(seen),
            "num_test_images": len(unseen),
            "num_unreadable": own.num_unreadable + others.num_unreadable,
            "num_classes": len(names),
            "features": list(features.names),
            "num_features": seen.shape[1],
            "mean_average_precision": total,
            "ap_by_class": by_class,
            "cost_by_class": dict(zip(names, machines.costs, strict=True)),
            "top1_accuracy": _top1_accuracy(truth, scores, machines) if is_single else None,
            "curve": curve,
        }

    def _machines(self) -> SvmClassifier:
        """Returns machines that are not fitted yet."""
        return SvmClassifier(self._options.costs, seed=self._options.seed)

    def _measure_curve(
        self,
        own: tuple[np.ndarray, np.ndarray],
        others: tuple[np.ndarray, np.ndarray],
        names: Sequence[str],
    ) -> list[dict[str, Any]]:
        """Returns the points of the curve, in rising order of the positives."""
        (seen, presence), (unseen, truth) = own, others
        curve = []
        for count in sorted(set(self._options.num_per_class)):
            draws = range(self._options.num_draws)
            values = []
            for draw in track(draws, f"{count} per class", len(draws), "draws"):
                few = draw_presence(presence, count, [self._options.seed, draw], names)
                is_used = np.any(few != DIFFICULT, axis=1)
                machines = self._machines().fit(seen[is_used], few[is_used])
                values.append(_precisions(truth, machines.scores(unseen))[0])
            curve.append(
                {
                    "num_per_class": count,
                    "precision_mean": float(np.mean(values)),
                    "precision_std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
                    "precisions": values,
                }
            )
        return curve

    def _draw(
        self, curve: Sequence[Mapping[str, Any]], truth: np.ndarray
    ) -> Iterator[tuple[str, Figure]]:
        """Yields the curve of average precision over labels, if there is one."""
        if not curve:
            return
        counts, means, deviations = (
            [point[name] or 0 for point in curve]
            for name in ("num_per_class", "precision_mean", "precision_std")
        )
        yield (
            "linear_svm_curve",
            draw_few_label_curve(
                counts,
                means,
                deviations,
                float(np.mean(truth == PRESENT)),
                measure="mean average precision",
                title="Support vector machines with few labels",
            ),
        )


def draw_presence(
    presence: np.ndarray, count: int, seed: Sequence[int], names: Sequence[str]
) -> np.ndarray:
    """Leaves so many positives of each class, and (K - 1) times as many negatives.

    With another count and the same seed, the images of fewer labels are among
    those of more.

    Args:
      presence: int [N, K], 1 for present and 0 for absent.
      count: positives of each class.
      seed: of the draw, any numbers.
      names: of the classes, for the error.

    Returns:
      int [N, K], -1 where an image is not drawn for a class; all negatives where
      there are fewer.

    Raises:
      UserError: if a class has too few positives.

    Example:
      >>> draw_presence(np.array([[1, 0], [1, 0], [0, 1]]), 1, [0], ["a", "b"]).sum()
      0
    """
    generator = np.random.default_rng(list(seed))
    drawn = np.full_like(presence, DIFFICULT)
    for label, column in enumerate(presence.T):
        positives, negatives = (
            generator.permutation(np.flatnonzero(column == value)) for value in (PRESENT, ABSENT)
        )
        if len(positives) < count:
            raise UserError(
                f"the class {names[label]} has {len(positives)} images: "
                f"--linear_svm_num_per_class needs {count} of each"
            )
        drawn[positives[:count], label] = PRESENT
        drawn[negatives[: count * (presence.shape[1] - 1)], label] = ABSENT
    return drawn


def _class_names(reader: ExampleReader) -> tuple[str, ...]:
    """Returns the names of the classes, numbers where they have none."""
    check_common_classes(reader.source, PresenceSource)
    return tuple(reader.class_names or class_members(reader))


def _read_presence(
    reader: ExampleReader, num_classes: int, class_names: Sequence[str]
) -> Annotation:
    """Returns which classes each image shows, int32 [K], by the names if there are any."""
    if isinstance(reader.source, PresenceSource):
        return presence_annotation(reader, class_names)
    labels = label_annotation(reader, num_classes, class_names)
    identity = np.eye(num_classes, dtype=np.int32)
    return Annotation(lambda position: identity[labels.read(position)], tf.int32, (num_classes,))


def _precisions(truth: np.ndarray, scores: np.ndarray) -> tuple[float, list[float | None]]:
    """Returns the mean average precision and those of the classes."""
    metric = MeanAveragePrecision(truth.shape[1])
    metric.update_state(truth, scores)
    values = metric.per_class().numpy()
    return float(metric.result()), [None if np.isnan(one) else float(one) for one in values]


def _top1_accuracy(truth: np.ndarray, scores: np.ndarray, machines: SvmClassifier) -> float:
    """Returns how often the class of the best machine is the true one."""
    # The 0 of a class without a machine would beat most machines that there are.
    is_fitted = np.array([cost is not None for cost in machines.costs])
    guesses = np.where(is_fitted, scores, -np.inf).argmax(axis=1)
    return float(np.mean(guesses == truth.argmax(axis=1)))


def _rows(
    precisions: Mapping[str, float | None], costs: Sequence[float | None]
) -> list[dict[str, Any]]:
    """Returns the table: the average precision and the cost of each class."""
    return [
        {"class": name, "average_precision": precision, "cost": cost}
        for (name, precision), cost in zip(precisions.items(), costs, strict=True)
    ]
