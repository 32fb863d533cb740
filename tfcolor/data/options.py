"""Which images to learn from, and which to measure on."""

import dataclasses
import hashlib
import os

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.base import Source
from tfcolor.data.sources.opening import open_source


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """Which images to learn from, and which to measure on."""

    images: str = option(
        "",
        "images to learn from: a folder (searched recursively), a glob, a .txt list of paths, "
        "TFRecord shards, tfds:NAME[:SPLIT], voc:FOLDER[:SPLIT], camvid:FOLDER[:SPLIT] or "
        "builtin:photos[:train|:heldout]",
    )
    heldout_images: str = option(
        "", "images to measure on, in the same forms; empty sets some of --images aside"
    )
    heldout_fraction: float = option(
        0.1,
        "part of --images set aside if --heldout_images is empty; 0 for none",
        minimum=0,
        maximum=0.9,
    )
    cache_images_mb: int = option(512, "memory for decoded images, megabytes", minimum=0)


class SubsetSource:
    """Some images of another source.

    Args:
      source: all images.
      positions: which of them, in order.
    """

    def __init__(self, source: Source, positions: list[int]) -> None:
        self._source, self._positions = source, positions

    @property
    def num_examples(self) -> int:
        """Returns the number of images."""
        return len(self._positions)

    def name_of(self, index: int) -> str:
        """Returns what messages call an image."""
        return self._source.name_of(self._positions[index])

    def read_bytes(self, index: int) -> bytes:
        """Returns the encoded image."""
        return self._source.read_bytes(self._positions[index])

    @property
    def class_names(self) -> tuple[str, ...]:
        """Returns the name of each class of all images."""
        return self._source.class_names

    def label_of(self, index: int) -> int | None:
        """Returns the class of an image, or None if it has none."""
        return self._source.label_of(self._positions[index])


def open_readers(options: DataOptions) -> dict[str, ExampleReader]:
    """Opens the images of the "train" and "heldout" splits.

    Args:
      options: where the images are.

    Returns:
      A reader per split; without "heldout" if nothing is set aside.

    Raises:
      UsageError: if no place is given.
      UserError: if a place does not exist or holds no image.
    """
    if not options.images:
        raise UsageError(
            "--images is not given: name a folder, a glob, a .txt list, TFRecord shards, "
            "tfds:NAME or builtin:photos"
        )
    sources = {"train": open_source(options.images)}
    if options.heldout_images:
        sources["heldout"] = open_source(options.heldout_images)
    elif options.heldout_fraction > 0 and sources["train"].num_examples > 1:
        sources = _set_aside(sources["train"], options.heldout_fraction)
    cache_bytes = options.cache_images_mb * 2**20
    return {split: ExampleReader(source, cache_bytes) for split, source in sources.items()}


def _set_aside(source: Source, fraction: float) -> dict[str, Source]:
    """Splits a source by a hash of each name: a new file moves at most one other."""
    names = [source.name_of(position) for position in range(source.num_examples)]
    # Below their common folder, so that another spelling of it changes nothing.
    common = "" if len(set(map(os.path.isabs, names))) > 1 else os.path.commonpath(names)
    order = sorted(range(len(names)), key=lambda position: _rank(names[position], common))
    count = min(max(round(fraction * len(names)), 1), len(names) - 1)
    return {
        "train": SubsetSource(source, sorted(order[count:])),
        "heldout": SubsetSource(source, sorted(order[:count])),
    }


def _rank(name: str, folder: str) -> bytes:
    """Returns what to sort by: a hash of the name below `folder`."""
    return hashlib.sha256(name.removeprefix(folder).encode()).digest()
