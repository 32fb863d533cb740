"""Turns the value of `--images` into a source."""

import glob
import re
from pathlib import Path

from tfcolor.core.lookup import lookup
from tfcolor.data.sources import SOURCES
from tfcolor.data.sources.base import Source

_SCHEME = re.compile(r"([a-z_]+):(.*)", re.DOTALL)


def open_source(place: str) -> Source:
    """Opens a collection of images.

    Args:
      place: a folder (recursive), an image, a glob, a text file of paths,
        `*.tfrecord*` shards, `builtin:photos[:train|heldout]`,
        `tfds:NAME[:SPLIT]`, `camvid:FOLDER[:SPLIT]`, `voc:FOLDER[:SPLIT]` or
        `voc_segmentation:FOLDER[:SPLIT]`. `files:` and `tfrecord:` say what a
        path holds.

    Returns:
      The images, at least one.

    Raises:
      UsageError: if the word before the colon is no known source.
      UserError: if there is nothing there, or it cannot be used.
    """
    scheme = _SCHEME.fullmatch(place)
    if scheme and not Path(place).exists():
        return lookup(SOURCES, scheme[1], "image source")(scheme[2])
    return SOURCES["tfrecord" if _holds_records(place) else "files"](place)


def _holds_records(place: str) -> bool:
    """Tells TFRecord shards, or a folder of them, from other paths."""
    path = Path(place).expanduser()
    if path.is_dir():
        return bool(glob.glob(str(Path(glob.escape(str(path))) / "*.tfrecord*")))
    return ".tfrecord" in path.name
