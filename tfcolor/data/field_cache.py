"""Keeps fields over images that take long to compute, as optical flow does."""

import collections
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tfcolor.core.files import atomic_path, check_writable

MEMORY_BYTES = 256 * 2**20
"""Of the fields that are kept in memory, those used last."""

NUM_TURNS = 64
"""Locks that fields share; a thread seldom waits for another field than its own."""


class FieldCache:
    """Computes every field once: the latest stay in memory, and all on disk.

    May be used from several threads: those that want the same field wait for the
    first. Of several processes with one folder, each may compute a field that no
    other has finished.

    Args:
      folder: where the files are; empty to keep fields in memory alone.

    Raises:
      UserError: if the folder cannot be written.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder).expanduser() if folder else None
        if self._folder is not None:
            check_writable(self._folder / "field.npy")
        self._kept: collections.OrderedDict[str, np.ndarray] = collections.OrderedDict()
        self._kept_bytes = 0
        self._lock = threading.Lock()
        self._turns = [threading.Lock() for _ in range(NUM_TURNS)]

    def recall(self, key: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Returns a field, computed unless it is known.

        Args:
          key: says everything that the field depends on.
          compute: returns it, float [H, W, C].

        Returns:
          float16 [H, W, C], not writeable; the same whether it was known or not.
        """
        name = hashlib.sha256(key.encode()).hexdigest()
        with self._turns[int(name[:8], 16) % NUM_TURNS]:
            field = self._kept_field(name)
            if field is None:
                field = self._read(name)
                if field is None:
                    field = compute().astype(np.float16)
                    self._write(name, field)
                field.setflags(write=False)
                self._keep(name, field)
            return field

    def _kept_field(self, name: str) -> np.ndarray | None:
        """Returns a field from memory, None if it is not there."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
            return self._kept.get(name)

    def _path(self, folder: Path, name: str) -> Path:
        """Returns the file of a field; no folder gets too many."""
        return folder / name[:2] / f"{name[2:]}.npy"

    def _read(self, name: str) -> np.ndarray | None:
        """Returns a field from its file, None if there is none that can be used."""
        if self._folder is None:
            return None
        try:
            return np.load(self._path(self._folder, name), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None

    def _write(self, name: str, field: np.ndarray) -> None:
        """Writes a field's file, if there is a folder."""
        if self._folder is not None:
            with atomic_path(self._path(self._folder, name)) as temporary:
                np.save(temporary, field)

    def _keep(self, name: str, field: np.ndarray) -> None:
        """Keeps a field in memory and drops those unused for longest."""
        with self._lock:
            self._kept[name] = field
            self._kept_bytes += field.nbytes
            while self._kept_bytes > MEMORY_BYTES:
                _, dropped = self._kept.popitem(last=False)
                self._kept_bytes -= dropped.nbytes
