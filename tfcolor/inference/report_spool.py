"""Where the pictures of a report wait until it is written, also through a kill."""

import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

SPOOL_SUFFIX = ".pictures"

_OWN_LINE = re.compile(rb'<script type="application/json" id="p([0-9a-f]{32})">[^<>&]*</script>\n')


class _Place(NamedTuple):
    """Where a line stands in a file, in bytes."""

    path: Path
    start: int
    length: int


class PictureSpool:
    """The pictures of photographs by key, as lines of HTML in files.

    A hidden file beside the report takes new ones. Those that a killed job left in
    it, and those of an earlier report in the same place, are known from the start.

    Args:
      report: the HTML file that they are for; its folder exists.

    Raises:
      OSError: if the hidden file cannot be written.
    """

    def __init__(self, report: Path) -> None:
        self.path = report.with_name(f".{report.name}{SPOOL_SUFFIX}")
        self._places = _find_lines(report)
        waiting = _find_lines(self.path)
        self._places.update(waiting)
        self._file = self.path.open("ab")
        # A kill may have torn the last line.
        self._file.truncate(
            max((place.start + place.length for place in waiting.values()), default=0)
        )

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def size(self, key: str) -> int:
        """Returns how many bytes the pictures of a key take."""
        return self._places[key].length

    def append(self, key: str, pictures: str) -> None:
        """Keeps pictures, in place of those that are there.

        Args:
          key: 32 hexadecimal digits.
          pictures: JSON on one line, without `<`, `>` and `&`.

        Raises:
          OSError: if the disk is full.
        """
        line = f'<script type="application/json" id="p{key}">{pictures}</script>\n'.encode("ascii")
        start = self._file.seek(0, io.SEEK_END)
        self._file.write(line)
        self._file.flush()
        self._places[key] = _Place(self.path, start, len(line))

    def copy(self, keys: Iterable[str], page: BinaryIO) -> None:
        """Writes the lines of some keys.

        Args:
          keys: of pictures that are there.
          page: where they are written to, in this order.

        Raises:
          OSError: if the disk is full.
        """
        places = [self._places[key] for key in keys]
        files = {path: path.open("rb") for path in {place.path for place in places}}
        try:
            for place in places:
                files[place.path].seek(place.start)
                page.write(files[place.path].read(place.length))
        finally:
            for file in files.values():
                file.close()

    def remove(self) -> None:
        """Removes the hidden file; the pictures are in the report."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def _find_lines(path: Path) -> dict[str, _Place]:
    """Returns the places of whole lines with pictures, by key."""
    places: dict[str, _Place] = {}
    try:
        file = path.open("rb")
    except OSError:
        return places
    with file:
        start = 0
        for line in file:
            if match := _OWN_LINE.fullmatch(line):
                places[match[1].decode("ascii")] = _Place(path, start, len(line))
            start += len(line)
    return places
