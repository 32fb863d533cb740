"""How well the classes of objects that photographs show are predicted."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.seeds import derive_seed
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_labels import presence_annotation
from tfcolor.data.scene_views import corner_crops, random_scaled_crop
from tfcolor.data.sources.voc import DIFFICULT, PRESENT
from tfcolor.data.transforms import center_view
from tfcolor.evaluation.base import NetworkProtocol
from tfcolor.evaluation.class_figures import draw_precision_recall, precision_recall
from tfcolor.evaluation.examples import LabelledImage, LabelledImages
from tfcolor.evaluation.label_map_figures import draw_class_bars
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.subjects import TrainedNetwork, named_classes
from tfcolor.metrics.average_precision import TIE_PENALTY, VARIANTS, MeanAveragePrecision

_IMAGE = tf.TensorSpec([None, None, 3], tf.uint8)
_SEED = tf.TensorSpec([2], tf.int64)

Cut = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Cuts crops float32 [V, S, S, 3] out of uint8 [H, W, 3] by a seed int64 [2]."""


@dataclasses.dataclass(frozen=True)
class MultilabelEvaluationOptions:
    """How predicted classes of objects are compared with the true ones."""

    num_images: int = option(0, "measure only the first so many images; 0 for all", minimum=0)
    crops: str = option(
        "random",
        "views whose logits are averaged: randomly scaled ones as in training, four corners and"
        " the center with their mirror images, or the center",
        choices=("random", "corner", "center"),
    )
    num_crops: int = option(10, "random crops per image", minimum=1)
    side: int = option(
        0,
        "shorter side before cutting corners and center, pixels; 0 is 8/7 of the crop's",
        minimum=0,
    )
    seed: int = option(0, "chooses the random crops of each image", minimum=0)
    variant: str = option("step", "what is meant by average precision", choices=VARIANTS)


class MultilabelProtocol(NetworkProtocol[MultilabelEvaluationOptions]):
    """Ranks photographs by each class and takes the mean average precision.

    A network's logits are averaged over several crops. Several networks are an
    ensemble: the mean of their probabilities ranks. Objects marked as difficult
    count neither way, and ties are resolved against the networks.

    Args:
      options: which photographs, views and kind of average precision.

    References:
      Everingham et al. The PASCAL Visual Object Classes Challenge. IJCV 2010,
      section 4.2 (VOC 2007 classification); Krahenbuhl, Doersch, Donahue,
      Darrell. Data-dependent Initializations of Convolutional Neural Networks.
      ICLR 2016 (ten random crops).
    """

    name = "voc_classification"
    task = "multilabel"
    takes_several = True
    Options = MultilabelEvaluationOptions

    def evaluate(
        self,
        networks: Sequence[TrainedNetwork],
        reader: ExampleReader,
        reports: Reports | None = None,
    ) -> dict[str, Any]:
        """Measures one network, or several together.

        Args:
          networks: of the task multilabel, for the same classes.
          reader: photographs with the classes they show.
          reports: files to write besides; None for no file.

        Returns:
          `num_images`, `num_unreadable`, `mean_average_precision` over the
          classes of which there is a positive, `ap_by_class`, None for the
          others, and the `variant`.

        Raises:
          UsageError: if the views do not fit the networks.
          UserError: if it is not known what the images show, or the classes are
            others, or nothing can be read.
        """
        reports = reports or Reports()
        reports.check()
        names = named_classes(networks, reader.class_names)
        annotation = presence_annotation(reader, names)
        cuts = [self._build_cut(one) for one in networks]
        images = LabelledImages(reader, annotation, num_images=self._options.num_images)
        labels, scores, rows = [], [], []
        for example in images:
            labels.append(example.truth)
            scores.append(self._score(networks, cuts, example))
            rows.append(_row(example, scores[-1], names))
        metric = MeanAveragePrecision(len(names), self._options.variant, TIE_PENALTY)
        metric.update_state(np.stack(labels), np.stack(scores))
        precisions = {
            name: None if np.isnan(value) else float(value)
            for name, value in zip(names, metric.per_class().numpy(), strict=True)
        }
        reports.write(rows, _draw(np.stack(labels), np.stack(scores), precisions))
        return {
            "num_images": len(rows),
            "num_unreadable": images.num_unreadable,
            "mean_average_precision": float(metric.result()),
            "ap_by_class": precisions,
            "variant": self._options.variant,
        }

    def _build_cut(self, trained: TrainedNetwork) -> Cut:
        """Returns what cuts the crops that a network sees."""
        options, training = self._options, trained.options
        size = training.crop_size
        side = options.side or -(-8 * size // 7)
        if side < size:
            raise UsageError(
                f"--voc_classification_side={side}: expected at least {size}, the crop of "
                f"{trained.run}"
            )

        def cut(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            if options.crops == "center":
                return center_view(image, side, size)[None]
            if options.crops == "corner":
                return corner_crops(image, size, side)
            seeds = tf.random.experimental.stateless_split(seed, options.num_crops)
            scales = training.min_scale, training.max_scale
            views = [random_scaled_crop(image, one, size, *scales) for one in tf.unstack(seeds)]
            return tf.stack(views)

        return tf.function(cut, input_signature=[_IMAGE, _SEED], autograph=False)

    def _score(
        self, networks: Sequence[TrainedNetwork], cuts: Sequence[Cut], example: LabelledImage
    ) -> np.ndarray:
        """Returns what ranks an image, float64 [K]: logits, or mean probabilities.

        The crops depend on the seed and the file's name, not on other images.
        """
        seed = tf.constant([derive_seed(self._options.seed, Path(example.name).name), 0], tf.int64)
        logits = []
        for trained, cut in zip(networks, cuts, strict=True):
            views = trained.inputs(cut(tf.constant(example.image), seed))
            logits.append(trained.outputs(views)["logits"].numpy().mean(axis=0, dtype=np.float64))
        if len(logits) == 1:
            return logits[0]
        return np.mean([tf.sigmoid(one).numpy() for one in logits], axis=0)


def _row(example: LabelledImage, scores: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Returns the row of an image: what it shows, and the score of each class."""
    shown = {
        column: " ".join(names[label] for label in np.flatnonzero(example.truth == value))
        for column, value in (("classes", PRESENT), ("difficult", DIFFICULT))
    }
    values = {f"score_{name}": float(score) for name, score in zip(names, scores, strict=True)}
    return {"image": example.name, **shown, **values}


def _draw(
    labels: np.ndarray, scores: np.ndarray, precisions: Mapping[str, float | None]
) -> Iterator[tuple[str, Figure]]:
    """Yields the precision-recall curves and the scores by class."""
    curves = {
        name: precision_recall(labels[:, label], scores[:, label])
        for label, name in enumerate(precisions)
    }
    yield "precision_recall", draw_precision_recall(curves, precisions)
    values = [np.nan if value is None else value for value in precisions.values()]
    if not np.all(np.isnan(values)):
        yield "ap_by_class", draw_class_bars(list(precisions), values, "average precision")
