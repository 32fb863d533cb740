"""How well images are classified by single layers of a frozen backbone."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.data.labels import label_annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_views import corner_crops
from tfcolor.data.transforms import center_view
from tfcolor.evaluation.base import NetworkProtocol
from tfcolor.evaluation.class_figures import draw_layer_accuracies
from tfcolor.evaluation.examples import LabelledImages, in_batches
from tfcolor.evaluation.image_classification import classification_figures
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.subjects import TrainedNetwork, named_classes

_IMAGE = tf.TensorSpec([None, None, 3], tf.uint8)


@dataclasses.dataclass(frozen=True)
class LinearProbeEvaluationOptions:
    """How the classifiers of the layers are measured."""

    num_images: int = option(0, "measure only the first so many images; 0 for all", minimum=0)
    crops: str = option(
        "center",
        "views whose probabilities are averaged: the center, or four corners and the center with"
        " their mirror images",
        choices=("center", "corner"),
    )
    batch_size: int = option(32, "images that the network sees at a time", minimum=1)


class LinearProbeProtocol(NetworkProtocol[LinearProbeEvaluationOptions]):
    """Measures every classifier of a run of the task linear_probe.

    Args:
      options: which images and views.

    References:
      Zhang, Isola, Efros. Split-Brain Autoencoders. CVPR 2017; Caron, Bojanowski,
      Joulin, Douze. Deep Clustering for Unsupervised Learning of Visual Features.
      ECCV 2018 (ten crops).
    """

    name = "linear_probe"
    task = "linear_probe"
    Options = LinearProbeEvaluationOptions

    def evaluate(
        self,
        networks: Sequence[TrainedNetwork],
        reader: ExampleReader,
        reports: Reports | None = None,
    ) -> dict[str, Any]:
        """Measures the classifiers.

        Args:
          networks: one, of the task linear_probe.
          reader: images with a class each, matched by name where it has one.
          reports: files to write besides; None for no file.

        Returns:
          `num_images`, `num_unreadable`, and the `layers`: of each `num_features`
          and what `classification_figures` gives.

        Raises:
          UsageError: if the views do not fit the network.
          UserError: if an image has no class or an unknown one, or nothing can
            be read.
        """
        (trained,) = networks
        reports = reports or Reports()
        reports.check()
        names = named_classes(networks, reader.class_names)
        annotation = label_annotation(reader, len(names), names)
        images = LabelledImages(reader, annotation, num_images=self._options.num_images)
        cut, labels = self._build_cut(trained), []
        probs: dict[str, list[np.ndarray]] = {tap: [] for tap in trained.options.taps}
        for batch in in_batches(images, self._options.batch_size):
            labels += [int(example.truth) for example in batch]
            views = tf.stack([cut(example.image) for example in batch])
            for tap, values in _predict(trained, views).items():
                probs[tap].append(values)
        features = trained.network.head.num_features
        layers = {
            tap: {
                "num_features": features[tap],
                **classification_figures(np.array(labels), np.concatenate(values)),
            }
            for tap, values in probs.items()
        }
        reports.write(_rows(layers), _draw(layers))
        return {
            "num_images": len(labels),
            "num_unreadable": images.num_unreadable,
            "layers": layers,
        }

    def _build_cut(self, trained: TrainedNetwork) -> Callable[[np.ndarray], tf.Tensor]:
        """Returns what cuts views float32 [V, S, S, 3] out of uint8 [H, W, 3]."""
        side, size = trained.options.min_side, trained.options.crop_size
        if self._options.crops == "corner" and side < size:
            raise UsageError(
                f"--linear_probe_crops=corner: {trained.run} has views of {size} pixels out of "
                f"{side}; expected center"
            )

        def cut(image: tf.Tensor) -> tf.Tensor:
            if self._options.crops == "corner":
                return corner_crops(image, size, side)
            return center_view(image, side, size)[tf.newaxis]

        return tf.function(cut, input_signature=[_IMAGE], autograph=False)


def _predict(trained: TrainedNetwork, views: tf.Tensor) -> dict[str, np.ndarray]:
    """Returns probabilities float64 [B, K] by tap of views float32 [B, V, S, S, 3]."""
    batch, count = views.shape[:2]
    outputs = trained.outputs(trained.inputs(tf.reshape(views, [-1, *views.shape[2:]])))
    found = {}
    for tap, logits in outputs.items():
        probs = tf.nn.softmax(tf.cast(logits, tf.float64)).numpy()
        found[tap] = probs.reshape(batch, count, -1).mean(axis=1)
    return found


def _rows(layers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the table: a row for each layer."""
    return [
        {
            "layer": tap,
            **{name: value for name, value in figures.items() if not isinstance(value, list)},
        }
        for tap, figures in layers.items()
    ]


def _draw(layers: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Figure]]:
    """Yields the accuracies by layer."""
    values = [figures["top1_accuracy"] for figures in layers.values()]
    intervals = [figures["top1_accuracy_interval"] for figures in layers.values()]
    yield "accuracy_by_layer", draw_layer_accuracies(list(layers), values, intervals)
