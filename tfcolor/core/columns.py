"""Columns: the shares of a layer's channels that belong to one of several tasks."""

import dataclasses
import re

from tfcolor.core.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Column:
    """One of several shares of the channels of every layer.

    Shares are consecutive and differ by at most one channel, the larger ones
    first.

    Args:
      index: which one, from 0.
      count: how many there are.

    Raises:
      ValueError: if there is no such share.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, section 4.4 (split-activations,
      split-weights).
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        """Checks that the share exists."""
        if not 0 <= self.index < self.count:
            raise ValueError(f"column {self.index} of {self.count}: expected 0 <= index < count")

    def slice(self, num_channels: int) -> slice:
        """Returns the channels of this share.

        Args:
          num_channels: of a layer; where there are fewer than shares, the last
            shares are empty.

        Returns:
          From the first channel to the one after the last.

        Example:
          >>> [Column(index, 3).slice(8) for index in range(3)]
          [slice(0, 3, None), slice(3, 6, None), slice(6, 8, None)]
        """
        size, larger = divmod(num_channels, self.count)
        begin = self.index * size + min(self.index, larger)
        return slice(begin, begin + size + (self.index < larger))

    def width(self, num_channels: int) -> int:
        """Returns how many of a layer's channels this share has."""
        share = self.slice(num_channels)
        return int(share.stop - share.start)


WHOLE = Column(0, 1)
"""All channels."""


def parse_column(text: str, flag: str) -> Column:
    """Reads a column as flags give it.

    Args:
      text: "INDEX/COUNT", as "0/4" for the first of four; empty for all channels.
      flag: name of the flag, for the error.

    Returns:
      The share.

    Raises:
      UsageError: if the text is nothing of the kind, or there is no such share.

    Example:
      >>> parse_column("1/4", "segment")
      Column(index=1, count=4)
    """
    if not text:
        return WHOLE
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found and int(found[1]) < int(found[2]):
        return Column(int(found[1]), int(found[2]))
    raise UsageError(f"--{flag}={text}: expected INDEX/COUNT, as 0/4 for the first of four")
