"""Looking at the disk: versions that come and go, settings files that change."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

LAST_SECS = 1.0
_LOGGER = logging.getLogger(__name__)


def find_versions(base_path: Path) -> dict[int, Path]:
    """Returns the version folders of a model, by number.

    Args:
      base_path: the model's folder; it may be missing.

    Returns:
      Every folder whose name is a number, others are passed over.
    """
    try:
        entries = list(base_path.iterdir())
    except OSError:
        return {}
    return {
        int(entry.name): entry
        for entry in entries
        if entry.name.isascii() and entry.name.isdigit() and entry.is_dir()
    }


def describe_missing_versions(base_path: Path) -> str:
    """Says that a model's folder has no version, and where there are some.

    A folder above the model's, and a version's own, are what people name instead.

    Args:
      base_path: the model's folder.

    Returns:
      The message, without the model's name.
    """
    if (base_path / "saved_model.pb").exists():
        return f"{base_path} is a version itself: name the folder above it"
    below = [path for path in sorted(base_path.iterdir()) if path.is_dir() and find_versions(path)]
    hint = f"; did you mean {below[0]}?" if below else ""
    return f"there is no version in {base_path} yet{hint}"


def fingerprint(path: Path) -> object:
    """Returns what tells whether a folder has changed: its files, sizes and times.

    Args:
      path: a folder; it may vanish while it is read.

    Returns:
      A value to compare with an earlier one.
    """
    found = []
    for file in sorted(path.rglob("*")):
        try:
            status = file.stat()
        except OSError:
            continue
        found.append((str(file), status.st_size, status.st_mtime_ns))
    return tuple(found)


class Repeater:
    """Calls a function again and again in a thread, whatever it raises.

    Args:
      work: what is called.
      interval_secs: time between two calls; 0 for no call at all.
      name: of the thread.
    """

    def __init__(self, work: Callable[[], None], interval_secs: float, name: str) -> None:
        self._work, self._interval_secs = work, interval_secs
        self._is_stopped = threading.Event()
        self._last_error = ""
        self._thread = threading.Thread(target=self._repeat, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        if self._interval_secs > 0:
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the call that is running; waits for it a moment."""
        self._is_stopped.set()
        if self._thread.is_alive():
            self._thread.join(LAST_SECS)

    def call(self) -> None:
        """Calls the function once; an error is logged when it is a new one."""
        try:
            self._work()
            self._last_error = ""
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            if message != self._last_error:
                _LOGGER.error("%s: %s", self._thread.name, message)
            self._last_error = message

    def _repeat(self) -> None:
        while not self._is_stopped.wait(self._interval_secs):
            self.call()
