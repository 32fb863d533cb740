"""How far away each pixel of an image is, as an annotation for the pipeline."""

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.pipeline import Annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.depth_maps import DepthSource

NUM_SAMPLED = 200
"""Images whose mean depth stands for that of all."""


def depth_annotation(reader: ExampleReader) -> Annotation:
    """Returns what gives the pipeline the depth of each pixel.

    Args:
      reader: images with depth, as of "nyu:FOLDER".

    Returns:
      float32 [H, W], meters; 0 where it is not known.

    Raises:
      UserError: if the images are of another kind.
    """
    source = reader.source
    if not isinstance(source, DepthSource):
        raise UserError(
            f"{reader.name_of(0)} has no depth: name images as nyu:FOLDER[:SPLIT], "
            "depth:FOLDER[:SPLIT] or builtin:depth_scenes[:SPLIT]"
        )

    def read(position: int) -> np.ndarray:
        depth = source.depth_of(position)
        return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)

    return Annotation(read, tf.float32, (None, None))


def mean_depth(reader: ExampleReader) -> float:
    """Returns the mean depth of the pixels of up to `NUM_SAMPLED` images.

    Args:
      reader: images with depth.

    Returns:
      Meters; the images are spread evenly, and each counts by its valid pixels.

    Raises:
      UserError: if the images have no depth, or it is known nowhere.
    """
    annotation = depth_annotation(reader)
    total, count = 0.0, 0
    for position in range(0, reader.num_examples, -(-reader.num_examples // NUM_SAMPLED)):
        try:
            depth = annotation.read(position)
        except UnreadableImageError:
            continue
        total += float(depth.sum(dtype=np.float64))
        count += int(np.count_nonzero(depth))
    if not count:
        raise UserError(f"{reader.name_of(0)} and those after it: no depth is known anywhere")
    return total / count
