"""Progress on a terminal as a bar, elsewhere as plain lines."""

import logging
import re
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from rich.console import Console
from rich.control import Control
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import ControlType

Item = TypeVar("Item")
_LOGGER = logging.getLogger(__name__)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHOWN_BARS: list[Progress] = []


def say(message: str) -> None:
    """Tells the user something; commands show it on standard error.

    Args:
      message: the line, without its end.
    """
    for bar in _SHOWN_BARS:  # gives its line to the message and is drawn again below it
        erasure = (ControlType.ERASE_IN_LINE, 2)
        bar.console.control(Control(ControlType.CARRIAGE_RETURN, erasure))
    _LOGGER.info("%s", printable(message))


def printable(text: str) -> str:
    r"""Returns a text that does nothing to a terminal but show itself.

    Args:
      text: with names of files, which may hold anything.

    Returns:
      The text with what controls a terminal, turns the direction of writing or is no
      character at all escaped as in Python.

    Example:
      >>> printable("a\x1b[2J.png")
      'a\\x1b[2J.png'
    """
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class ProgressReport:
    """Shows how far a job is, how fast it runs and when it will be done.

    On a terminal this is a bar with throughput and time left. Elsewhere each
    `advance` with a note becomes a plain line.

    Args:
      description: what is being done ("training").
      total: number of units of work.
      unit: name of one unit, plural ("images").
      done: units finished before this process started.

    Example:
      >>> with ProgressReport("counting", total=2, unit="numbers") as report:
      ...     report.advance(2)
      >>> report.done
      2
    """

    def __init__(self, description: str, total: int, unit: str, done: int = 0) -> None:
        self.done = done
        self._start = (done, time.monotonic())
        self._total, self._unit, self._description = total, unit, description
        self._bar: Progress | None = None

    def __enter__(self) -> "ProgressReport":
        """Shows the bar, if there is a terminal to show it on."""
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
            )
            self._bar.start()
            _SHOWN_BARS.append(self._bar)
            self._row = self._bar.add_task(
                self._description, total=self._total, completed=self.done, speed="", note=""
            )
        return self

    def __exit__(self, *exception: object) -> None:
        """Leaves the finished bar on the screen."""
        if self._bar is not None:
            self._bar.stop()
            _SHOWN_BARS.remove(self._bar)

    def advance(self, units: int = 1, note: str = "", *, is_milestone: bool = False) -> None:
        """Counts finished units.

        Args:
          units: how many were finished since the last call.
          note: figures worth reading now ("loss 3.1"); empty for none.
          is_milestone: whether a plain line is due even without a note.
        """
        self.done += units
        if self._bar is not None:
            speed = f"{self._speed():.1f} {self._unit}/s"
            fields: dict[str, Any] = {"note": note} if note else {}
            self._bar.update(self._row, completed=self.done, speed=speed, **fields)
        elif note or is_milestone:
            say(self._line(note))

    def _speed(self) -> float:
        """Returns units per second since the start of this process."""
        first, started = self._start
        return (self.done - first) / max(time.monotonic() - started, 1e-9)

    def _line(self, note: str) -> str:
        """Returns the plain line for a log file."""
        speed = self._speed()
        remaining = max(self._total - self.done, 0) / max(speed, 1e-9)
        return (
            f"{self._description} {self.done}/{self._total} {self._unit}, "
            f"{speed:.1f}/s, {remaining:.0f} s left{note and ': '}{note}"
        )


def track(items: Iterable[Item], description: str, total: int, unit: str) -> Iterator[Item]:
    """Yields every item while a `ProgressReport` counts them.

    Args:
      items: what to work on.
      description: what is being done.
      total: how many items there are.
      unit: name of one item, plural.

    Yields:
      The items, in order.
    """
    every = max(total // 10, 1)
    with ProgressReport(description, total, unit) as report:
        for item in items:
            yield item
            report.advance(is_milestone=(report.done + 1) % every == 0)
