"""Several collections of images as one."""

from collections.abc import Sequence
from typing import Self, cast

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.data.sources.base import Source
from tfcolor.data.sources.depth_maps import DepthSource
from tfcolor.data.sources.image_folder import FileSource


class JoinedSource:
    """The images of several sources, one source after the other.

    They have classes if all sources name the same ones in the same order, and
    else none.

    Args:
      sources: the parts, at least one.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._parts = list(sources)
        self._places = [
            (source, index) for source in sources for index in range(source.num_examples)
        ]
        self._class_names = _common_class_names(sources)

    @property
    def parts(self) -> list[Source]:
        """Returns the sources that were joined, whatever was selected of them."""
        return list(self._parts)

    @property
    def num_examples(self) -> int:
        """Returns the number of images of all parts."""
        return len(self._places)

    def name_of(self, index: int) -> str:
        """Returns what messages call an image."""
        source, position = self._places[index]
        return source.name_of(position)

    def read_bytes(self, index: int) -> bytes:
        """Returns the encoded image."""
        source, position = self._places[index]
        return source.read_bytes(position)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Returns the classes that all parts have, or none."""
        return self._class_names

    def label_of(self, index: int) -> int | None:
        """Returns the class of an image, or None if the parts differ in theirs."""
        source, position = self._places[index]
        return source.label_of(position) if self._class_names else None

    def select(self, positions: Sequence[int]) -> Self:
        """Returns some of the images, in the given order."""
        chosen = type(self)([])
        chosen._parts = self._parts
        chosen._places = [self._places[position] for position in positions]
        chosen._class_names = self._class_names
        return chosen


class JoinedDepthSource(JoinedSource):
    """The images of several sources that all know the depth.

    Args:
      sources: the parts, at least one.
    """

    def depth_of(self, index: int) -> np.ndarray:
        """Returns the depth of one image, float32 [H, W] in meters."""
        source, position = self._places[index]
        return cast(DepthSource, source).depth_of(position)


def join_sources(sources: Sequence[Source]) -> Source:
    """Joins collections of images, with their labels where these agree.

    Args:
      sources: at least one. If all say which classes an image shows, or all have
        label maps or boxes, and of the same classes, so does the result; and so it
        has depth if all have. Of different classes the images alone are left, which
        is enough for many tasks; others call `check_common_classes`.

    Returns:
      The images of all, in order.
    """
    first, *others = sources
    if not others:
        return first
    if isinstance(first, FileSource) and len({source.class_names for source in sources}) == 1:
        alike = [other for other in others if isinstance(other, type(first))]
        if len(alike) == len(others):
            return first.join(alike)
    has_depth = all(isinstance(source, DepthSource) for source in sources)
    return JoinedDepthSource(sources) if has_depth else JoinedSource(sources)


def check_common_classes(source: Source, kind: type[FileSource]) -> None:
    """Refuses joined images that are annotated alike, but with different classes.

    Args:
      source: any images.
      kind: the source that all parts would have to be, with the same classes, for
        the whole to be annotated.

    Raises:
      UserError: if all parts are of this kind, and their classes differ.
    """
    parts = source.parts if isinstance(source, JoinedSource) else []
    if not parts or not all(isinstance(part, kind) for part in parts):
        return
    first = parts[0]
    other = next((part for part in parts if part.class_names != first.class_names), None)
    if other is not None:
        reasons = filter(None, (_own_classes(first, other), _own_classes(other, first)))
        raise UserError(
            "the parts of the images have different classes: "
            f"{'; '.join(reasons) or 'the same ones in another order'}; expected the same "
            "classes in the same order"
        )


def _own_classes(part: Source, other: Source) -> str:
    """Returns which classes a part has and another one lacks; empty if there are none."""
    names = [name for name in part.class_names if name not in other.class_names]
    listed = f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
    return f"the part of {part.name_of(0)} alone has {listed}" if names else ""


def _common_class_names(sources: Sequence[Source]) -> tuple[str, ...]:
    """Returns the names of the classes if all sources have the same."""
    names = {source.class_names for source in sources}
    return names.pop() if len(names) == 1 else ()
