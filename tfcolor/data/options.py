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
        "TFRecord shards, tfds:NAME[:SPLIT] or builtin:photos[:train|:heldout]",
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


def open_readers(options: DataOptions) -> dict[str, ExampleReader]:
    """Opens the images of the "train" and "heldout" splits.

    Args:
      options: where the images are.

    Returns:
      A reader per split; without "heldout" if nothing is set aside.

    Raises:
      UserError: if a place is not given, does not exist or holds no image.
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
    """Splits a source by a hash of each name, so that new files move no others."""
    names = [source.name_of(position) for position in range(source.num_examples)]
    common = os.path.commonpath(names) if all(map(os.path.isabs, names)) else ""
    ranks = [_rank(name.removeprefix(common)) for name in names]
    # Few images may all fall on one side; the extreme ones go to each then.
    limit = min(max(fraction, min(ranks)), sorted(ranks)[-2])
    heldout = [position for position, rank in enumerate(ranks) if rank <= limit]
    train = [position for position, rank in enumerate(ranks) if rank > limit]
    return {"train": SubsetSource(source, train), "heldout": SubsetSource(source, heldout)}


def _rank(name: str) -> float:
    """Returns a number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
