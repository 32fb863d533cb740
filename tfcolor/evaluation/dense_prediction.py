"""The class of every pixel of a photograph, from hypercolumns on a grid."""

import numpy as np
import tensorflow as tf

from tfcolor.core.taps import Tap, map_size
from tfcolor.data.scene_views import padded_scene
from tfcolor.evaluation.subjects import TrainedNetwork
from tfcolor.ops.dense_sampling import resize_features


class DensePredictor:
    """Predicts pixels at the photograph's own scale.

    A photograph that is smaller than the crops of the training is put into the
    middle of a black canvas of their size, as there. A larger one is not: the
    network has seen no black beside such photographs. The head computes logits
    on a grid over the canvas by the rule of sparse locations, and the same rule
    takes them from the grid to the pixels.

    Args:
      trained: a network with a hypercolumn head for `class`.
      size: least side of the canvas, in pixels; 0 takes that of the crops.
      grid_stride: pixels per cell of the grid; 1 computes every pixel.

    References:
      Larsson, Maire, Shakhnarovich. Colorization as a Proxy Task for Visual
      Understanding. CVPR 2017, section 4.
    """

    def __init__(self, trained: TrainedNetwork, size: int = 0, grid_stride: int = 4) -> None:
        self._trained = trained
        backbone = trained.network.backbone
        self._size = size or trained.options.crop_size
        self._grid_stride = grid_stride
        pair = tf.TensorSpec([2], tf.int32)
        scene = tf.TensorSpec([1, None, None, backbone.input_channels], tf.float32)
        self._graph = tf.function(
            self._pixels, input_signature=[scene, pair, pair], autograph=False
        )

    def logits(self, image: np.ndarray) -> tf.Tensor:
        """Predicts the logits of every pixel.

        Args:
          image: uint8 [H, W, 3].

        Returns:
          float32 [H, W, K].
        """
        size = image.shape[:2]
        canvas = [max(side, self._size) for side in size]
        scene, offset = padded_scene(tf.constant(image), *canvas)
        return self._graph(self._trained.inputs(scene[None]), offset, tf.constant(size))

    def _pixels(self, scene: tf.Tensor, offset: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """Computes logits float32 [H, W, K] at `size` pixels from `offset` on.

        `scene` is float32 [1, H', W', C], `offset` and `size` are int32 [2].
        """
        network, canvas = self._trained.network, map_size(scene)
        logits, grid = network.head.dense(
            network.read(scene),
            network.backbone.taps(*canvas),
            canvas,
            grid_stride=self._grid_stride,
            alignment=network.backbone.options.tap_alignment,
        )
        pixels = Tap("pixels", 1, tuple(tf.unstack(offset)))
        return resize_features(logits["class_logits"], grid, pixels, tuple(tf.unstack(size)))[0]
