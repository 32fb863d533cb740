import pickle
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.photograph_files import (
    add_png_chunk,
    encode,
    encode_tiff,
    noise,
    profile,
    turned,
    wide_png,
    xmp_packet,
)
from tfcolor.data import images
from tfcolor.data.images import UnreadableImageError, read_file, read_photograph, read_rgb

ORIENTATION = 0x0112


def _wide_png_by_opencv(samples):
    return cv2.imencode(".png", samples)[1].tobytes()


def _png_of_size(width, height):
    """A PNG whose header promises a size that its data does not have."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "BMP", "WEBP"])
def test_lossless_formats_give_their_pixels(file_format):
    expected = noise((5, 7, 3))
    options = {"lossless": True} if file_format == "WEBP" else {}
    encoded = encode(Image.fromarray(expected), file_format, **options)
    photograph = read_photograph(encoded)
    assert photograph.file_format == file_format
    assert photograph.bits == 8
    assert photograph.alpha is None
    np.testing.assert_array_equal(read_rgb(encoded, "a"), expected)
    np.testing.assert_allclose(photograph.rgb, expected / 255.0, rtol=1e-6)


def test_jpeg_and_gif_give_their_color():
    orange = Image.new("RGB", (9, 6), (250, 130, 20))
    for file_format in ("JPEG", "GIF"):
        image = read_rgb(encode(orange, file_format), "a")
        assert image.shape == (6, 9, 3)
        np.testing.assert_allclose(image, np.broadcast_to([250, 130, 20], (6, 9, 3)), atol=3)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_gray_and_palette_become_rgb(mode):
    expected = np.where(noise((5, 7)) > 127, 255, 0).astype(np.uint8)
    image = read_rgb(encode(Image.fromarray(expected).convert(mode)), "a")
    np.testing.assert_array_equal(image, np.stack([expected] * 3, axis=-1))


def test_alpha_is_kept_beside_unblended_color():
    samples = noise((5, 7, 4))
    photograph = read_photograph(encode(Image.fromarray(samples, "RGBA")))
    np.testing.assert_array_equal(photograph.pixels, samples[..., :3])
    np.testing.assert_array_equal(photograph.alpha_pixels, samples[..., 3])
    np.testing.assert_allclose(photograph.alpha, samples[..., 3] / 255.0, rtol=1e-6)


def test_gray_with_alpha_gives_both():
    samples = noise((5, 7, 2))
    photograph = read_photograph(encode(Image.fromarray(samples, "LA")))
    np.testing.assert_array_equal(photograph.pixels, np.repeat(samples[..., :1], 3, axis=-1))
    np.testing.assert_array_equal(photograph.alpha_pixels, samples[..., 1])


def test_transparent_palette_color_becomes_alpha():
    palette = Image.new("P", (4, 3), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.putpixel((2, 1), 0)
    photograph = read_photograph(encode(palette, "PNG", transparency=0))
    expected = np.full((3, 4), 255)
    expected[1, 2] = 0
    np.testing.assert_array_equal(photograph.alpha_pixels, expected)
    np.testing.assert_array_equal(photograph.pixels[0, 0], [10, 20, 30])


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(file_format):
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    image = read_rgb(encode(red, file_format), "a")
    np.testing.assert_allclose(image, np.broadcast_to([255, 0, 0], (8, 8, 3)), atol=8)


def test_gray_of_16_bits_keeps_its_values_and_does_not_turn_white():
    samples = noise((5, 7), np.uint16)
    for encoded in (_wide_png_by_opencv(samples), encode_tiff(samples)):
        photograph = read_photograph(encoded)
        assert photograph.bits == 16
        np.testing.assert_array_equal(photograph.pixels[..., 1], samples)
        np.testing.assert_allclose(read_rgb(encoded, "a")[..., 2], samples / 257.0, atol=0.501)


def test_gray_of_16_bits_with_white_as_zero_is_inverted():
    samples = noise((5, 7), np.uint16)
    photograph = read_photograph(encode_tiff(samples, photometric="miniswhite"))
    np.testing.assert_array_equal(photograph.pixels[..., 0], 65535 - samples)


def test_gray_of_12_bits_fills_the_range():
    samples = np.array([[0, 4095, 1000, 2]])
    bits = "".join(f"{sample:012b}" for sample in samples.ravel())
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    # (tag, value): size, depth, no compression, black is 0, one strip at byte 8
    tags = [(256, 4), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1)]
    tags.append((279, len(data)))
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    encoded = b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory
    photograph = read_photograph(encoded)
    np.testing.assert_array_equal(photograph.pixels[..., 0], np.rint(samples * 65535 / 4095))


def test_float_gray_in_the_unit_interval_is_read():
    samples = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    photograph = read_photograph(encode_tiff(samples))
    np.testing.assert_allclose(photograph.rgb[..., 0], samples, atol=1e-5)  # 16-bit steps


def test_float_gray_of_unknown_range_is_refused():
    samples = np.full((5, 7), 300.0, np.float32)
    with pytest.raises(UnreadableImageError, match=r"a\.tif: gray values from 300.* expected 0 to"):
        read_photograph(encode_tiff(samples), "a.tif")


@pytest.mark.parametrize("num_channels", [3, 4])
def test_color_of_16_bits_is_not_cut_to_8(num_channels):
    samples = noise((5, 7, num_channels), np.uint16)
    blue_first = samples[..., [2, 1, 0, 3][:num_channels]]
    photograph = read_photograph(_wide_png_by_opencv(blue_first))
    assert photograph.bits == 16
    np.testing.assert_array_equal(photograph.pixels, samples[..., :3])
    np.testing.assert_allclose(photograph.image, samples[..., :3] / 257.0, atol=0.501)
    if num_channels == 4:
        np.testing.assert_array_equal(photograph.alpha_pixels, samples[..., 3])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_removed(orientation):
    samples = noise((4, 6, 3))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x0110] = "Brownie"  # the camera model
    photograph = read_photograph(encode(Image.fromarray(samples), "PNG", exif=exif))
    np.testing.assert_array_equal(photograph.pixels, turned(samples, orientation))
    kept = Image.Exif()
    kept.load(photograph.metadata.exif)
    assert (kept.get(0x0110), kept[ORIENTATION]) == ("Brownie", 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_orientation_is_applied_once(orientation, dtype):
    samples = noise((4, 6, 3), dtype)
    tag = (ORIENTATION, "H", 1, orientation, True)
    encoded = encode_tiff(samples, photometric="rgb", extratags=[tag])
    np.testing.assert_array_equal(read_photograph(encoded).pixels, turned(samples, orientation))


def test_wide_png_orientation_is_applied():
    samples = noise((4, 6, 3), np.uint16)
    encoded = _wide_png_by_opencv(samples[..., ::-1])
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    body = exif.tobytes().removeprefix(b"Exif\x00\x00")
    chunk = b"eXIf" + body
    block = struct.pack(">I", len(body)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    with_exif = encoded[:33] + block + encoded[33:]  # after the signature and IHDR
    np.testing.assert_array_equal(read_photograph(with_exif).pixels, turned(samples, 6))


def test_first_frame_is_read():
    frames = [Image.new("RGB", (6, 5), color) for color in ("red", "blue")]
    for file_format in ("GIF", "TIFF"):
        options = {"save_all": True, "append_images": frames[1:]}
        image = read_rgb(encode(frames[0], file_format, **options), "a")
        np.testing.assert_array_equal(image, np.broadcast_to([255, 0, 0], (5, 6, 3)))


@pytest.mark.parametrize("space", ["rgb", "gray"])
def test_the_profile_is_kept_as_stored(space):
    image = Image.new("RGB" if space == "rgb" else "L", (4, 3))
    photograph = read_photograph(encode(image, "PNG", icc_profile=profile(space)))
    assert (photograph.icc_profile, photograph.color_space) == (profile(space), space)


def test_a_profile_of_inks_is_left_out():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    encoded = encode(Image.new("CMYK", (4, 3)), "JPEG", icc_profile=srgb[:16] + b"CMYK" + srgb[20:])
    photograph = read_photograph(encoded)
    assert (photograph.icc_profile, photograph.color_space) == (None, "cmyk")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_is_a_view_of_one_channel(dtype):
    photograph = read_photograph(encode_tiff(noise((5, 7), dtype)))
    assert photograph.pixels.shape == (5, 7, 3) and photograph.pixels.strides[-1] == 0
    assert not photograph.pixels.flags.writeable
    assert photograph.image.strides[-1] == 0
    assert read_rgb(encode_tiff(noise((5, 7), dtype)), "a").flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("channels", [2, 4])
def test_png_of_16_bits_keeps_its_alpha(channels):
    samples = noise((5, 7, channels), np.uint16)
    photograph = read_photograph(wide_png(samples))
    expected = samples[..., :-1] if channels == 4 else np.repeat(samples[..., :1], 3, axis=-1)
    np.testing.assert_array_equal(photograph.pixels, expected)
    np.testing.assert_array_equal(photograph.alpha_pixels, samples[..., -1])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_transparent_color_of_a_wide_png_becomes_alpha(channels):
    samples = noise((5, 7, channels), np.uint16)
    key = samples[2, 3].astype(">u2").tobytes()
    photograph = read_photograph(add_png_chunk(wide_png(samples), b"tRNS", key))
    expected = np.where((samples == samples[2, 3]).all(axis=-1), 0, 65535)
    np.testing.assert_array_equal(photograph.alpha_pixels, expected)


def test_an_orientation_that_only_xmp_tells_is_applied():
    samples = noise((4, 6, 3))
    packet = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp_packet(orientation=8)
    encoded = add_png_chunk(encode(Image.fromarray(samples)), b"iTXt", packet)
    np.testing.assert_array_equal(read_photograph(encoded).pixels, turned(samples, 8))


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".txt"])
def test_content_tells_the_format_not_the_name(tmp_path, suffix):
    samples = noise((4, 6, 3))
    (tmp_path / f"a{suffix}").write_bytes(encode(Image.fromarray(samples)))
    photograph = read_photograph(tmp_path / f"a{suffix}")
    assert photograph.file_format == "PNG"
    np.testing.assert_array_equal(photograph.pixels, samples)


def test_what_follows_an_image_in_its_file_does_no_harm():
    samples = noise((4, 6, 3))
    polyglot = encode(Image.fromarray(samples)) + b"PK\3\4<script>alert(1)</script>"
    np.testing.assert_array_equal(read_photograph(polyglot).pixels, samples)


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg xmlns='x'/>"]
)
def test_formats_that_run_programs_are_not_read(content):
    with pytest.raises(UnreadableImageError, match="not an image"):
        read_photograph(content, "a.jpg")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_a_truncated_image_is_an_error(file_format, part):
    encoded = encode(Image.fromarray(noise((64, 48, 3))), file_format)
    with pytest.raises(UnreadableImageError, match=r"^old/a\.jpg: (damaged|not an image)"):
        read_photograph(encoded[: int(len(encoded) * part)], "old/a.jpg")


def test_text_is_not_an_image():
    with pytest.raises(UnreadableImageError, match=r"^a\.jpg: not an image"):
        read_rgb(b"Dear album,", "a.jpg")


@pytest.mark.filterwarnings("ignore")  # pytest resets the filters of `images`
@pytest.mark.parametrize("size", [(30_000, 10_001), (60_000, 60_000)])
def test_more_pixels_than_the_limit_are_refused_before_decoding(size):
    with pytest.raises(UnreadableImageError, match=r"a\.png: .*more pixels.* limit of 300,000,000"):
        read_photograph(_png_of_size(*size), "a.png")


def test_an_image_without_pixels_is_refused():
    with pytest.raises(UnreadableImageError, match=r"a\.png: "):
        read_photograph(_png_of_size(0, 3), "a.png")


def test_missing_empty_and_unsuitable_paths_are_named(tmp_path):
    (tmp_path / "empty.jpg").touch()
    for name, reason in [
        ("none.jpg", "no such file"),
        ("empty.jpg", "the file is empty"),
        ("", "is a directory"),
        ("a\0b", "null"),
    ]:
        with pytest.raises(UnreadableImageError, match=reason) as caught:
            read_photograph(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path))
    with pytest.raises(UnreadableImageError, match="the file is empty"):
        read_photograph(b"", "nothing")


def test_read_file_returns_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert read_file(tmp_path / "a") == b"abc"


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(UnreadableImageError("a.jpg", "torn")))
    assert (str(error), error.name, error.reason) == ("a.jpg: torn", "a.jpg", "torn")


@pytest.mark.filterwarnings("ignore")  # pytest resets the filters of `images`
def test_damaged_metadata_costs_neither_the_photograph_nor_a_warning(tmp_path):
    exif = Image.Exif()
    exif[0x0110] = "Brownie of the long name"
    block = exif.tobytes()
    samples = noise((8, 8, 3))
    damaged = [block[:-12], block[:8], b"Exif\x00\x00garbage garbage", block[:20] + b"\xff" * 20]
    for number, bad in enumerate(damaged):
        encoded = encode(Image.fromarray(samples), "PNG", exif=bad)
        (tmp_path / f"{number}.png").write_bytes(encoded)
        np.testing.assert_array_equal(read_photograph(encoded).pixels, samples)
    program = (
        "import sys; from tfcolor.data.images import read_photograph\n"
        "for path in sys.argv[1:]: read_photograph(path)"
    )
    paths = [str(tmp_path / f"{number}.png") for number in range(len(damaged))]
    done = subprocess.run(
        [sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_every_suffix_is_a_format_that_is_read(tmp_path):
    for suffix in images.IMAGE_SUFFIXES:
        path = tmp_path / f"a{suffix}"
        Image.new("RGB", (4, 3), (9, 9, 9)).save(path)
        assert read_photograph(path).pixels.shape == (3, 4, 3)


def test_running_out_of_memory_is_not_blamed_on_damage_alone(monkeypatch):
    def decode(*_):
        raise MemoryError

    monkeypatch.setattr(images, "_decode", decode)
    with pytest.raises(UnreadableImageError, match="too large for the memory, or damaged"):
        read_photograph(encode(Image.new("L", (4, 4)), "PNG"))
