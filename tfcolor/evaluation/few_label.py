"""How well images are classified by pretrained features and few labels."""

import dataclasses
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tfcolor.core.errors import UserError
from tfcolor.core.options import option
from tfcolor.core.progress import say, track
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.labels import label_annotation
from tfcolor.data.pipeline import Annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.evaluation.base import NetworkProtocol
from tfcolor.evaluation.class_figures import draw_few_label_curve
from tfcolor.evaluation.examples import LabelledImages, open_test_images
from tfcolor.evaluation.frozen_features import FeatureOptions, FrozenFeatures, joined
from tfcolor.evaluation.linear_classifier import (
    LinearClassifier,
    check_several_classes,
    choose_strength,
)
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.subjects import TrainedNetwork

Described = dict[int, tuple[np.ndarray, int]]
"""Features float32 [D] and label by the image's position."""

Order = Mapping[str, Sequence[int]]
"""Positions of the images of each class, in the order in which they are taken."""


@dataclasses.dataclass(frozen=True)
class FewLabelOptions(FeatureOptions):
    """How features are probed with few labels."""

    test_images: str = option("", "images to measure on, in the forms of --images")
    num_test_images: int = option(0, "measure on the first so many; 0 for all", minimum=0)
    num_per_class: tuple[int, ...] = option(
        (5, 20, 80), "labelled images per class, one point of the curve each", minimum=1
    )
    num_draws: int = option(5, "times that the labelled images are drawn", minimum=1)
    seed: int = option(0, "chooses the labelled images", minimum=0)


class FewLabelProtocol(NetworkProtocol[FewLabelOptions]):
    """Fits linear classifiers to a frozen backbone's features of few images.

    The labelled images are drawn several times among --images, those of fewer
    labels among those of more. The penalty is chosen by cross-validation within
    the first draw. The network may be of any task.

    Args:
      options: which images, draws and features.
    """

    name = "few_label"
    Options = FewLabelOptions

    def evaluate(
        self,
        networks: Sequence[TrainedNetwork],
        reader: ExampleReader,
        reports: Reports | None = None,
    ) -> dict[str, Any]:
        """Measures the features of a network.

        Args:
          networks: one, of any task.
          reader: images with a class each, to draw from.
          reports: files to write besides; None for no file.

        Returns:
          `num_test_images`, `num_unreadable`, `num_classes`, `features` (their
          names), `num_features`, and the `curve`: for each `num_per_class` the
          `accuracies` of all draws, `accuracy_mean`, `accuracy_std` (of a
          sample; None for a single draw), and the `strength` of the probe.

        Raises:
          UsageError: if test images or taps are not given as they should be.
          UserError: if there are no labels, too few images in a class, or
            nothing can be read.
        """
        (trained,) = networks
        reports = reports or Reports()
        reports.check()
        options = self._options
        features = FrozenFeatures.of(trained, options)
        test_reader = open_test_images(options.test_images, self.name)
        members = class_members(reader)
        names = list(members)
        check_several_classes(len(names))
        test_images = LabelledImages(
            test_reader,
            label_annotation(test_reader, len(names), reader.class_names),
            num_images=options.num_test_images,
        )
        orders = draw_orders(members, options.num_draws, options.seed)
        described, unreadable = self._describe_drawn(features, reader, orders)
        test = joined(features.describe(test_images).values())
        curve = self._measure(described, unreadable, orders, test)
        reports.write(_rows(curve), self._draw(curve, 1 / len(names)))
        return {
            "num_test_images": len(test[1]),
            "num_unreadable": len(unreadable) + test_images.num_unreadable,
            "num_classes": len(names),
            "features": list(features.names),
            "num_features": test[0].shape[1],
            "curve": curve,
        }

    def _describe_drawn(
        self, features: FrozenFeatures, reader: ExampleReader, orders: Sequence[Order]
    ) -> tuple[Described, set[int]]:
        """Computes the features of every image that is drawn, once.

        Others take the place of images that cannot be read.

        Returns:
          The features, and the positions that cannot be read.
        """
        labels = {
            position: label for label, one in enumerate(orders[0].values()) for position in one
        }
        annotation = Annotation(lambda position: np.array(labels[position]), tf.int32)
        described: Described = {}
        unreadable: set[int] = set()
        most = max(self._options.num_per_class)
        while True:
            drawn = {position for order in orders for position in take(order, most, unreadable)}
            wanted = sorted(drawn - described.keys())
            if not wanted:
                return described, unreadable
            described |= features.describe(LabelledImages(reader, annotation, wanted))
            unreadable |= set(wanted) - described.keys()

    def _measure(
        self,
        described: Described,
        unreadable: set[int],
        orders: Sequence[Order],
        test: tuple[np.ndarray, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Returns the points of the curve, in rising order of the labels."""
        curve = []
        for count in sorted(set(self._options.num_per_class)):
            drawn = [
                joined([described[position] for position in take(order, count, unreadable)])
                for order in orders
            ]
            strength = choose_strength(*drawn[0], seed=self._options.seed)
            progress = track(drawn, f"probing {count} per class", len(drawn), "draws")
            values = [LinearClassifier(strength).fit(*one).accuracy(*test) for one in progress]
            curve.append(
                {
                    "num_per_class": count,
                    "accuracy_mean": float(np.mean(values)),
                    "accuracy_std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
                    "accuracies": values,
                    "strength": strength,
                }
            )
        return curve

    def _draw(
        self, curve: Sequence[Mapping[str, Any]], chance: float
    ) -> Iterator[tuple[str, Figure]]:
        """Yields the curve of accuracy over labels."""
        counts, means, deviations = (
            [point[name] or 0 for point in curve]
            for name in ("num_per_class", "accuracy_mean", "accuracy_std")
        )
        yield "few_label_curve", draw_few_label_curve(counts, means, deviations, chance)


def class_members(reader: ExampleReader) -> dict[str, list[int]]:
    """Returns the images of each class.

    Args:
      reader: images with a class each.

    Returns:
      Positions by the class's name, in the order of the labels; the names are
      the labels as text where there are none.

    Raises:
      UserError: if an image has no class.
    """
    labels = label_annotation(reader, len(reader.class_names) or 2**31)
    found: dict[int, list[int]] = {label: [] for label in range(len(reader.class_names))}
    for position in range(reader.num_examples):
        try:
            label = int(labels.read(position))
        except UnreadableImageError as error:
            say(f"skipped {error}")
        else:
            found.setdefault(label, []).append(position)
    names = reader.class_names or tuple(str(label) for label in range(max(found) + 1))
    return {name: found.get(label, []) for label, name in enumerate(names)}


def draw_orders(members: Mapping[str, Sequence[int]], num_draws: int, seed: int) -> list[Order]:
    """Shuffles the images of each class, once per draw.

    Args:
      members: positions by class.
      num_draws: how many times.
      seed: chooses the orders; each draw has its own.

    Returns:
      Positions by class for each draw, of which the first ones are taken.
    """
    generators = [np.random.default_rng([seed, draw]) for draw in range(num_draws)]
    return [
        {name: generator.permutation(list(ones)).tolist() for name, ones in members.items()}
        for generator in generators
    ]


def take(order: Order, count: int, unreadable: Container[int] = ()) -> list[int]:
    """Returns the first images of each class.

    Args:
      order: positions by class.
      count: how many of each.
      unreadable: positions to pass over.

    Returns:
      Positions, those of the first class first.

    Raises:
      UserError: if there are too few of a class.

    Example:
      >>> take({"cat": [4, 2, 7], "dog": [1, 9]}, 2, unreadable={4})
      [2, 7, 1, 9]
    """
    taken: list[int] = []
    for name, positions in order.items():
        readable = [position for position in positions if position not in unreadable]
        if len(readable) < count:
            raise UserError(
                f"the class {name} has {len(readable)} images: --few_label_num_per_class needs "
                f"{count} of each"
            )
        taken += readable[:count]
    return taken


def _rows(curve: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the table: the accuracy of each draw."""
    return [
        {"num_per_class": point["num_per_class"], "draw": draw, "accuracy": accuracy}
        for point in curve
        for draw, accuracy in enumerate(point["accuracies"])
    ]
