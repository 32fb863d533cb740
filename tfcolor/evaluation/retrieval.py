"""Whether images that lie near each other in feature space show the same class."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.core.progress import say
from tfcolor.data.labels import label_annotation
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.data.pipeline import Annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.evaluation.base import NetworkProtocol
from tfcolor.evaluation.class_figures import draw_neighbors
from tfcolor.evaluation.examples import LabelledImages
from tfcolor.evaluation.frozen_features import FeatureOptions, FrozenFeatures, joined
from tfcolor.evaluation.neighbors import (
    WEIGHTS,
    Whitening,
    nearest_neighbors,
    recall_at,
    unit_vectors,
    vote,
)
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.subjects import TrainedNetwork
from tfcolor.metrics.intervals import bootstrap_interval

RECALLS = (1, 5, 10)
NUM_SHOWN = 8
"""Neighbors of each query on the contact sheet."""


@dataclasses.dataclass(frozen=True)
class RetrievalOptions(FeatureOptions):
    """What is looked up, where, and how neighbors vote."""

    query_images: str = option(
        "",
        "images to look up among --images, in the same forms; empty looks each of --images up"
        " among the others",
    )
    num_neighbors: int = option(10, "neighbors that vote for a class", minimum=1)
    weights: str = option(
        "uniform", "what a vote counts: one, or exp(cosine / 0.07)", choices=WEIGHTS
    )
    whitening_images: str = option(
        "", "other images whose principal components whiten the features; empty for no whitening"
    )
    whitening_size: int = option(0, "components to keep; 0 for all", minimum=0)
    num_queries_shown: int = option(8, "queries on the contact sheet", minimum=1)


class Collection(NamedTuple):
    """Described images.

    Attributes:
      reader: where they are.
      positions: int [N], of those that can be read.
      vectors: float64 [N, D], of length 1.
      labels: int [N].
      num_unreadable: how many are left out.
    """

    reader: ExampleReader
    positions: np.ndarray
    vectors: np.ndarray
    labels: np.ndarray
    num_unreadable: int


class RetrievalProtocol(NetworkProtocol[RetrievalOptions]):
    """Looks images up by the cosine of their features with those of others.

    A query is no neighbor of itself, and equal cosines rank by the order of the
    images. The network may be of any task. The contact sheet shows the same
    queries, evenly chosen, whatever the network.

    Args:
      options: which images and features.
    """

    name = "retrieval"
    Options = RetrievalOptions

    def evaluate(
        self,
        networks: Sequence[TrainedNetwork],
        reader: ExampleReader,
        reports: Reports | None = None,
    ) -> dict[str, Any]:
        """Measures the features of a network.

        Args:
          networks: one, of any task.
          reader: images with a class each, among which to look.
          reports: files to write besides; None for no file.

        Returns:
          `num_images`, `num_queries`, `num_unreadable`, `features` (their names),
          `num_features`, `recall_at_1`, `recall_at_5` and `recall_at_10` as far as
          there are as many neighbors, and the accuracy of their vote,
          `knn_accuracy`, with its 95 % interval `knn_accuracy_interval`.

        Raises:
          UsageError: if taps are not given as they should be, or there are too few
            images to whiten by.
          UserError: if an image has no class, nothing can be read, or there is
            nothing to look among.
        """
        (trained,) = networks
        reports = reports or Reports()
        reports.check()
        options = self._options
        features = FrozenFeatures.of(trained, options)
        whitening = self._fit_whitening(features)
        stored = _collect(features, reader, reader.class_names, whitening)
        queries, own = stored, None
        if options.query_images:
            others = _open(options.query_images)
            queries = _collect(features, others, reader.class_names, whitening)
        else:
            own = range(len(stored.labels))
            if len(own) < 2:
                raise UserError(
                    "--images has a single image that can be read: expected two, or others to look"
                    " up as --retrieval_query_images"
                )
        count = max(*RECALLS, options.num_neighbors, NUM_SHOWN)
        found, cosines = nearest_neighbors(queries.vectors, stored.vectors, count, own)
        labels = stored.labels[found]
        voters = slice(0, options.num_neighbors)
        votes = vote(labels[:, voters], cosines[:, voters], options.weights)
        are_right = votes == queries.labels
        recalls = recall_at(RECALLS, queries.labels, labels)
        reports.write(
            _rows(queries, stored, found, cosines, are_right), self._draw(queries, stored, found)
        )
        unreadable = stored.num_unreadable
        return {
            "num_images": len(stored.labels),
            "num_queries": len(queries.labels),
            "num_unreadable": unreadable + (0 if queries is stored else queries.num_unreadable),
            "features": list(features.names),
            "num_features": stored.vectors.shape[1],
            **{f"recall_at_{count}": recall for count, recall in recalls.items()},
            "knn_accuracy": float(are_right.mean()),
            "knn_accuracy_interval": list(bootstrap_interval(are_right)),
        }

    def _fit_whitening(self, features: FrozenFeatures) -> Whitening | None:
        """Returns the whitening that is asked for; it needs no classes."""
        options = self._options
        if not options.whitening_images:
            return None
        reader = _open(options.whitening_images)
        images = LabelledImages(
            reader, Annotation(lambda position: np.zeros([], np.int32), tf.int32)
        )
        vectors, _ = joined(features.describe(images).values())
        most = min(vectors.shape)
        if len(vectors) < 2 or options.whitening_size > most:
            raise UsageError(
                f"--retrieval_whitening_size={options.whitening_size}: {options.whitening_images} "
                f"has {len(vectors)} images with {vectors.shape[1]} features; expected at least two"
                f" images, and at most {most} components"
            )
        say(f"whitening by {len(vectors)} images")
        return Whitening(unit_vectors(vectors), options.whitening_size)

    def _draw(
        self, queries: Collection, stored: Collection, found: np.ndarray
    ) -> Iterator[tuple[str, Figure]]:
        """Yields the contact sheet."""
        total = len(queries.labels)
        count = min(self._options.num_queries_shown, total)
        rows = []
        for query in (index * total // count for index in range(count)):
            near = found[query, :NUM_SHOWN]
            pictures = [queries.reader.read(int(queries.positions[query]))[0]]
            pictures += [stored.reader.read(int(stored.positions[one]))[0] for one in near]
            hits = stored.labels[near] == queries.labels[query]
            rows.append((_class_name(stored, queries.labels[query]), pictures, hits.tolist()))
        yield "neighbors", draw_neighbors(rows)


def _open(place: str) -> ExampleReader:
    """Returns a reader of all images of a place."""
    return open_readers(DataOptions(images=place, heldout_fraction=0.0))["train"]


def _collect(
    features: FrozenFeatures,
    reader: ExampleReader,
    class_names: Sequence[str],
    whitening: Whitening | None,
) -> Collection:
    """Describes all images of a reader."""
    annotation = label_annotation(reader, len(class_names) or 2**31, class_names)
    images = LabelledImages(reader, annotation)
    described = features.describe(images)
    vectors, labels = joined(described.values())
    vectors = unit_vectors(vectors)
    if whitening is not None:
        vectors = unit_vectors(whitening(vectors))
    positions = np.array(list(described))
    return Collection(reader, positions, vectors, labels, images.num_unreadable)


def _class_name(stored: Collection, label: int) -> str:
    """Returns the name of a class, or its number where it has none."""
    names = stored.reader.class_names
    return names[label] if names else str(label)


def _rows(
    queries: Collection,
    stored: Collection,
    found: np.ndarray,
    cosines: np.ndarray,
    are_right: np.ndarray,
) -> list[dict[str, Any]]:
    """Returns the table: the nearest neighbor of each query."""
    return [
        {
            "image": queries.reader.name_of(int(queries.positions[query])),
            "class": _class_name(stored, queries.labels[query]),
            "nearest": stored.reader.name_of(int(stored.positions[near[0]])),
            "class_of_nearest": _class_name(stored, stored.labels[near[0]]),
            "cosine": float(cosines[query, 0]),
            "is_vote_right": bool(are_right[query]),
        }
        for query, near in enumerate(found)
    ]
