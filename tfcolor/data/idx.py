"""Reads IDX files, the arrays of bytes that MNIST comes in, compressed or not."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from tfcolor.core.errors import UserError

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 8


def read_idx(path: Path, num_axes: int) -> np.ndarray:
    """Returns the array in an IDX file of unsigned bytes.

    Args:
      path: the file; compressed by gzip or not, whatever it is called.
      num_axes: how many axes the array must have.

    Returns:
      uint8 [N], or [N, H, W] for three axes; none is empty. Not writeable.

    Raises:
      UserError: if the file cannot be read or holds something else.
    """
    content = _read(path)
    header = 4 + 4 * num_axes
    magic = bytes([0, 0, _UNSIGNED_BYTE, num_axes])
    if content[:4] != magic:
        raise UserError(
            f"{path} is no IDX file of {num_axes} axes: it begins with {content[:4].hex() or '-'}, "
            f"expected {magic.hex()}"
        )
    if len(content) < header:
        raise UserError(f"{path} is cut off: it has {len(content)} bytes, its header {header}")
    shape = struct.unpack(f">{num_axes}I", content[4:header])
    size = header + math.prod(shape)
    if len(content) != size or 0 in shape:
        sides = " x ".join(map(str, shape))
        raise UserError(f"{path} has {len(content)} bytes; expected {size} for {sides} values")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _read(path: Path) -> bytes:
    """Returns the content of a file, decompressed."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP_MAGIC) else content
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path}: {error}") from error
