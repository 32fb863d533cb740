"""What every collection of images offers: random access to bytes and classes."""

from collections.abc import Sequence
from typing import Protocol


class Source(Protocol):
    """A fixed list of encoded images, and of their classes if they have any.

    A source does not decode, shuffle or cache, and may be read from several
    threads at once.
    """

    @property
    def num_examples(self) -> int:
        """Returns the number of images, at least 1."""

    def name_of(self, index: int) -> str:
        """Returns what messages call an image, usually its path."""

    def read_bytes(self, index: int) -> bytes:
        """Returns one encoded image.

        Raises:
          UnreadableImageError: if there are no bytes at this position.
        """

    @property
    def class_names(self) -> tuple[str, ...]:
        """Returns the name of each class by label; empty if there are none known."""

    def label_of(self, index: int) -> int | None:
        """Returns the class of one image, or None if it has none.

        Raises:
          UnreadableImageError: if it cannot be read.
        """

    def select(self, positions: Sequence[int]) -> "Source":
        """Returns some of the images, in the given order, with all that is known of them."""
