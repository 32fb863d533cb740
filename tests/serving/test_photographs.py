import io
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageCms

from tests.serving.model_servicer import sepia_bytes
from tfcolor_client.errors import ServingError
from tfcolor_client.photographs import finish, lay_over, read_photograph, write_atomically

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION, ARTIST = 0x0112, 0x013B


def noise(height: int = 21, width: int = 34, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def decoded_by_tensorflow(content: bytes) -> np.ndarray:
    return tf.io.decode_image(content, channels=3, expand_animations=False).numpy()


def open_bytes(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize(
    ("mode", "name"),
    [("RGB", "a.png"), ("L", "a.png"), ("RGBA", "a.png"), ("RGB", "a.jpg"), ("L", "a.jpeg")],
)
def test_what_the_server_decodes_goes_as_it_is(tmp_path, mode, name):
    path = tmp_path / name
    Image.fromarray(noise(channels=4)).convert(mode).save(path)
    photograph = read_photograph(path)
    assert photograph.encoded == path.read_bytes()
    assert photograph.sent_size == (34, 21)
    assert (photograph.alpha is None) == (mode != "RGBA")


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("RGB", "a.tif"),
        ("RGB", "a.webp"),
        ("RGBA", "a.webp"),
        ("P", "a.png"),
        ("P", "a.gif"),
        ("1", "a.png"),
        ("LA", "a.png"),
        ("RGB", "a.bmp"),
        ("CMYK", "a.jpg"),
        ("CMYK", "a.tif"),
    ],
)
def test_every_other_kind_becomes_png_of_the_same_pixels(tmp_path, mode, name):
    path = tmp_path / name
    image = Image.fromarray(noise(channels=4)).convert("RGB").convert(mode)
    image.save(path, lossless=True) if name.endswith("webp") else image.save(path)
    expected = np.asarray(Image.open(path).convert("RGB"))
    photograph = read_photograph(path)
    assert photograph.encoded.startswith(b"\x89PNG")
    np.testing.assert_array_equal(decoded_by_tensorflow(photograph.encoded), expected)
    np.testing.assert_array_equal(photograph.pixels, expected)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_keep_their_brightness(tmp_path, name):
    samples = np.linspace(0, 65535, 21 * 34).reshape(21, 34).astype(np.uint16)
    Image.fromarray(samples).save(tmp_path / name)
    sent = decoded_by_tensorflow(read_photograph(tmp_path / name).encoded)
    np.testing.assert_allclose(sent[..., 0], samples / 257, atol=0.5)


def test_sixteen_bits_per_color_are_cut_here(tmp_path):
    wide = tf.io.encode_png(noise().astype(np.uint16) * 257).numpy()
    (tmp_path / "a.png").write_bytes(wide)
    photograph = read_photograph(tmp_path / "a.png")
    assert photograph.encoded != wide
    np.testing.assert_array_equal(decoded_by_tensorflow(photograph.encoded), noise())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_photographs_are_sent_upright(tmp_path, name, orientation):
    corner = np.zeros((16, 24, 3), np.uint8)
    corner[:8, :8] = 255  # where the camera held upright has its first corner
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(corner).save(tmp_path / name, exif=exif)
    photograph = read_photograph(tmp_path / name)
    sent = decoded_by_tensorflow(photograph.encoded)
    assert sent.shape[:2] == ((16, 24) if orientation < 5 else (24, 16))
    assert photograph.sent_size == sent.shape[1::-1]
    rows = slice(0, 6) if orientation in (1, 2, 5, 6) else slice(-6, None)
    columns = slice(0, 6) if orientation in (1, 4, 5, 8) else slice(-6, None)
    assert sent[rows, columns].min() > 200
    assert sent.mean() < 100


def test_metadata_and_opacity_are_kept(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION], exif[ARTIST] = 6, "grandmother"
    image = Image.fromarray(noise(channels=4))
    image.save(tmp_path / "a.png", exif=exif, icc_profile=PROFILE)
    photograph = read_photograph(tmp_path / "a.png")
    result = open_bytes(finish(photograph, sepia_bytes(photograph.encoded)))
    assert result.size == (21, 34)
    assert result.getexif() == {ARTIST: "grandmother"}
    assert result.info["icc_profile"] == PROFILE
    turned = np.rot90(noise(channels=4), -1)
    np.testing.assert_array_equal(np.asarray(result)[..., 3], turned[..., 3])
    colored = open_bytes(sepia_bytes(photograph.encoded))
    np.testing.assert_array_equal(np.asarray(result)[..., :3], np.asarray(colored))


def test_a_profile_of_gray_does_not_describe_the_result(tmp_path):
    gray = PROFILE[:16] + b"GRAY" + PROFILE[20:]
    Image.fromarray(noise()[..., 0]).save(tmp_path / "a.png", icc_profile=gray)
    assert read_photograph(tmp_path / "a.png").icc_profile is None


def test_an_answer_to_which_nothing_is_added_stays_as_it_is(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "a.jpg")
    photograph = read_photograph(tmp_path / "a.jpg")
    answer = sepia_bytes(photograph.encoded)
    assert finish(photograph, answer) == answer


def test_a_shrunk_photograph_keeps_size_lightness_and_gets_colors(tmp_path):
    rows, columns = np.mgrid[0:1:60j, 0:1:90j]
    smooth = np.stack([255 * rows, 128 + 100 * columns, 255 * (1 - rows)], axis=-1)
    Image.fromarray(smooth.astype(np.uint8)).save(tmp_path / "a.png")
    photograph = read_photograph(tmp_path / "a.png", max_side=30)
    assert photograph.sent_size == (30, 20)
    result = np.asarray(open_bytes(finish(photograph, sepia_bytes(photograph.encoded))), float)
    lightness = photograph.pixels.mean(axis=-1)
    assert result.shape == (60, 90, 3)
    assert np.abs(result.mean(axis=-1) - lightness).max() < 1
    room = np.minimum(np.minimum(lightness, 255 - lightness), 30)
    np.testing.assert_allclose((result[..., 0] - result[..., 2])[5:-5, 5:-5] / 2,
                               room[5:-5, 5:-5], atol=6)  # fmt: skip
    assert read_photograph(tmp_path / "a.png", max_side=90).sent_size == (90, 60)


def test_colors_without_room_lose_saturation_and_not_lightness():
    pixels = np.array([[[0, 0, 0], [255, 255, 255], [250, 250, 250]]], np.uint8)
    colored = np.full((1, 3, 3), (200, 100, 0), np.uint8)
    laid = lay_over(pixels, colored)
    np.testing.assert_array_equal(laid[0, :2], pixels[0, :2])
    assert laid[0, 2].max() == 255 and laid[0, 2].min() == 245


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "a.png: the server could not"),
        (b"text", "a.png: the answer is no image"),
        (None, "came back"),
    ],
)
def test_answers_that_are_none_are_reported(tmp_path, answer, words):
    Image.fromarray(noise()).save(tmp_path / "a.png")
    if answer is None:
        answer = sepia_bytes((tmp_path / "a.png").read_bytes())
        Image.fromarray(noise(5, 6)).save(tmp_path / "a.png")
    with pytest.raises(ServingError, match=words):
        finish(read_photograph(tmp_path / "a.png"), answer)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"", "no image"), (b"text", "no image"), ("half", "a.png: ")],
)
def test_files_that_are_no_photographs_are_named(tmp_path, content, words):
    path = tmp_path / "a.png"
    if content == "half":
        Image.fromarray(noise()).save(path)
        content = path.read_bytes()[:900]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ServingError, match=words) as caught:
        read_photograph(path)
    assert str(path) in str(caught.value)


def test_floats_outside_of_their_range_are_refused(tmp_path):
    Image.fromarray(np.full((3, 4), 7, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ServingError, match="gray values from 7 to 7; expected 0 to 1"):
        read_photograph(tmp_path / "a.tif")


def test_files_appear_whole_with_the_usual_permissions(tmp_path, monkeypatch):
    path = tmp_path / "new/a.png"
    write_atomically(path, b"content")
    (tmp_path / "plain").touch()
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)

    def fail(self: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(ServingError, match=r"cannot write .*No space left"):
        write_atomically(path, b"other")
    assert os.listdir(path.parent) == ["a.png"]
    assert path.read_bytes() == b"content"
