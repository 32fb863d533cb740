"""What a photograph's file holds comes out of colorizing it, field by field.

Files are made and read by other means than tfcolor's own: Pillow, tifffile,
OpenCV, ElementTree and chunks written by hand.
"""

import dataclasses
import functools
import io
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image, ImageCms

from tests.photograph_files import (
    DPI,
    NUM_ORIENTATIONS,
    PERSON,
    add_jpeg_segment,
    add_png_chunk,
    encode,
    encode_tiff,
    exif_of,
    iptc_record,
    profile,
    read_told,
    resource_block,
    slopes,
    turned,
    wide_png,
    xmp_packet,
    xmp_properties,
)
from tfcolor.data.images import read_photograph
from tfcolor.inference.photographs import BlendOptions, lay_colors
from tfcolor.inference.result_files import ResultOptions, encode_result, result_suffix

HEIGHT, WIDTH = slopes(1).shape[:2]
TARGETS = ("png", "tiff", "jpeg", "webp", "keep")
PILLOW_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclasses.dataclass(frozen=True)
class Kind:
    """One way to store a photograph; `channels` of "cmyk" are inks."""

    suffix: str
    channels: int
    bits: int = 8
    is_cmyk: bool = False
    options: tuple[tuple[str, object], ...] = ()

    @property
    def has_alpha(self) -> bool:
        return self.channels in (2, 4) and not self.is_cmyk

    @property
    def space(self) -> str:
        return "cmyk" if self.is_cmyk else "gray" if self.channels < 3 else "rgb"

    @property
    def dtype(self) -> type:
        return np.uint8 if self.bits == 8 else np.uint16


KINDS = {
    **{f"png {c}x{b}": Kind(".png", c, b) for c in (1, 2, 3, 4) for b in (8, 16)},
    "png palette": Kind(".png", 3, options=(("palette", True),)),
    "jpeg gray": Kind(".jpg", 1),
    "jpeg rgb": Kind(".JPEG", 3),
    "jpeg cmyk": Kind(".jpg", 4, is_cmyk=True),
    "tiff 1x8": Kind(".tif", 1, options=(("compression", "packbits"),)),
    "tiff 3x8": Kind(".tif", 3, options=(("compression", "tiff_lzw"),)),
    "tiff 4x8": Kind(".tif", 4, options=(("compression", "tiff_adobe_deflate"),)),
    "tiff cmyk": Kind(".tif", 4, is_cmyk=True),
    "tiff 1x16": Kind(".tiff", 1, 16, options=(("compression", "lzw"), ("predictor", True))),
    "tiff 1x16 white is 0": Kind(".tif", 1, 16, options=(("photometric", "miniswhite"),)),
    "tiff 3x16 tiles": Kind(".tif", 3, 16, options=(("tile", (16, 16)), ("byteorder", ">"))),
    "tiff 4x16": Kind(".tif", 4, 16, options=(("compression", "zlib"),)),
    "tiff 3x16 planes": Kind(".tif", 3, 16, options=(("planarconfig", "separate"),)),
    "webp rgb": Kind(".webp", 3),
    "webp rgba": Kind(".webp", 4),
    "bmp": Kind(".bmp", 3),
    "gif": Kind(".gif", 1),
}


def make_source(kind: Kind, orientation: int, icc: bytes | None, is_told: bool) -> bytes:
    samples = slopes(kind.channels, kind.dtype)
    exif = exif_of(orientation, (WIDTH, HEIGHT)) if is_told else Image.Exif()
    exif[274] = orientation
    if kind.suffix == ".png":
        return make_png(kind, samples, exif, icc, is_told)
    if kind.suffix.startswith(".tif"):
        return make_tiff(kind, samples, exif, icc, is_told)
    mode = "CMYK" if kind.is_cmyk else PILLOW_MODES[kind.channels]
    image = Image.fromarray(samples.squeeze(), mode)
    if kind.suffix == ".bmp":
        return encode(image, "BMP", **({"dpi": DPI} if is_told else {}))
    if kind.suffix == ".gif":
        return encode(image, "GIF", **({"comment": b"seen"} if is_told else {}))
    if kind.suffix == ".webp":
        told = {"xmp": xmp_packet()} if is_told else {}
        options = {"lossless": True, "exact": True, "exif": exif, "icc_profile": icc or b""}
        return encode(image, "WEBP", **options, **told)
    told = {"dpi": DPI, "comment": "seen"} if is_told else {}
    content = encode(
        image, "JPEG", quality=98, subsampling=0, exif=exif, icc_profile=icc or b"", **told
    )
    if is_told:
        content = add_jpeg_segment(content, 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp_packet())
        resources = resource_block(0x0409, b"old thumbnail") + resource_block(0x0404, iptc_record())
        content = add_jpeg_segment(content, 0xED, b"Photoshop 3.0\0" + resources)
    return content


def make_png(
    kind: Kind, samples: np.ndarray, exif: Image.Exif, icc: bytes | None, is_told: bool
) -> bytes:
    if kind.bits == 16:
        content = wide_png(samples)
    else:
        image = Image.fromarray(samples.squeeze(), PILLOW_MODES[kind.channels])
        content = encode(image.quantize(256, dither=0) if kind.options else image)
    chunks = {b"eXIf": exif.tobytes().removeprefix(b"Exif\0\0")}
    if icc is not None:
        chunks[b"iCCP"] = b"profile\0\0" + zlib.compress(icc)
    if is_told:
        chunks[b"pHYs"] = b"".join(round(dpi / 0.0254).to_bytes(4, "big") for dpi in DPI) + b"\1"
        chunks[b"iTXt"] = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp_packet()
        chunks[b"tEXt"] = b"Author\0" + PERSON.encode("latin-1")
        resources = resource_block(0x0404, iptc_record())
        digits = f"\niptc\n{len(resources):8}\n{resources.hex()}\n".encode()
        chunks[b"zTXt"] = b"Raw profile type iptc\0\0" + zlib.compress(digits)
    for name, chunk in chunks.items():
        content = add_png_chunk(content, name, chunk)
    return content


def make_tiff(
    kind: Kind, samples: np.ndarray, exif: Image.Exif, icc: bytes | None, is_told: bool
) -> bytes:
    if kind.bits == 8:
        if is_told:
            exif[700], exif[33723] = xmp_packet(), iptc_record()
        mode = "CMYK" if kind.is_cmyk else PILLOW_MODES[kind.channels]
        options = dict(kind.options) | ({"dpi": DPI} if is_told else {})
        image = Image.fromarray(samples.squeeze(), mode)
        return encode(image, "TIFF", exif=exif, icc_profile=icc, **options)
    options = dict(kind.options)
    options.setdefault("photometric", "minisblack" if kind.channels == 1 else "rgb")
    if options["photometric"] == "miniswhite":
        samples = 65535 - samples
    if kind.has_alpha:
        options["extrasamples"] = ["unassalpha"]
    if "planarconfig" in options:
        samples = np.moveaxis(samples, -1, 0)
    tags = [(274, "H", 1, exif[274], True)]
    if is_told:
        options |= {"resolution": DPI, "resolutionunit": "inch", "datetime": "1931:05:17 11:12:13"}
        tags += [(271, "s", 0, "Brownie", True), (315, "s", 0, "Ada", True)]
        for number, packet in ((700, xmp_packet()), (33723, iptc_record())):
            tags.append((number, "B", len(packet), packet, True))
    return encode_tiff(
        samples if "planarconfig" in options else samples.squeeze(),
        iccprofile=icc,
        extratags=tags,
        metadata=None,
        **options,
    )


def shown(kind: Kind, source: bytes, orientation: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The upright colors of a source, as integers of 8 or 16 bits, and its alpha."""
    samples = slopes(kind.channels, kind.dtype)
    if kind.suffix.lower() in (".jpg", ".jpeg") or kind.options == (("palette", True),):
        with Image.open(io.BytesIO(source)) as image:
            samples = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    samples = turned(samples.reshape(HEIGHT, WIDTH, -1), orientation)
    if kind.is_cmyk:
        inks = samples / 255
        return 255 * (1 - inks[..., :3]) * (1 - inks[..., 3:]), None
    return (samples[..., :-1], samples[..., -1]) if kind.has_alpha else (samples, None)


def read_pixels(content: bytes, file_format: str) -> np.ndarray:
    """The pixels of a result, [H, W, C]."""
    if file_format == "tiff":
        return tifffile.imread(io.BytesIO(content))
    if file_format == "png":
        blue_first = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        return blue_first[..., [2, 1, 0, 3][: blue_first.shape[-1]]]
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


@functools.cache
def tint_maps(colorizer_type: type) -> tf.Tensor:
    """The one color that the colorizer finds everywhere, decoded once."""
    colorizer, size = colorizer_type(), tf.constant([4, 4])
    histograms = colorizer.histograms(tf.zeros([1, 4, 4, 1]))
    posteriors = colorizer.painter.space.posteriors(histograms, colorizer.decoding)
    return colorizer.painter.decode(posteriors, colorizer.decoding, size)


def color(colorizer, source: bytes, kind: Kind, target: str) -> tuple[bytes, str]:
    """Returns (the file of the colored photograph, its format)."""
    options = ResultOptions(format=target)
    suffix = result_suffix(Path(f"photo{kind.suffix}"), options)
    photograph = read_photograph(source, "photo")
    colored = lay_colors(colorizer.painter, photograph, tint_maps(type(colorizer)), BlendOptions())
    formats = {".png": "png", ".tif": "tiff", ".tiff": "tiff", ".webp": "webp"}
    content = encode_result(colored, f"photo{suffix}", options)
    return content, formats.get(suffix.lower(), "jpeg")


def check_pixels(kind: Kind, source: bytes, orientation: int, content: bytes, found: str) -> None:
    expected, alpha = shown(kind, source, orientation)
    pixels = read_pixels(content, found)
    bits = 8 if found in ("jpeg", "webp") or kind.bits == 8 else 16
    assert pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert pixels.shape == (*expected.shape[:2], 3 if alpha is None else 4)
    step = 257 if kind.bits > 8 and bits == 8 else 1
    before, after = expected.mean(axis=-1) / step, pixels[..., :3].mean(axis=-1)
    # Lossy files are within a few steps; where 16 bits become 8, they are rounded.
    tolerance = 4 if found == "jpeg" else 1
    assert np.abs(before - after).max() <= tolerance
    assert np.ptp(pixels[..., :3].astype(int), axis=-1).max() > 8 * 2 ** (bits - 8)  # colored
    if alpha is not None:
        np.testing.assert_allclose(pixels[..., 3], alpha / step, atol=0.5)


def check_told(kind: Kind, source: bytes, orientation: int, content: bytes, found: str) -> None:
    before, after = read_told(source), read_told(content)
    is_turned = orientation > 4
    turn = (lambda pair: pair[::-1]) if is_turned else (lambda pair: pair)
    assert after.orientation == 1
    for field in ("make", "artist", "taken", "note", "latitude", "title"):
        told = getattr(before, field)
        if told is not None:
            assert getattr(after, field) == told, field
    if before.size is not None:
        assert after.size == turn(before.size)
    if before.dpi is not None and max(before.dpi) > 72:
        # Pillow has turned TIFF files already, but not their resolution.
        np.testing.assert_allclose(after.dpi, turn(before.dpi), rtol=0.002)
    if before.caption is not None and found != "webp":
        assert after.caption == before.caption
    for keyword, text in before.texts.items():
        if found == "png" or (found == "jpeg" and keyword == "Comment"):
            assert after.texts[keyword] == text
    if kind.space == "rgb":
        assert after.icc == before.icc
    else:
        assert (after.icc is None) == (before.icc is None and kind.space == "gray")


def check_provenance(content: bytes, is_told: bool) -> None:
    with Image.open(io.BytesIO(content)) as image:
        told = xmp_properties(image.info["xmp"])
    assert told["DigitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert told["CreatorTool"] == ("Scanner 3" if is_told else told["Version"])


def holds(kind: Kind, target: str) -> bool:
    is_jpeg = target == "jpeg" or (target == "keep" and kind.suffix.lower() in (".jpg", ".jpeg"))
    return not (is_jpeg and kind.has_alpha)


def has_orientation(kind: Kind) -> bool:
    return kind.suffix not in (".bmp", ".gif")


ORIENTED = [name for name, kind in KINDS.items() if has_orientation(kind)]


@pytest.mark.parametrize("orientation", range(1, NUM_ORIENTATIONS + 1))
@pytest.mark.parametrize("name", ORIENTED)
def test_every_kind_in_every_orientation(tint, name, orientation):
    kind = KINDS[name]
    possible = [target for target in TARGETS if holds(kind, target)]
    target = possible[(orientation + len(name)) % len(possible)]
    icc = None if kind.is_cmyk else profile(kind.space)
    source = make_source(kind, orientation, icc, is_told=True)
    content, found = color(tint, source, kind, target)
    check_pixels(kind, source, orientation, content, found)
    check_told(kind, source, orientation, content, found)
    check_provenance(content, is_told=True)


PAIRS = [(name, target) for name in KINDS for target in TARGETS if holds(KINDS[name], target)]


@pytest.mark.parametrize(("name", "target"), PAIRS)
def test_every_kind_in_every_format(tint, name, target):
    number = PAIRS.index((name, target))
    is_told, has_profile = number % 2 == 0, number % 3 == 0
    kind = KINDS[name]
    orientation = 6 if has_orientation(kind) and is_told else 1
    icc = profile(kind.space) if has_profile and not kind.is_cmyk else None
    source = make_source(kind, orientation, icc, is_told)
    content, found = color(tint, source, kind, target)
    assert target in (found, "keep")
    check_pixels(kind, source, orientation, content, found)
    check_told(kind, source, orientation, content, found)
    check_provenance(content, is_told and has_orientation(kind))


@pytest.mark.parametrize("name", [name for name in ORIENTED if "webp" not in name])
def test_the_sources_tell_what_the_table_is_about(name):
    told = read_told(make_source(KINDS[name], 6, None, is_told=True))
    assert (told.make, told.caption is not None, told.title is not None) == ("Brownie", True, True)
    assert told.dpi is not None


@pytest.mark.parametrize("target", ["png", "tiff", "jpeg", "webp"])
@pytest.mark.parametrize("bits", [8, 16])
def test_gray_looks_the_same_in_the_profile_of_the_result(tint, target, bits):
    kind = Kind(".png", 1, bits)
    content, _ = color(tint, make_source(kind, 1, profile("gray"), False), kind, target)
    ramp = np.arange(0, 256, 5, dtype=np.uint8)[None]
    lab = ImageCms.createProfile("LAB")

    def lightness(image: Image.Image, icc: bytes) -> np.ndarray:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        transform = ImageCms.buildTransform(source, lab, image.mode, "LAB", 1)
        return np.asarray(ImageCms.applyTransform(image, transform))[..., 0].astype(int)

    before = lightness(Image.fromarray(ramp), profile("gray"))
    neutral = Image.fromarray(np.repeat(ramp[..., None], 3, axis=-1))
    np.testing.assert_allclose(lightness(neutral, read_told(content).icc), before, atol=1)
