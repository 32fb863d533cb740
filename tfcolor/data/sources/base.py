"""What every collection of images offers: random access to encoded bytes."""

from typing import Protocol


class Source(Protocol):
    """A fixed list of encoded images that is read by position.

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
