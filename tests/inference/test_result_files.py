import re
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from tfcolor.core.errors import UserError
from tfcolor.data.images import Photograph, read_photograph
from tfcolor.inference.photographs import ColoredPhotograph, color_photograph
from tfcolor.inference.result_files import (
    PROVENANCE,
    check_output_suffix,
    write_photograph,
    write_uncertainty,
)

ORIENTATION, MAKER = ExifTags.Base.Orientation, ExifTags.Base.Make
GPS = ExifTags.IFD.GPSInfo


def _photograph(pixels, alpha=None):
    return Photograph("test", pixels, alpha, "PNG")


def _colored(height=3, width=5, alpha=None):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    flat = np.zeros((height, width), np.float32)
    return ColoredPhotograph(gray=flat, rgb=pixels, uncertainty=flat, alpha=alpha)


def test_alpha_is_kept(tint, tmp_path):
    pixels, alpha = np.full((4, 6, 3), 99, np.uint8), np.arange(24, dtype=np.uint8).reshape(4, 6)
    colored = color_photograph(tint, _photograph(pixels, alpha))
    write_photograph(colored, tmp_path / "out.png")
    written = read_photograph(tmp_path / "out.png")
    np.testing.assert_array_equal(written.alpha_pixels, alpha)
    np.testing.assert_array_equal(written.pixels, colored.rgb)


@pytest.mark.parametrize("name", ["out.png", "out.tif"])
def test_color_profile_and_exif_are_kept(tint, tmp_path, name):
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER] = 6, "Camera"
    exif.get_ifd(GPS)[2] = (47.0, 22.0, 12.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (6, 4), (90, 120, 60)).save(tmp_path / "a.jpg", exif=exif, icc_profile=profile)
    photograph = read_photograph(tmp_path / "a.jpg")
    write_photograph(color_photograph(tint, photograph), tmp_path / name)
    with Image.open(tmp_path / name) as written:
        assert written.size == (4, 6)  # upright
        assert written.info["icc_profile"] == profile
        kept = written.getexif()
        assert kept[MAKER] == "Camera" and kept.get(ORIENTATION, 1) == 1
        assert kept.get_ifd(GPS)[2] == (47.0, 22.0, 12.0)
        assert (written.text["Software"] == PROVENANCE) if name == "out.png" else True


@pytest.mark.parametrize("name", ["out.png", "out.TIF", "deep/er/out.tiff"])
def test_written_photographs_are_lossless_and_whole(tmp_path, name):
    colored = _colored()
    write_photograph(colored, tmp_path / name)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / name)), colored.rgb)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [(tmp_path / name).name]


@pytest.mark.parametrize("name", ["out.jpg", "out", "out.png.webp"])
def test_lossy_formats_are_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"expected a name that ends in \.png, \.tif, \.tiff"):
        write_photograph(_colored(), tmp_path / name)
    with pytest.raises(UserError, match=re.escape(name)):
        check_output_suffix(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "out.png").write_bytes(b"old")

    write_bytes = Path.write_bytes

    def fail(path, content):
        write_bytes(path, content[:4])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(UserError, match=r"cannot write .*out.png: disk full"):
        write_photograph(_colored(), tmp_path / "out.png")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_uncertainty_is_written_as_gray(tmp_path):
    path = tmp_path / "a_uncertainty.png"
    write_uncertainty(np.float32([[0, 0.2, 1]]), path)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), [[0, 51, 255]])
