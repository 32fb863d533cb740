"""How far away each pixel of a photograph is."""

import dataclasses
from collections.abc import Mapping

import cv2
import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.replicas import gather_replicas
from tfcolor.core.taps import Tap
from tfcolor.data.depth_views import DepthViewOptions, center_depth_view, random_depth_view
from tfcolor.data.pipeline import Annotation, Example
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_depths import depth_annotation, mean_depth
from tfcolor.heads.up_projection import UpProjectionHead, sampled_pixels
from tfcolor.losses.reverse_huber import reverse_huber, reverse_huber_threshold
from tfcolor.metrics.depth import DEPTH_MEASURES, DepthMetric, is_valid_depth
from tfcolor.tasks.annotated import AnnotatedTask
from tfcolor.tasks.base import TRAIN_SPLIT, Panel, Tensors
from tfcolor.tasks.image_task import image_pixels

UNKNOWN_COLOR = (128, 128, 128)
"""Of pixels in pictures whose depth is not known."""


@dataclasses.dataclass(frozen=True)
class DepthOptions(DepthViewOptions):
    """In which views, and from which map, the depth task predicts."""

    input: str = option("color", "what the network sees", choices=("gray", "color"))
    tap: str = option("", "the map of the backbone that is read; empty for the last")
    channels: tuple[int, ...] = option(
        (512, 256, 128), "channels of each block that doubles the map", minimum=1
    )
    cell_size: int = option(
        2, "from a pixel that is compared with its depth to the next, pixels", minimum=1
    )
    mean_depth: float = option(
        0.0,
        "depth in meters at which predictions begin; 0 takes the mean of the images to learn from",
        minimum=0,
    )

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "DepthOptions":
        """Fills in the mean depth.

        Args:
          readers: the images by split, with depth.
          canonical_size: not read; views may have any size.

        Returns:
          Options without a mean depth of 0.

        Raises:
          UserError: if the images have no depth.
        """
        del canonical_size
        depth = self.mean_depth or round(mean_depth(readers[TRAIN_SPLIT]), 4)
        return dataclasses.replace(self, mean_depth=depth)


class DepthTask(AnnotatedTask):
    """Predicts the depth of pixels by up-projections of one map.

    Args:
      options: views, map and blocks; completed if there are readers.
      readers: where each split's images come from, all with depth.
      color_input: as of `ImageTask`.

    References:
      Laina, Rupprecht, Belagiannis, Tombari, Navab. Deeper Depth Prediction with
      Fully Convolutional Residual Networks. 3DV 2016.
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 5.
    """

    name = "depth"
    convolutional = True
    score = "delta_1"
    Options = DepthOptions

    def annotate(self, reader: ExampleReader, class_names: tuple[str, ...]) -> Annotation:
        """Returns the depth of each image, float32 [H, W].

        Args:
          reader: the images.
          class_names: not read.

        Returns:
          The depth in meters, 0 where it is not known.

        Raises:
          UserError: if the images have no depth.
        """
        del class_names
        return depth_annotation(reader)

    def make_example(self, rgb: tf.Tensor, depth: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets of one random view.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          depth: float32 [H, W], meters; 0 where it is not known.
          seed: int64 [2], the example's own; fixes the view.

        Returns:
          Inputs: `image` float32 [S, T, 1 or 3] in [0, 1]. Targets: `depth`
          float32 [s, t], meters, of every so many-th pixel.
        """
        return self._example(*random_depth_view(rgb, depth, seed, self.options))

    def make_heldout_example(self, rgb: tf.Tensor, depth: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets of the middle of a held-out image.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          depth: float32 [H, W], meters; 0 where it is not known.
          seed: not read.

        Returns:
          As `make_example`.
        """
        del seed
        return self._example(*center_depth_view(rgb, depth, self.options))

    def _example(self, view: tf.Tensor, depth: tf.Tensor) -> Example:
        """Returns a view, float32 [S, T, 3], with the depth that is compared."""
        cell_size = self.options.cell_size
        first = int(sampled_pixels(cell_size).offset[0])
        return {"image": self.as_input(view)}, {"depth": depth[first::cell_size, first::cell_size]}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the blocks on the chosen map.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with the output `map`, float32 [B, s, t] in meters.

        Raises:
          UsageError: if `--depth_tap` is none of the backbone's, the blocks double
            its map more often than its stride allows, or the views are not made
            of whole cells of it.
        """
        options = self.options
        tap = lookup(taps, options.tap or list(taps)[-1], "tap")
        if tap.stride % 2 ** len(options.channels):
            raise UsageError(
                f"--depth_channels={','.join(map(str, options.channels))}: the map of {tap.name} "
                f"has a stride of {tap.stride}, which {len(options.channels)} blocks cannot halve"
            )
        # The last cells of a map would else lie beyond the view: they would learn
        # nothing, and spoil a strip of larger images along the border.
        for side, size in (("height", options.crop_height), ("width", options.crop_width)):
            if size % tap.stride:
                raise UsageError(
                    f"--depth_crop_{side}={size}: expected a multiple of {tap.stride}, the stride "
                    f"of {tap.name}"
                )
        return UpProjectionHead(
            tap,
            options.channels,
            options.cell_size,
            initial_value=options.mean_depth,
            seed=seed,
        )

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the reverse Huber loss of the pixels whose depth is known.

        Its threshold is that of the whole batch, over all replicas; upon parameter
        servers it is that of a worker's share.

        Args:
          targets: `depth`, float32 [B, s, t], meters.
          outputs: `map`, float32 [B, s, t], meters.

        Returns:
          `reverse_huber`, float32 [B], the sum over the known pixels.
        """
        is_valid = is_valid_depth(targets["depth"])
        errors = outputs["map"] - targets["depth"]
        own = reverse_huber_threshold(errors, is_valid)
        threshold = tf.reduce_max(gather_replicas(own[tf.newaxis]))
        losses = reverse_huber(errors, is_valid, threshold)
        return {"reverse_huber": tf.reduce_sum(losses, axis=[1, 2])}

    def count_samples(self, targets: Tensors) -> tf.Tensor:
        """Returns the number of pixels whose depth is known, float32 [B]."""
        is_valid = is_valid_depth(targets["depth"])
        return tf.reduce_sum(tf.cast(is_valid, tf.float32), axis=[1, 2])

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns the measures over the compared pixels.

        Args:
          fitted: not read; there is no baseline to fit.

        Returns:
          All of `DEPTH_MEASURES`. The protocol measures whole images instead.
        """
        del fitted
        return {name: PixelDepthMetric(name) for name in DEPTH_MEASURES}

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns each view, its depth and the answer.

        Args:
          inputs: `image`, float32 [B, S, T, C].
          targets: `depth`, float32 [B, s, t].
          outputs: `map`, float32 [B, s, t].

        Returns:
          Three panels for each example; dark is far, and gray is not known.
        """
        depths, answers = np.asarray(targets["depth"]), np.asarray(outputs["map"])
        rows = []
        for view, depth, answer in zip(image_pixels(inputs["image"]), depths, answers, strict=True):
            limit = max(float(depth.max()), 1e-3)
            panels = {"view": view, f"depth to {limit:.1f} m": paint_depth(depth, limit)}
            panels["answer"] = paint_depth(np.maximum(answer, 1e-3), limit)
            rows.append([Panel(*panel) for panel in panels.items()])
        return rows


class PixelDepthMetric(DepthMetric):
    """A measure over the compared pixels.

    Args:
      measure: one of `DEPTH_MEASURES`.
      name: the metric's name; empty for that of the measure.
      dtype: type of the sums.
    """

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `depth` and `map`, float32 [B, s, t] in meters."""
        super().update_state(targets["depth"], outputs["map"])


def paint_depth(depth: np.ndarray, limit: float) -> np.ndarray:
    """Returns a depth map as a picture.

    Args:
      depth: float [H, W], meters; 0 where it is not known.
      limit: the depth of the darkest color, meters.

    Returns:
      uint8 [H, W, 3], gray where the depth is not known.
    """
    shares = np.round(255 * (1 - np.clip(depth / limit, 0, 1))).astype(np.uint8)
    picture = cv2.applyColorMap(shares, cv2.COLORMAP_VIRIDIS)[..., ::-1].copy()
    picture[depth <= 0] = UNKNOWN_COLOR
    return picture
