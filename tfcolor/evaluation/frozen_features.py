"""Features of a trained backbone, one vector per image."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.data.transforms import center_view
from tfcolor.evaluation.examples import LabelledImage, in_batches
from tfcolor.evaluation.subjects import TrainedNetwork

TOP = "top"


class FrozenFeatures:
    """Describes images by what a backbone computes, as after training.

    Args:
      trained: a network of any task.
      taps: the taps to average over the image and to join; none takes the top
        of the backbone's canonical mode.
      size: side of the square cut from the middle of each image, in pixels; 0
        is the backbone's canonical size, the only one for its top.
      batch_size: images that the network sees at a time.

    Raises:
      UsageError: if the backbone has no such tap, or its top another size.
    """

    def __init__(
        self,
        trained: TrainedNetwork,
        taps: Sequence[str] = (),
        size: int = 0,
        batch_size: int = 32,
    ) -> None:
        backbone = trained.network.backbone
        for name in taps:
            lookup(backbone.tap_channels, name, "tap")
        if not taps and size not in (0, backbone.canonical_size):
            raise UsageError(
                f"size={size}: the backbone's top is of images of {backbone.canonical_size}"
                " pixels; name taps for images of another size"
            )
        self.names = tuple(taps) or (TOP,)
        self._trained, self._batch_size = trained, batch_size
        self._is_convolutional = bool(taps)
        self._size = size or backbone.canonical_size
        self._graph: Callable[[tf.Tensor], tf.Tensor] = tf.function(
            self._compute, reduce_retracing=True, autograph=False
        )
        # Ten times as fast as one operation after the other.
        self._cut: Callable[[np.ndarray], tf.Tensor] = tf.function(
            lambda image: center_view(image, self._size, self._size),
            input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)],
            autograph=False,
        )

    def describe(self, images: Iterable[LabelledImage]) -> dict[int, tuple[np.ndarray, int]]:
        """Computes the features of images.

        Args:
          images: with their labels.

        Returns:
          Features float32 [D] and label by position.
        """
        found = {}
        for batch in in_batches(images, self._batch_size):
            views = [self._view(example.image) for example in batch]
            features = self._graph(self._trained.inputs(tf.stack(views))).numpy()
            for example, row in zip(batch, features, strict=True):
                found[example.position] = row, int(example.truth)
        return found

    def _view(self, image: np.ndarray) -> tf.Tensor:
        """Returns what the backbone sees, float32 [S, S, 3], of uint8 [H, W, 3]."""
        return self._cut(image)

    def _compute(self, images: tf.Tensor) -> tf.Tensor:
        """Returns float32 [B, D] of images float32 [B, S, S, C]."""
        backbone = self._trained.network.backbone
        maps = backbone(images, training=False, convolutional=self._is_convolutional)
        parts = [tf.cast(maps[name], tf.float32) for name in self.names]
        means = [tf.reduce_mean(one, [1, 2]) if one.shape.rank == 4 else one for one in parts]
        return tf.concat(means, axis=-1)
