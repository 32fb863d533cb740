"""The table of image sources by the scheme that `--images` names them with."""

from collections.abc import Callable, Mapping

from tfcolor.data.sources.base import Source
from tfcolor.data.sources.builtin_photos import open_photos
from tfcolor.data.sources.image_folder import open_images
from tfcolor.data.sources.tfds_builder import open_tfds
from tfcolor.data.sources.tfrecord import open_shards

SOURCES: Mapping[str, Callable[[str], Source]] = {
    "builtin": open_photos,
    "files": open_images,
    "tfds": open_tfds,
    "tfrecord": open_shards,
}
