"""Turns the value of `--images` into a source."""

import glob
import os
import re
from pathlib import Path

from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.data.sources import SOURCES
from tfcolor.data.sources.base import Source
from tfcolor.data.sources.joined import join_sources

_SCHEME = re.compile(r"([a-z_][a-z0-9_]*):(.*)", re.DOTALL)


def open_source(place: str) -> Source:
    """Opens a collection of images.

    Args:
      place: a folder (recursive), an image, a glob, a text file of paths,
        `*.tfrecord*` shards, `builtin:photos[:train|heldout]`,
        `builtin:digits[:train|test]` or `builtin:digits_rot...`,
        `builtin:depth_scenes[:train|heldout][:COUNT]`, `nyu:FOLDER[:train|test]`,
        `depth:FOLDER[:SPLIT]`,
        `mnist:FOLDER[:train|test]`, `mnist_VARIATION:FOLDER[:SPLIT][:SETTINGS]`
        (see `open_variation`), `tfds:NAME[:SPLIT]`, `camvid:FOLDER[:SPLIT]`,
        `cifar100:FOLDER[:train|test]` or `cifar100_coarse:...`,
        `voc:FOLDER[:SPLIT]`, `voc_detection:...`, `voc_segmentation:...` or
        `video:FOLDER_OR_FILE[:train|heldout][:COUNT]`. `files:` and `tfrecord:`
        say what a path holds. Several of these with commas between them are
        joined, unless the whole is the name of a file or folder.

    Returns:
      The images, at least one.

    Raises:
      UsageError: if the word before a colon is no known source, or if there is
        nothing between two commas.
      UserError: if there is nothing there, or it cannot be used.
    """
    parts = split_places(place)
    if len(parts) > 1:
        return join_sources([open_source(part) for part in parts])
    scheme = _SCHEME.fullmatch(place)
    if scheme and not os.path.exists(place):
        return lookup(SOURCES, scheme[1], "image source")(scheme[2])
    return SOURCES["tfrecord" if _holds_records(place) else "files"](place)


def split_places(place: str) -> list[str]:
    """Returns the places between commas, unless the whole names a file or folder.

    Args:
      place: as `open_source` takes it.

    Returns:
      At least one place.

    Raises:
      UsageError: if there is nothing between two commas.
    """
    if "," not in place or _is_there(place):
        return [place]
    parts = [part.strip() for part in place.split(",")]
    if not all(parts):
        raise UsageError(f"{place!r} has nothing between two commas, or before or after one")
    return parts


def _is_there(place: str) -> bool:
    """Tells whether a text with commas names one place, whose name has commas."""
    scheme = _SCHEME.fullmatch(place)
    rest = scheme[2] if scheme else ""
    names = (place, rest, rest.rpartition(":")[0])
    paths = [os.path.expanduser(name) for name in names if name]
    return any(os.path.exists(path) or glob.glob(path) for path in paths)


def _holds_records(place: str) -> bool:
    """Tells TFRecord shards, or a folder of them, from other paths."""
    path = Path(place).expanduser()
    if path.is_dir():
        return bool(glob.glob(str(Path(glob.escape(str(path))) / "*.tfrecord*")))
    return ".tfrecord" in path.name
