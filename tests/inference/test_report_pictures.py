import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from tfcolor.data.images import Photograph, UnreadableImageError
from tfcolor.inference.report_pictures import (
    Pictures,
    encode_webp,
    read_pictures,
    to_srgb_bytes,
)


def _ramp(height, width, color=(255, 160, 40)):
    """Returns a smooth picture, uint8 [height, width, 3]."""
    shade = np.linspace(0.1, 1, height)[:, None, None] * np.linspace(0.4, 1, width)[None, :, None]
    return np.rint(shade * np.array(color)).astype(np.uint8)


def _decode(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))).astype(int)


def _photograph(pixels, **more):
    return Photograph("a.png", pixels, more.pop("alpha_pixels", None), "PNG", **more)


def _block_means(pixels, factor):
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    return pixels.reshape(height, factor, width, factor, -1).mean(axis=(1, 3))


def test_colors_are_brought_to_srgb():
    class Squared:
        def to_srgb(self, samples):
            return (samples / np.float32(65535)) ** 2

    pixels = np.full((2, 3, 3), 32768, np.uint16)
    np.testing.assert_array_equal(to_srgb_bytes(pixels, Squared()), np.full((2, 3, 3), 64))
    np.testing.assert_array_equal(to_srgb_bytes(pixels, None), np.full((2, 3, 3), 128))


def test_pictures_show_before_and_after():
    color = _ramp(60, 80)
    gray = color.mean(axis=-1).astype(np.uint8)
    pictures = Pictures(_photograph(np.broadcast_to(gray[..., None], color.shape)), 40)
    doubts = np.full((60, 80), 40, np.uint8)
    doubts[:, 40:] = 200
    pictures.add_result(color, doubts)
    pictures.add_result(color[..., ::-1], np.zeros_like(doubts))
    shown = json.loads(pictures.as_json())

    assert (shown["width"], shown["height"], shown["hasColor"]) == (80, 60, False)
    before, after = _decode(shown["before"]), _decode(shown["after"][0])
    assert before.shape == after.shape == (30, 40, 3)
    assert np.abs(before - _block_means(gray, 2)).mean() < 2
    assert np.abs(after - _block_means(color, 2)).mean() < 4
    other = _decode(shown["after"][1])
    assert other.shape == (15, 20, 3)
    assert np.abs(other - _block_means(color[..., ::-1], 4)).mean() < 4
    certain, uncertain = np.split(_decode(shown["uncertainty"])[..., 0], 2, axis=1)
    assert abs(certain[:, :8].mean() - 80) < 3
    assert uncertain[:, 2:].mean() > 250


@pytest.mark.parametrize(("spread", "expected"), [(1, False), (12, True)])
def test_a_gray_scan_stored_as_color_is_gray(spread, expected):
    pixels = np.full((20, 30, 3), 100, np.uint8) + np.array([0, spread, 0], np.uint8)
    pictures = Pictures(_photograph(pixels), 16)
    assert json.loads(pictures.as_json())["hasColor"] is expected


def test_what_is_transparent_stays_so():
    alpha = np.zeros((60, 80), np.uint16)
    alpha[:, 40:] = 65535
    pictures = Pictures(_photograph(_ramp(60, 80), alpha_pixels=alpha), 40)
    pictures.add_result(_ramp(60, 80))
    pictures.add_result(_ramp(60, 80))
    shown = json.loads(pictures.as_json())
    for text, width in [(shown["before"], 40), (shown["after"][0], 40), (shown["after"][1], 20)]:
        opacity = _decode(text)[..., 3]
        assert opacity.shape[1] == width
        assert opacity[:, : width // 2 - 1].max() == 0
        assert opacity[:, width // 2 + 1 :].min() == 255


def test_pictures_are_safe_inside_of_html():
    pictures = Pictures(_photograph(_ramp(60, 80)), 40)
    text = pictures.as_json()
    assert not set("<>&\n") & set(text)
    assert json.loads(text)["after"] == []
    assert json.loads(text)["uncertainty"] == ""


def test_pictures_of_files_are_those_of_the_photograph(tmp_path):
    gray, color = _ramp(60, 80, (200, 200, 200)), _ramp(60, 80)
    doubts = np.full((60, 80), 90, np.uint8)
    names = {"source.png": gray[..., 0], "result.png": color, "map.png": doubts}
    for name, pixels in names.items():
        Image.fromarray(pixels).save(tmp_path / name)
    expected = Pictures(_photograph(gray), 40)
    expected.add_result(color, doubts)
    source, result, uncertainty = (tmp_path / name for name in names)
    read = read_pictures(source, [result], uncertainty, 40)
    assert read.as_json() == expected.as_json()
    without = read_pictures(source, [result], tmp_path / "none.png", 40)
    assert json.loads(without.as_json())["uncertainty"] == ""


def test_a_result_that_is_gone_is_told(tmp_path):
    Image.fromarray(_ramp(6, 8)).save(tmp_path / "source.png")
    with pytest.raises(UnreadableImageError, match=r"gone\.png: no such file"):
        read_pictures(tmp_path / "source.png", [tmp_path / "gone.png"], None, 40)


def test_webp_takes_gray_color_and_alpha():
    for channels in ((), (3,), (4,)):
        pixels = np.full((12, 16, *channels), 120, np.uint8)
        decoded = _decode(encode_webp(pixels))
        assert np.abs(decoded[..., :3] - 120).max() <= 2
