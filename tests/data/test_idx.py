import gzip
import struct

import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.data.idx import read_idx

VALUES = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
CONTENT = b"\0\0\x08\x03" + struct.pack(">3I", *VALUES.shape) + VALUES.tobytes()


@pytest.mark.parametrize("content", [CONTENT, gzip.compress(CONTENT, mtime=0)])
def test_arrays_are_read_whether_compressed_or_not(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    np.testing.assert_array_equal(read_idx(tmp_path / "a", 3), VALUES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no IDX file of 3 axes: it begins with -, expected 00000803"),
        (b"\0\0\x08\x01" + CONTENT[4:], "begins with 00000801, expected 00000803"),
        (b"\0\0\x0d\x03" + CONTENT[4:], "begins with 00000d03, expected 00000803"),
        (CONTENT[:10], "cut off: it has 10 bytes, its header 16"),
        (CONTENT[:-1], "has 45 bytes; expected 46 for 2 x 3 x 5 values"),
        (CONTENT + b"x", "has 47 bytes; expected 46 for 2 x 3 x 5 values"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 0, 3, 5), "expected 16 for 0 x 3 x 5 values"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "has 16 bytes; expected"),
        (gzip.compress(CONTENT, mtime=0)[:-9], "cannot read"),
        (gzip.compress(CONTENT, mtime=0)[:12] + b"damaged damaged damaged", "cannot read"),
    ],
)
def test_damaged_files_are_named(tmp_path, content, message):
    (tmp_path / "digits").write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_idx(tmp_path / "digits", 3)
    assert str(tmp_path / "digits") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        read_idx(tmp_path, 3)
