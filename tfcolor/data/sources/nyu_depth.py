"""NYU Depth v2: the file of labeled frames, and its official split."""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.sources.array import encode_png

LABELED_FILE, SPLITS_FILE = "nyu_depth_v2_labeled.mat", "splits.mat"

SPLIT_KEYS = {"train": "trainNdxs", "test": "testNdxs"}
"""The variable of `SPLITS_FILE` that lists the frames of each split."""


class NyuDepthSource:
    """Frames of the labeled file, read one by one.

    MATLAB stores columns first: in the file an image is [3, W, H] and a depth map
    [W, H].

    Args:
      path: the file, MATLAB 7.3, which is HDF5.
      positions: the frames, counted from 0.
    """

    def __init__(self, path: Path, positions: Sequence[int]) -> None:
        self._path, self._positions = path, list(positions)
        self._lock = threading.Lock()
        self._file: h5py.File | None = None

    @property
    def num_examples(self) -> int:
        """Returns the number of frames."""
        return len(self._positions)

    def name_of(self, index: int) -> str:
        """Returns what messages call a frame: the file and its number from 1."""
        return f"{self._path}#{self._positions[index] + 1:04d}"

    def read_bytes(self, index: int) -> bytes:
        """Returns one frame as PNG.

        Raises:
          UnreadableImageError: if it cannot be read.
        """
        return encode_png(self._read("images", index))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Returns no names: frames have no classes."""
        return ()

    def label_of(self, index: int) -> None:
        """Returns None: frames have no classes."""
        del index

    def select(self, positions: Sequence[int]) -> "NyuDepthSource":
        """Returns some of the frames, in the given order."""
        chosen = [self._positions[position] for position in positions]
        return NyuDepthSource(self._path, chosen)

    def depth_of(self, index: int) -> np.ndarray:
        """Returns the depth of one frame, with the holes of the sensor filled in.

        Args:
          index: position of the frame.

        Returns:
          float32 [H, W], meters; 0 where it is not known.

        Raises:
          UnreadableImageError: if it cannot be read.
        """
        return self._read("depths", index).astype(np.float32)

    def _read(self, name: str, index: int) -> np.ndarray:
        """Returns one frame of a variable, its axes turned around."""
        try:
            with self._lock:
                if self._file is None:
                    self._file = h5py.File(self._path, "r")
                return np.ascontiguousarray(self._file[name][self._positions[index]].T)
        except Exception as error:  # as `read_photograph`: HDF5 raises half a dozen types
            raise UnreadableImageError(self.name_of(index), f"damaged file ({error})") from error


def open_nyu_depth(place: str) -> NyuDepthSource:
    """Opens one official split: 795 frames to learn from, 654 to measure on.

    Args:
      place: "PATH[:train|:test]"; the folder with `nyu_depth_v2_labeled.mat` and
        `splits.mat`, or the first of these files with the other one beside it.
        "train" is meant without a split.

    Returns:
      The frames in the order of `splits.mat`.

    Raises:
      UserError: if a file is missing or cannot be used, or the split is unknown.
    """
    path, split = _split_path(place)
    if split not in SPLIT_KEYS:
        raise UserError(f"nyu:{place}: no split {split!r}; known: {', '.join(SPLIT_KEYS)}")
    count = _count_frames(path)
    frames = _read_split(path.with_name(SPLITS_FILE), split)
    beyond = frames[(frames < 1) | (frames > count)]
    if beyond.size:
        raise UserError(
            f"{path.with_name(SPLITS_FILE)} names frame {beyond[0]}; {path} has 1 to {count}"
        )
    return NyuDepthSource(path, [int(frame) - 1 for frame in frames])


def _split_path(place: str) -> tuple[Path, str]:
    """Returns the labeled file and the split that a place names."""
    before, colon, after = place.rpartition(":")
    choices = [(place, "train"), (before, after)] if colon else [(place, "train")]
    for name, split in choices:
        path = Path(os.path.expanduser(name))
        if name and path.is_dir():
            path = path / LABELED_FILE
        if name and path.is_file():
            return path, split
    raise UserError(f"nyu:{place}: no such file, nor a folder with {LABELED_FILE}")


def _count_frames(path: Path) -> int:
    """Returns how many frames a labeled file has, after a look at their shapes."""
    with _usable(path), h5py.File(path, "r") as file:
        images, depths = (tuple(file[name].shape or ()) for name in ("images", "depths"))
    is_fitting = len(images) == 4 and images[1] == 3 and (images[0], *images[2:]) == depths
    if not is_fitting:
        raise UserError(
            f"{path}: images of shape {list(images)} and depths of shape {list(depths)}; expected "
            "[N, 3, W, H] and [N, W, H]"
        )
    return int(images[0])


def _read_split(path: Path, split: str) -> np.ndarray:
    """Returns the numbers of a split's frames, int64 [N] from 1."""
    if not path.is_file():
        raise UserError(f"no file {path}: NYU Depth v2 has it beside {LABELED_FILE}")
    with _usable(path):
        numbers = np.ravel(scipy.io.loadmat(path)[SPLIT_KEYS[split]])
    if not numbers.size:
        raise UserError(f"{path}: {SPLIT_KEYS[split]} names no frame")
    if numbers.dtype.kind not in "iuf":
        raise UserError(f"{path}: {SPLIT_KEYS[split]} has no numbers: expected those of frames")
    with np.errstate(invalid="ignore"):
        frames = numbers.astype(np.int64)
    if np.any(frames != numbers):
        first = numbers[frames != numbers][0]
        raise UserError(f"{path} names frame {first}: expected whole numbers")
    return frames


@contextlib.contextmanager
def _usable(path: Path) -> Iterator[None]:
    """Reports what is wrong with a file."""
    try:
        yield
    except KeyError as error:
        raise UserError(f"{path} cannot be used: {error.args[0]}") from error
    except Exception as error:  # SciPy raises a dozen types on what is no MATLAB file
        raise UserError(f"{path} is no MATLAB file, or damaged: {error}") from error
