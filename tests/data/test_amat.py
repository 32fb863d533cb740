import zipfile

import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.data.amat import count_amat, find_amat, quantize, read_amat

ROW = np.arange(784) / 1000


def _line(values, label="3.0"):
    return " ".join(f"{value:.6f}" for value in values) + f" {label}\n"


def _write(path, *lines):
    path.write_text("# PLearn header\n\n" + "".join(lines))
    return path, ""


def test_values_are_rounded_down():
    np.testing.assert_array_equal(quantize(np.array([0.5, 0.999, 1.0, 0.0])), [127, 254, 255, 0])


@pytest.mark.parametrize("is_column_major", [False, True])
def test_a_line_is_a_digit_and_its_class(tmp_path, is_column_major):
    place = _write(tmp_path / "x.amat", _line(ROW[::-1], "0"), "\n  \n", _line(ROW, "7.000"))
    images, labels = read_amat(place, 1, 2, is_column_major=is_column_major)
    assert images.shape == (1, 28, 28, 1)
    assert images.dtype == np.uint8
    assert labels.tolist() == [7]
    for row, column in [(0, 0), (0, 9), (9, 0), (27, 26)]:
        number = 28 * column + row if is_column_major else 28 * row + column
        assert images[0, row, column, 0] == np.floor(255 * number / 1000)
    assert count_amat(place) == 2
    assert read_amat(place, 0, 2, is_column_major=False)[1].tolist() == [0, 7]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0.5 0.5 1\n", "line 3: 3 numbers; expected 785"),
        (_line(ROW[:-1], "x 1"), "line 3: could not convert"),
        (_line(ROW, "10"), r"line 3: the class is 10.0; expected 0 to 9"),
        (_line(ROW, "0.5"), r"line 3: the class is 0.5; expected 0 to 9"),
        (_line(ROW, "nan"), r"line 3: the class is nan; expected 0 to 9"),
        (_line([*ROW[:-1], 1.01]), r"line 3: a pixel is not in \[0, 1\]"),
        (_line([*ROW[:-1], float("nan")]), r"line 3: a pixel is not in \[0, 1\]"),
    ],
)
def test_lines_that_are_no_digits_are_named(tmp_path, line, message):
    place = _write(tmp_path / "x.amat", line)
    with pytest.raises(UserError, match=rf"x\.amat, {message}"):
        read_amat(place, 0, 1, is_column_major=False)


def test_a_file_without_digits_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"x\.amat holds no example"):
        count_amat(_write(tmp_path / "x.amat"))


def test_files_lie_in_the_folder_or_below_it_or_in_the_archive(tmp_path):
    assert find_amat(tmp_path, "x.amat", "x.zip") is None
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("inside/x.amat", _line(ROW, "4"))
    place = find_amat(tmp_path, "x.amat", "x.zip")
    assert place == (tmp_path / "x.zip", "inside/x.amat")
    images, labels = read_amat(place, 0, count_amat(place), is_column_major=False)
    np.testing.assert_array_equal(images.ravel(), quantize(ROW))
    assert labels.tolist() == [4]
    (tmp_path / "below").mkdir()
    (tmp_path / "below/x.amat").touch()
    assert find_amat(tmp_path, "x.amat", "x.zip") == (tmp_path / "below/x.amat", "")
    (tmp_path / "x.amat").touch()
    assert find_amat(tmp_path, "x.amat", "x.zip") == (tmp_path / "x.amat", "")
    with pytest.raises(UserError, match=r"x\.zip holds no y\.amat"):
        find_amat(tmp_path, "y.amat", "x.zip")


def test_a_damaged_archive_is_named(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"cannot read .*x\.zip"):
        find_amat(tmp_path, "x.amat", "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.amat", _line(ROW))
    content = bytearray((tmp_path / "x.zip").read_bytes())
    content[60:90] = bytes(30)
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read .*x\.zip/x\.amat"):
        count_amat(find_amat(tmp_path, "x.amat", "x.zip"))
