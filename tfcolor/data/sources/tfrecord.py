"""TFRecord shards of `tf.train.Example`, read in any order; and a writer."""

import copy
import dataclasses
import glob
import json
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.core.files import atomic_path
from tfcolor.data.images import UnreadableImageError

IMAGE_KEYS = ("image/encoded", "image")
"""Features that may hold the encoded image, the first one present is read."""
LABEL_KEYS = ("image/class/label", "label")
"""Integer features that may hold the class, the first one present is read."""
DATASET_FILE = "dataset.json"
"""What `tfcolor shard` writes beside shards; has the names of the classes."""

# A record: its length (uint64), a checksum of it (uint32), the data, a checksum.
_LENGTH = struct.Struct("<Q")
_HEADER_BYTES = 12
_FOOTER_BYTES = 4
_GZIP_MAGIC = b"\x1f\x8b"


@dataclasses.dataclass(frozen=True)
class Shard:
    """Some records of one file, in the order of the file.

    Args:
      path: the file.
      skip: records left out at its beginning.
      take: records used after those; None for all.
    """

    path: str
    skip: int = 0
    take: int | None = None


class TfrecordSource:
    """Images in the records of TFRecord files.

    The files are scanned once, header by header, for the offset of each record;
    an image is then one seek and one read. Checksums are not verified: a
    damaged record shows up as an unreadable image.

    Args:
      shards: the files, in the order of their records' positions.
      keys: features that may hold the encoded image; the first one present is
        read.
      label_keys: integer features that may hold the class, likewise.
      class_names: the name of each class, if they are known.

    Raises:
      UserError: if a file is missing, cut off or not a TFRecord file, or if
        there is no record at all.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        keys: Sequence[str] = IMAGE_KEYS,
        label_keys: Sequence[str] = LABEL_KEYS,
        class_names: Iterable[str] = (),
    ) -> None:
        self._shards = list(shards)
        self._keys, self._label_keys = tuple(keys), tuple(label_keys)
        self._class_names = tuple(class_names)
        self._spans = [_select(_scan(shard.path), shard) for shard in self._shards]
        self._ends = np.cumsum([len(spans) for spans in self._spans])
        self._positions: Sequence[int] = range(sum(map(len, self._spans)))
        if self.num_examples == 0:
            names = ", ".join(shard.path for shard in self._shards[:3])
            raise UserError(f"no records in {len(self._shards)} TFRecord files: {names}")

    @property
    def num_examples(self) -> int:
        """Returns the number of selected records."""
        return len(self._positions)

    def name_of(self, index: int) -> str:
        """Returns the file of a record and its number in it ("a.tfrecord[7]")."""
        shard, row = self._locate(index)
        return f"{self._shards[shard].path}[{row + self._shards[shard].skip}]"

    def read_bytes(self, index: int) -> bytes:
        """Returns the encoded image of one record.

        Raises:
          UnreadableImageError: if the record is damaged or has no image.
        """
        features = self._features(index)
        for key in self._keys:
            if key in features and features[key].bytes_list.value:
                return features[key].bytes_list.value[0]
        reason = f"no feature {' or '.join(self._keys)} among {', '.join(sorted(features))}"
        raise UnreadableImageError(self.name_of(index), reason)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Returns the name of each class by label; empty if they are not known."""
        return self._class_names

    def label_of(self, index: int) -> int | None:
        """Returns the class in one record, or None if there is none.

        Raises:
          UnreadableImageError: if the record is damaged.
        """
        features = self._features(index)
        for key in self._label_keys:
            if key in features and features[key].int64_list.value:
                return int(features[key].int64_list.value[0])
        return None

    def select(self, positions: Sequence[int]) -> "TfrecordSource":
        """Returns some of the records, in the given order; scans no file again."""
        chosen = copy.copy(self)
        chosen._positions = [self._positions[position] for position in positions]
        return chosen

    def _features(self, index: int) -> Any:
        """Returns the features of one record by name."""
        shard, row = self._locate(index)
        offset, length = self._spans[shard][row]
        try:
            with open(self._shards[shard].path, "rb") as file:
                file.seek(offset)
                record = file.read(length)
            return tf.train.Example.FromString(record).features.feature
        except Exception as error:  # OSError, or protobuf's DecodeError
            raise UnreadableImageError(self.name_of(index), f"damaged record ({error})") from error

    def _locate(self, index: int) -> tuple[int, int]:
        """Returns the shard that holds a position, and the row in its spans."""
        record = self._positions[index]
        shard = int(np.searchsorted(self._ends, record, side="right"))
        return shard, record - int(self._ends[shard]) + len(self._spans[shard])


def open_shards(place: str) -> TfrecordSource:
    """Opens the TFRecord files of a folder or a glob, sorted by path.

    The names of the classes come from the `dataset.json` that `tfcolor shard` leaves in
    the folder of the files.

    Args:
      place: a file, a folder that holds `*.tfrecord*`, or a pattern.

    Returns:
      The records.

    Raises:
      UserError: if there is no such file, or one cannot be used, or if there is a
        `dataset.json` without such names.
    """
    path = Path(place).expanduser()
    pattern = str(Path(glob.escape(str(path))) / "*.tfrecord*") if path.is_dir() else str(path)
    files = [str(path)] if path.is_file() else sorted(filter(os.path.isfile, glob.glob(pattern)))
    if not files:
        raise UserError(f"no TFRecord file at {place}")
    names = _read_class_names({Path(file).parent for file in files})
    return TfrecordSource([Shard(file) for file in files], class_names=names)


def _read_class_names(folders: set[Path]) -> list[str]:
    """Returns the names that all folders agree on, none if one has no such file."""
    found = []
    for path in (folder / DATASET_FILE for folder in sorted(folders)):
        try:
            names = json.loads(path.read_bytes())["class_names"]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(f"cannot read the class names in {path}: {error!r}") from error
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UserError(f"{path}: class_names: expected a list of texts")
        found.append(names)
    return found[0] if all(names == found[0] for names in found) else []


def write_tfrecord(path: str | os.PathLike[str], images: Iterable[bytes]) -> None:
    """Writes encoded images as one TFRecord file, atomically.

    Args:
      path: the file to create or replace.
      images: encoded images; each becomes the feature "image/encoded".

    Raises:
      UserError: if the file cannot be written.
    """
    with atomic_path(path) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
        for image in images:
            value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
            features = tf.train.Features(feature={IMAGE_KEYS[0]: value})
            writer.write(tf.train.Example(features=features).SerializeToString())


def _scan(path: str) -> np.ndarray:
    """Returns the (offset, length) of every record, int64 [N, 2]."""
    try:
        with open(path, "rb") as file:
            return _scan_records(file, path, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _scan_records(file: BinaryIO, path: str, size: int) -> np.ndarray:
    """Walks over the record headers of an open file of `size` bytes."""
    spans: list[tuple[int, int]] = []
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(_HEADER_BYTES)
        length = _LENGTH.unpack_from(header)[0] if len(header) == _HEADER_BYTES else size
        end = position + _HEADER_BYTES + length + _FOOTER_BYTES
        if end > size:
            is_gzip = position == 0 and header.startswith(_GZIP_MAGIC)
            reason = "is compressed; decompress it" if is_gzip else "is cut off or no TFRecord file"
            raise UserError(f"{path} {reason} (record {len(spans)} at byte {position} of {size})")
        spans.append((position + _HEADER_BYTES, length))
        position = end
    return np.array(spans, np.int64).reshape(-1, 2)


def _select(spans: np.ndarray, shard: Shard) -> np.ndarray:
    """Returns the rows of `spans` that a shard uses."""
    end = len(spans) if shard.take is None else shard.skip + shard.take
    if end > len(spans):
        raise UserError(f"{shard.path} has {len(spans)} records where {end} were promised")
    return spans[shard.skip : end]
