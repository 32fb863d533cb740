"""How well whole images are classified."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tfcolor.core.options import option
from tfcolor.data.labels import label_annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import center_view
from tfcolor.evaluation.base import NetworkProtocol
from tfcolor.evaluation.class_figures import draw_confused_pairs
from tfcolor.evaluation.examples import LabelledImage, LabelledImages, in_batches
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.subjects import TrainedNetwork, named_classes
from tfcolor.metrics.intervals import bootstrap_interval
from tfcolor.tasks.classification import NUM_GUESSES


@dataclasses.dataclass(frozen=True)
class ImageClassificationOptions:
    """How predicted classes of images are compared with the true ones."""

    num_images: int = option(0, "measure only the first so many images; 0 for all", minimum=0)
    batch_size: int = option(32, "images that a network sees at a time", minimum=1)


class ImageClassificationProtocol(NetworkProtocol[ImageClassificationOptions]):
    """Classifies the middle of each image.

    Several networks are an ensemble: the mean of their probabilities decides.

    Args:
      options: which images.
    """

    name = "image_classification"
    task = "classification"
    takes_several = True
    Options = ImageClassificationOptions

    def evaluate(
        self,
        networks: Sequence[TrainedNetwork],
        reader: ExampleReader,
        reports: Reports | None = None,
    ) -> dict[str, Any]:
        """Measures one network, or several together.

        Args:
          networks: of the task classification, for the same classes.
          reader: images with a class each, matched by name where it has one.
          reports: files to write besides; None for no file.

        Returns:
          `num_images`, `num_unreadable`, `top1_accuracy` with its 95 % interval
          `top1_accuracy_interval`, `top1_error_rate`, which is 1 less it,
          `top5_accuracy` where there are more than five classes, and `loss`, the
          mean cross-entropy in nats.

        Raises:
          UserError: if an image has no class or an unknown one, or nothing can
            be read.
        """
        reports = reports or Reports()
        reports.check()
        names = named_classes(networks, reader.class_names)
        annotation = label_annotation(reader, len(names), names)
        images = LabelledImages(reader, annotation, num_images=self._options.num_images)
        rows, probs = [], []
        for batch in in_batches(images, self._options.batch_size):
            probs.append(_predict(networks, [example.image for example in batch]))
            pairs = zip(batch, probs[-1], strict=True)
            rows += [_row(example, values, names) for example, values in pairs]
        labels = np.array([row["label"] for row in rows])
        figures = classification_figures(labels, np.concatenate(probs))
        reports.write(rows, _draw(labels, np.concatenate(probs), names))
        return {
            "num_images": len(rows),
            "num_unreadable": images.num_unreadable,
            **figures,
        }


def _predict(networks: Sequence[TrainedNetwork], images: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the mean probabilities, float64 [B, K], of uint8 [H, W, 3] each."""
    probs = []
    for trained in networks:
        options = trained.options
        views = [center_view(image, options.min_side, options.crop_size) for image in images]
        logits = trained.outputs(trained.inputs(tf.stack(views)))["logits"]
        probs.append(tf.nn.softmax(tf.cast(logits, tf.float64)).numpy())
    return np.mean(probs, axis=0)


def classification_figures(labels: np.ndarray, probs: np.ndarray) -> dict[str, Any]:
    """Returns how well probabilities tell classes apart; ties count against them.

    Args:
      labels: int [N] in [0, K).
      probs: float64 [N, K], of each class.

    Returns:
      `top1_accuracy` with its 95 % interval `top1_accuracy_interval`,
      `top1_error_rate`, `top5_accuracy` where there are more than five classes,
      and `loss`, the mean cross-entropy in nats.
    """
    of_truth = probs[np.arange(len(labels)), labels]
    rank = (probs >= of_truth[:, None]).sum(axis=1)
    figures: dict[str, Any] = {
        "top1_accuracy": float(np.mean(rank <= 1)),
        "top1_accuracy_interval": list(bootstrap_interval(rank <= 1)),
        "top1_error_rate": float(np.mean(rank > 1)),
    }
    if probs.shape[1] > NUM_GUESSES:
        figures["top5_accuracy"] = float(np.mean(rank <= NUM_GUESSES))
    tiny = np.finfo(np.float64).tiny
    return {**figures, "loss": float(-np.log(np.maximum(of_truth, tiny)).mean())}


def _row(example: LabelledImage, probs: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Returns the row of an image with its probabilities float64 [K]."""
    label, predicted = int(example.truth), int(np.argmax(probs))
    return {
        "image": example.name,
        "label": label,
        "class": names[label],
        "predicted": names[predicted],
        "is_right": int(np.sum(probs >= probs[label])) == 1,
        "probability_of_class": float(probs[label]),
    }


def _draw(
    labels: np.ndarray, probs: np.ndarray, names: Sequence[str]
) -> Iterator[tuple[str, Figure]]:
    """Yields the most frequent mistakes."""
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, (labels, probs.argmax(axis=1)), 1)
    yield "confused_pairs", draw_confused_pairs(confusion, names)
