"""The objects that a trained detector finds in a photograph."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfcolor.core.boxes import clip_boxes, edges_to_pixels
from tfcolor.data.scene_boxes import ROW_LENGTH, box_scene
from tfcolor.evaluation.subjects import TrainedNetwork


class Detections(NamedTuple):
    """The objects found in a photograph, in falling order of the score.

    Attributes:
      boxes: float32 [D, 4], (y1, x1, y2, x2), the first and last pixels, counted
        from 0.
      labels: int32 [D] in [0, K).
      scores: float32 [D] in [0, 1].
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


class BoxPredictor:
    """Finds objects as the network was measured in training: at one scale.

    A photograph is rescaled, put into the corner of a canvas no larger than it needs,
    and what is found is scaled back.

    Args:
      trained: a network of the task detection.
      scale: length of the shorter side, pixels; 0 takes that of the training.
      max_side: longest length of the longer side, pixels; 0 likewise.
    """

    def __init__(self, trained: TrainedNetwork, scale: int = 0, max_side: int = 0) -> None:
        self._trained = trained
        self._scale = scale or trained.options.test_scale
        self._max_side = max_side or trained.options.test_max_side
        image = tf.TensorSpec([None, None, 3], tf.uint8)
        self._graph = tf.function(self._find, input_signature=[image], autograph=False)

    def find(self, image: np.ndarray) -> Detections:
        """Finds objects.

        Args:
          image: uint8 [H, W, 3].

        Returns:
          What is found, each class by itself.
        """
        boxes, labels, scores = (one.numpy() for one in self._graph(tf.constant(image)))
        is_real = labels >= 0
        return Detections(boxes[is_real], labels[is_real], scores[is_real])

    def _find(self, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns boxes float32 [D, 4], labels int32 [D] and scores float32 [D]."""
        nothing = tf.zeros([0, ROW_LENGTH])
        side = tf.constant(self._scale)
        scene = box_scene(image, nothing, side, self._max_side, tf.constant(False))
        inputs = self._trained.inputs(scene.image[tf.newaxis])
        outputs = self._trained.network({"image": inputs, "size": scene.size[tf.newaxis]})
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        factor = size / tf.cast(scene.size, tf.float32)
        edges = outputs["found_boxes"][0] * tf.concat([factor, factor], axis=0)
        boxes = edges_to_pixels(clip_boxes(edges, size))
        return boxes, outputs["found_labels"][0], outputs["found_scores"][0]
