"""Which classes an image shows, and where, as annotations for the pipeline."""

import tensorflow as tf

from tfcolor.data.labels import NUM_CHECKED
from tfcolor.data.pipeline import Annotation
from tfcolor.data.sources.label_maps import LabelMapSource
from tfcolor.data.sources.voc import PresenceSource


def presence_annotation(source: PresenceSource) -> Annotation:
    """Returns what gives the pipeline the classes that each image shows.

    Args:
      source: images with the classes of their objects; the reader's source.

    Returns:
      int32 [K], 1 for present, 0 for absent and -1 for difficult objects only.
    """
    return Annotation(source.presence_of, tf.int32, (len(source.class_names),))


def label_map_annotation(source: LabelMapSource) -> Annotation:
    """Returns what gives the pipeline the class of each pixel.

    Args:
      source: images with label maps; the reader's source.

    Returns:
      uint8 [H, W], in [0, K) or 255 for void.

    Raises:
      UserError: if a label map cannot be used. Raised here for some that are
        spread evenly, and for the others when they are read.
    """
    for position in range(0, source.num_examples, -(-source.num_examples // NUM_CHECKED)):
        source.label_map_of(position)
    return Annotation(source.label_map_of, tf.uint8, (None, None))
