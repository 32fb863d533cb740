"""The finished segments of a video, from which an interrupted job goes on."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.core.files import atomic_path, write_text
from tfcolor.core.progress import say
from tfcolor.inference.video.writing import PART_SUFFIX

PARTS_MARK = ".parts"
_SETTINGS_FILE = "settings.json"
_SAMPLE_BYTES = 2**20


class Segments:
    """The folder beside a result that holds its finished segments.

    A segment is a file of pictures, and the state in which the next one begins. Each
    appears whole or not at all, the state first.

    Args:
      target: the result.
      settings: whatever decides on the result. Segments that were made with others
        are thrown away.

    Attributes:
      number: how many segments are finished.
      state: arrays by name in which the next segment begins; empty for the first.

    Raises:
      UserError: if the folder cannot be written.
    """

    def __init__(self, target: Path, settings: Mapping[str, Any]) -> None:
        self.folder = target.with_name(target.name + PARTS_MARK)
        text = json.dumps(settings, sort_keys=True, indent=2) + "\n"
        known = self.folder / _SETTINGS_FILE
        if self.folder.exists() and (not known.exists() or known.read_text("utf-8") != text):
            say(f"{self.folder}: segments of other settings or another video, made anew")
            shutil.rmtree(self.folder)
        write_text(known, text)
        self.number = 0
        while self._part(self.number).exists():
            self.number += 1
        self.state: dict[str, np.ndarray] = {}
        if self.number:
            self.state = self._read_state()
        for left in self.folder.glob(".*"):
            left.unlink()

    @property
    def parts(self) -> list[Path]:
        """Returns the files of the finished segments, in order."""
        return [self._part(index) for index in range(self.number)]

    def add(self, write: Callable[[Path], Mapping[str, np.ndarray]]) -> None:
        """Writes the next segment.

        Args:
          write: writes the pictures to a path, and returns the state in which the
            segment after it begins: arrays by name, of any type and shape [...].
        """
        with atomic_path(self._part(self.number)) as temporary:
            self.state = dict(write(temporary))
            with atomic_path(self._state(self.number)) as state:
                np.savez(state, **self.state)
        self._state(self.number - 1).unlink(missing_ok=True)
        self.number += 1

    def finish(self, join: Callable[[Path], None], target: Path) -> None:
        """Makes the result, and removes the segments.

        Args:
          join: writes the result to a path.
          target: where it goes when it is whole.

        Raises:
          UserError: if it cannot be put there.
        """
        joined = self.folder / f".joined{target.suffix}"
        join(joined)
        try:
            os.replace(joined, target)
        except OSError as error:
            raise UserError(f"cannot write {target}: {error.strerror or error}") from error
        shutil.rmtree(self.folder)

    def _part(self, index: int) -> Path:
        return self.folder / f"{index:06d}{PART_SUFFIX}"

    def _state(self, index: int) -> Path:
        return self.folder / f"{index:06d}.npz"

    def _read_state(self) -> dict[str, np.ndarray]:
        """Returns the state after the last segment; begins anew if it is broken."""
        try:
            with np.load(self._state(self.number - 1), allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError) as error:
            say(f"{self.folder}: cannot go on ({error}), made anew")
            for part in self.parts:
                part.unlink()
            self.number = 0
            return {}


def identify(path: Path) -> dict[str, Any]:
    """Returns what tells one video from another without reading all of it.

    Args:
      path: the video.

    Returns:
      Its size, and a hash of its first and last megabyte.
    """
    digest = hashlib.sha256()
    size = path.stat().st_size
    with path.open("rb") as file:
        digest.update(file.read(_SAMPLE_BYTES))
        file.seek(max(size - _SAMPLE_BYTES, 0))
        digest.update(file.read(_SAMPLE_BYTES))
    return {"bytes": size, "ends_sha256": digest.hexdigest()}
