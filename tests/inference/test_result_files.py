import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.photograph_files import noise, xmp_properties
from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.images import Photograph, read_photograph
from tfcolor.inference.photographs import ColoredPhotograph
from tfcolor.inference.provenance import Provenance
from tfcolor.inference.result_files import (
    OUTPUT_FORMATS,
    ResultOptions,
    check_output_suffix,
    encode_result,
    encode_uncertainty,
    result_suffix,
    write_result,
    write_uncertainty,
)

SUFFIXES = tuple(OUTPUT_FORMATS)


def _colored(height=3, width=5, alpha=None, dtype=np.uint8):
    pixels = noise((height, width, 3), dtype)
    photograph = Photograph("album/a.png", pixels, alpha, "PNG")
    return ColoredPhotograph(photograph, pixels, noise((height, width)), 0.0)


@pytest.mark.parametrize("name", ["out.png", "out.TIF", "deep/er/out.tiff", "out.webp"])
def test_written_photographs_are_lossless_and_whole(tmp_path, name):
    colored = _colored()
    write_result(colored, tmp_path / name)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / name)), colored.rgb)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [(tmp_path / name).name]
    assert (tmp_path / name).read_bytes() == encode_result(colored, name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_suffix_says_the_format(suffix):
    expected = {"jpg": "JPEG", "tif": "TIFF"}.get(suffix[1:], suffix[1:].upper())
    assert read_photograph(encode_result(_colored(), f"a{suffix}")).file_format == expected


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_and_alpha_are_kept(suffix):
    alpha = noise((3, 5), np.uint16)
    colored = _colored(alpha=alpha, dtype=np.uint16)
    found = read_photograph(encode_result(colored, f"a{suffix}"))
    np.testing.assert_array_equal(found.pixels, colored.rgb)
    np.testing.assert_array_equal(found.alpha_pixels, alpha)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_provenance_is_told_in_every_format(suffix):
    encoded = encode_result(_colored(), f"a{suffix}", provenance=Provenance("runs/a", seed=3))
    told = xmp_properties(read_photograph(encoded).metadata.xmp)
    assert (told["Model"], told["Seed"]) == ("runs/a", "3")


def test_the_same_photograph_gives_the_same_bytes():
    for suffix in SUFFIXES:
        assert encode_result(_colored(), f"a{suffix}") == encode_result(_colored(), f"b{suffix}")


def test_quality_is_that_of_jpeg():
    sizes = {
        quality: len(encode_result(_colored(40, 50), "a.jpg", ResultOptions(quality=quality)))
        for quality in (20, 95)
    }
    assert sizes[20] < sizes[95]
    low = ResultOptions(quality=20)
    assert encode_result(_colored(), "a.webp", low) == encode_result(_colored(), "a.webp")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparency_is_refused_by_jpeg_unless_nothing_is_lost(dtype):
    opaque = np.full((3, 5), np.iinfo(dtype).max, dtype)
    assert (
        read_photograph(encode_result(_colored(alpha=opaque, dtype=dtype), "a.jpg")).alpha is None
    )
    opaque[1, 2] -= 1
    message = r"^album/a\.png: JPEG cannot hold its transparency; expected --format=png, tiff"
    with pytest.raises(UserError, match=message):
        encode_result(_colored(alpha=opaque, dtype=dtype), "a.jpg")


@pytest.mark.parametrize(("suffix", "side"), [(".webp", 16_384), (".jpg", 65_501)])
def test_sides_that_a_format_cannot_hold_are_refused(suffix, side):
    with pytest.raises(UserError, match=rf"^album/a\.png: {side} pixels are too many"):
        encode_result(_colored(1, side), f"a{suffix}")
    assert encode_result(_colored(1, side), "a.png")


@pytest.mark.parametrize(
    ("source", "file_format", "expected"),
    [
        ("a.JPG", "png", ".png"),
        ("a.png", "jpeg", ".jpg"),
        ("a.gif", "tiff", ".tif"),
        ("a", "webp", ".webp"),
        ("a.JPG", "keep", ".JPG"),
        ("a.jpeg", "keep", ".jpeg"),
        ("a.tiff", "keep", ".tiff"),
        ("a.webp", "keep", ".webp"),
        ("a.bmp", "keep", ".png"),
        ("a.gif", "keep", ".png"),
        ("a", "keep", ".png"),
    ],
)
def test_suffixes(source, file_format, expected):
    assert result_suffix(Path(source), ResultOptions(format=file_format)) == expected


def test_options_are_checked():
    with pytest.raises(UsageError, match=r"--quality=101: expected at most 100"):
        ResultOptions(quality=101)
    with pytest.raises(UsageError, match=r"--format=gif: expected one of png, tiff"):
        ResultOptions(format="gif")


@pytest.mark.parametrize("name", ["out.gif", "out", "out.png.avif"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"expected a name that ends in \.png, \.tif, \.tiff"):
        write_result(_colored(), tmp_path / name)
    with pytest.raises(UserError, match=re.escape(name)):
        check_output_suffix(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "out.png").write_bytes(b"old")

    def fail(content, path, options, provenance):
        yield b"half"
        raise OSError("disk full")

    monkeypatch.setattr("tfcolor.inference.result_files._encode", fail)
    with pytest.raises(UserError, match=r"cannot write .*out.png: disk full"):
        write_result(_colored(), tmp_path / "out.png")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_uncertainty_is_written_as_gray(tmp_path):
    path = tmp_path / "a_uncertainty.png"
    write_uncertainty(np.uint8([[0, 51, 255]]), path)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), [[0, 51, 255]])
    assert path.read_bytes() == encode_uncertainty(np.uint8([[0, 51, 255]]))
