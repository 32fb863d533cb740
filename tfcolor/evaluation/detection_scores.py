"""The scores of detected boxes, one photograph at a time and all together."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfcolor.data.sources.boxes import ObjectBoxes
from tfcolor.evaluation.box_prediction import Detections
from tfcolor.metrics.detection import (
    AREAS,
    IGNORED,
    PADDING,
    RIGHT,
    WRONG,
    DetectionAveragePrecision,
    FoundBoxes,
    TrueBoxes,
    detection_average_precision,
    match_detections,
)

PERCENTS = (50, 75)
"""Overlaps that a detection must reach."""

BATCH = 64
"""Photographs that are matched together."""


class DetectionScores:
    """Compares detections with the objects of photographs.

    Args:
      class_names: the classes by label.

    Attributes:
      rows: the scores of every photograph so far, at an overlap of one half;
        `average_precision_50` is over its detections of all classes, None without
        an object that is not difficult.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self._names = tuple(class_names)
        self._truth: list[ObjectBoxes] = []
        self._found: list[Detections] = []
        self._sizes: list[tuple[int, int]] = []
        self._flags: list[np.ndarray] = []
        self.rows: list[dict[str, Any]] = []

    def add(self, name: str, size: tuple[int, int], truth: ObjectBoxes, found: Detections) -> None:
        """Adds a photograph.

        Args:
          name: what its row is called.
          size: (height, width) in pixels.
          truth: its objects.
          found: its detections.
        """
        self._truth.append(truth)
        self._found.append(found)
        self._sizes.append(size)
        flags = match_detections(pad_truth([truth]), pad_found([found]), 0.5).numpy()[0]
        flags = flags[: len(found.labels)]
        self._flags.append(flags)
        num_objects = int(np.sum(~truth.is_difficult))
        value = detection_average_precision(flags, found.scores, num_objects, area="all_points")
        self.rows.append(
            {
                "image": name,
                "height": size[0],
                "width": size[1],
                "num_objects": num_objects,
                "num_difficult": int(np.sum(truth.is_difficult)),
                "num_right": int(np.sum(flags == RIGHT)),
                "num_wrong": int(np.sum(flags == WRONG)),
                "best_score": float(found.scores.max(initial=0.0)),
                "average_precision_50": float(value) if num_objects else None,
            }
        )

    def figures(self) -> dict[str, Any]:
        """Returns the scores of all photographs.

        Returns:
          `num_images`, `num_objects`, `num_difficult`, `num_detections`;
          `mean_average_precision_50` and `_75` over eleven recalls, the same with
          `_all_points`, and `ap_by_class_50`, `_75` and so on, None for a class
          without an object. What says nothing about the content reaches
          `whole_image_mean_average_precision_50`, `_75` and so on, with one box of
          each class around each photograph, and `mean_box_...` with the mean of the
          boxes of these very photographs, relative to their sides.
        """
        found = self._precisions(self._found)
        whole = np.tile(np.array([0, 0, 1, 1], np.float32), [len(self._names), 1])
        constant = {"whole_image": whole, "mean_box": self._mean_boxes()}
        sums = {
            name: sum(row[name] for row in self.rows) for name in ("num_objects", "num_difficult")
        }
        return {
            "num_images": len(self.rows),
            **sums,
            "num_detections": sum(len(one.labels) for one in self._found),
            **{f"mean_average_precision_{name}": _mean(one) for name, one in found.items()},
            **{f"ap_by_class_{name}": dict(one) for name, one in found.items()},
            **{
                f"{kind}_mean_average_precision_{name}": _mean(one)
                for kind, boxes in constant.items()
                for name, one in self._precisions(
                    [_scaled(boxes, size) for size in self._sizes]
                ).items()
            },
        }

    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Returns recall and precision after each detection, at an overlap of one half.

        Returns:
          Two float64 [T] in [0, 1] by class; of a class without an object, empty.
        """
        curves = {}
        for label, name in enumerate(self._names):
            positives = sum(
                int(np.sum((one.labels == label) & ~one.is_difficult)) for one in self._truth
            )
            pairs = list(zip(self._found, self._flags, strict=True))
            scores = np.concatenate([one.scores[one.labels == label] for one, _ in pairs])
            flags = np.concatenate([flags[one.labels == label] for one, flags in pairs])
            scores, flags = scores[flags != IGNORED], flags[flags != IGNORED]
            hits = np.cumsum(flags[np.argsort(-scores, kind="stable")])
            count = len(hits) if positives else 0
            recall = hits[:count] / max(positives, 1)
            curves[name] = (recall, hits[:count] / np.arange(1, count + 1))
        return curves

    def _mean_boxes(self) -> np.ndarray:
        """Returns the mean of the boxes of each class, float32 [K, 4], in sides."""
        whole = np.array([0, 0, 1, 1], np.float32)
        rows = [
            (truth.boxes + whole) / np.array([*size, *size], np.float32)
            for truth, size in zip(self._truth, self._sizes, strict=True)
        ]
        boxes = np.concatenate(rows)
        labels = np.concatenate([truth.labels for truth in self._truth])
        means = [
            boxes[labels == label].mean(axis=0) if np.any(labels == label) else whole
            for label in range(len(self._names))
        ]
        return np.array(means, np.float32)

    def _precisions(self, found: Sequence[Detections]) -> dict[str, dict[str, float | None]]:
        """Returns the average precision of each class, by overlap and kind of area."""
        metrics = {
            f"{percent}{'' if area == 'eleven_point' else f'_{area}'}": DetectionAveragePrecision(
                len(self._names), percent / 100, area
            )
            for percent in PERCENTS
            for area in AREAS
        }
        for truth, detections in _batches(self._truth, found):
            for metric in metrics.values():
                metric.update_state(truth, detections)
        return {
            kind: {
                name: None if math.isnan(value) else float(value)
                for name, value in zip(self._names, metric.per_class().numpy(), strict=True)
            }
            for kind, metric in metrics.items()
        }


def pad_truth(objects: Sequence[ObjectBoxes]) -> TrueBoxes:
    """Returns the objects of some photographs with equal numbers of rows.

    Args:
      objects: of each photograph.

    Returns:
      boxes float32 [B, G, 4], labels int32 [B, G] with `PADDING`, and
      is_difficult bool [B, G].
    """
    length = max(len(one.labels) for one in objects)
    columns = zip(*objects, strict=True)
    return TrueBoxes(*(_stack(one, length, fill) for one, fill in _filled(columns)))


def pad_found(detections: Sequence[Detections]) -> FoundBoxes:
    """Returns the detections of some photographs with equal numbers of rows.

    Args:
      detections: of each photograph.

    Returns:
      boxes float32 [B, D, 4], labels int32 [B, D] with `PADDING`, and scores
      float32 [B, D].
    """
    length = max(len(one.labels) for one in detections)
    columns = zip(*detections, strict=True)
    return FoundBoxes(*(_stack(one, length, fill) for one, fill in _filled(columns)))


def _filled(columns: Any) -> Iterator[tuple[Sequence[np.ndarray], int]]:
    """Pairs boxes, labels and what follows with what they are padded with."""
    return zip(columns, (0, PADDING, 0), strict=True)


def _stack(rows: Sequence[np.ndarray], length: int, fill: int) -> np.ndarray:
    """Returns [B, length, ...] of arrays [n, ...], the rest filled."""
    stacked = np.full([len(rows), length, *rows[0].shape[1:]], fill, rows[0].dtype)
    for place, row in zip(stacked, rows, strict=True):
        place[: len(row)] = row
    return stacked


def _batches(
    truth: Sequence[ObjectBoxes], found: Sequence[Detections]
) -> Iterator[tuple[TrueBoxes, FoundBoxes]]:
    """Yields photographs in batches."""
    for start in range(0, len(truth), BATCH):
        part = slice(start, start + BATCH)
        yield pad_truth(truth[part]), pad_found(found[part])


def _scaled(boxes: np.ndarray, size: tuple[int, int]) -> Detections:
    """Returns a detection of each class from edges float32 [K, 4] in sides."""
    edges = boxes * np.array([*size, *size], np.float32)
    labels = np.arange(len(boxes), dtype=np.int32)
    pixels: np.ndarray = edges - np.array([0, 0, 1, 1], np.float32)
    return Detections(pixels, labels, np.ones(len(boxes), np.float32))


def _mean(by_class: Mapping[str, float | None]) -> float:
    """Returns the mean over the classes that have an average precision, 0 without one."""
    values = [value for value in by_class.values() if value is not None]
    return float(np.mean(values)) if values else 0.0
