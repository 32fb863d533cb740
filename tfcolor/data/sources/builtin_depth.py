"""Synthetic rooms with depth, to try things out without a file."""

import functools
from collections.abc import Sequence

import numpy as np

from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.core.seeds import derive_seed
from tfcolor.data.depth_scenes import DepthScene, draw_depth_scene
from tfcolor.data.sources.array import encode_png

NUM_SCENES = {"train": 1000, "heldout": 200}
"""Scenes of each split where no other number is asked for."""

_NUM_KEPT = 2048


class DepthSceneSource:
    """Rooms that are drawn when they are looked at; the latest ones are kept.

    Args:
      split: which rooms; those of two splits have nothing in common.
      positions: the numbers of the rooms, each drawn from its own number.
    """

    def __init__(self, split: str, positions: Sequence[int]) -> None:
        self._split, self._positions = split, positions

    @property
    def num_examples(self) -> int:
        """Returns the number of rooms."""
        return len(self._positions)

    def name_of(self, index: int) -> str:
        """Returns what messages call a room."""
        return f"builtin:depth_scenes/{self._split}/{self._positions[index]:05d}"

    def read_bytes(self, index: int) -> bytes:
        """Returns the picture of one room as PNG."""
        return encode_png(self._scene(index).image)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Returns no names: rooms have no classes."""
        return ()

    def label_of(self, index: int) -> None:
        """Returns None: rooms have no classes."""
        del index

    def select(self, positions: Sequence[int]) -> "DepthSceneSource":
        """Returns some of the rooms, in the given order."""
        chosen = [self._positions[position] for position in positions]
        return DepthSceneSource(self._split, chosen)

    def depth_of(self, index: int) -> np.ndarray:
        """Returns the depth of one room.

        Args:
          index: position of the room.

        Returns:
          float32 [H, W], meters; 0 where it is not known.
        """
        return self._scene(index).depth

    def _scene(self, index: int) -> DepthScene:
        """Draws one room, or returns it from memory."""
        return _numbered_scene(self._split, self._positions[index])


def open_depth_scenes(selection: str) -> DepthSceneSource:
    """Opens one split of the synthetic rooms, the same in every call.

    Args:
      selection: "depth_scenes[:train|:heldout][:COUNT]"; "train" is meant without
        a split, and a count beyond `NUM_SCENES` gives more of the same kind.

    Returns:
      The rooms; fewer are the first ones of more.

    Raises:
      UsageError: if the split is unknown, or the count no positive number.
    """
    _, *parts = selection.split(":")
    count = parts.pop() if parts and parts[-1].lstrip("+-").isdecimal() else ""
    split = parts.pop() if parts else "train"
    lookup(NUM_SCENES, split, "split of builtin:depth_scenes")
    if parts or (count and not int(count) > 0):
        expected = "expected builtin:depth_scenes[:train|:heldout][:COUNT], a count from 1"
        raise UsageError(f"builtin:{selection}: {expected}")
    return DepthSceneSource(split, list(range(int(count or NUM_SCENES[split]))))


@functools.lru_cache(maxsize=_NUM_KEPT)
def _numbered_scene(split: str, number: int) -> DepthScene:
    """Draws the room of a number; its arrays are shared and cannot be written to."""
    generator = np.random.default_rng(derive_seed(0, f"depth_scenes/{split}/{number}"))
    scene = draw_depth_scene(generator)
    for array in scene:
        array.setflags(write=False)
    return scene
