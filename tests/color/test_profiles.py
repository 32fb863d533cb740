import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.photograph_files import noise, profile
from tfcolor.color.profiles import (
    ColorProfile,
    cmyk_to_srgb,
    output_icc,
    read_profile,
    srgb_icc,
)

# Bruce Lindbloom: linear RGB to XYZ.
ADOBE_TO_XYZ = np.array(
    [[0.5767309, 0.1855540, 0.1881852], [0.2973769, 0.6273491, 0.0752741],
     [0.0270343, 0.0706872, 0.9911085]]
)  # fmt: skip
SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
ADOBE_GAMMA = 563 / 256


def _encode_srgb(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _decode_srgb(encoded):
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _adobe():
    found = read_profile(profile("rgb"), "rgb")
    assert found is not None
    return found


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_adobe_rgb_becomes_srgb(dtype):
    samples = noise((4, 6, 3), dtype)
    linear = (samples / np.iinfo(dtype).max) ** ADOBE_GAMMA
    expected = _encode_srgb(linear @ (np.linalg.inv(SRGB_TO_XYZ) @ ADOBE_TO_XYZ).T)
    found = _adobe().to_srgb(samples)
    assert found.dtype == np.float32 and found.shape == samples.shape
    # The matrices above are rounded to seven digits, which shows near black.
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_srgb_becomes_adobe_rgb():
    rgb = np.random.default_rng(0).random((4, 6, 3)).astype(np.float32)
    linear = _decode_srgb(rgb) @ (np.linalg.inv(ADOBE_TO_XYZ) @ SRGB_TO_XYZ).T
    expected = np.clip(linear, 0, 1) ** (1 / ADOBE_GAMMA)
    np.testing.assert_allclose(_adobe().from_srgb(rgb), expected, atol=2e-3)


def test_there_and_back_is_the_same_to_less_than_a_step_of_8_bits():
    rgb = np.random.default_rng(0).random((4, 6, 3)).astype(np.float32)
    stored = np.rint(65535 * _adobe().from_srgb(rgb)).astype(np.uint16)
    np.testing.assert_allclose(_adobe().to_srgb(stored), rgb, atol=0.2 / 255)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("space", ["gray", "rgb"])
def test_a_view_of_gray_gives_the_same_as_its_copy(dtype, space):
    view = np.broadcast_to(noise((4, 6), dtype)[..., None], (4, 6, 3))
    found = read_profile(profile(space), space)
    lightness = found.to_srgb(view)
    assert lightness.strides[-1] == 0
    np.testing.assert_allclose(lightness, found.to_srgb(view.copy()), atol=1e-4)


def test_a_gray_gamma_becomes_that_of_srgb():
    samples = np.arange(256, dtype=np.uint8).reshape(1, -1, 1)
    found = read_profile(profile("gray"), "gray").to_srgb(np.broadcast_to(samples, (1, 256, 3)))
    expected = _encode_srgb((samples / 255.0) ** 1.8)
    # The profile rounds its gamma to 1/256.
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=2e-3)


def test_a_gray_curve_that_leads_to_lab_keeps_its_lightness():
    of_lab = bytearray(profile("gray"))
    of_lab[20:24] = b"Lab "
    rgb_icc = output_icc(bytes(of_lab), "gray")
    samples = np.arange(0, 256, 15, dtype=np.uint8)[None]
    lab = ImageCms.createProfile("LAB")
    lightness = []
    for icc, image in (
        (bytes(of_lab), Image.fromarray(samples)),
        (rgb_icc, Image.fromarray(np.repeat(samples[..., None], 3, axis=-1))),
    ):
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        transform = ImageCms.buildTransform(source, lab, image.mode, "LAB", 1)
        converted = ImageCms.applyTransform(image, transform)
        lightness.append(np.asarray(converted)[..., 0].astype(int))
    np.testing.assert_allclose(lightness[0], lightness[1], atol=1)


def test_the_built_profile_is_srgb_to_others_and_always_the_same():
    opened = ImageCms.ImageCmsProfile(io.BytesIO(srgb_icc())).profile
    assert (opened.xcolor_space.strip(), opened.connection_space.strip()) == ("RGB", "XYZ")
    other = ImageCms.createProfile("sRGB")
    image = Image.fromarray(noise((8, 9, 3)))
    source = ImageCms.ImageCmsProfile(io.BytesIO(srgb_icc()))
    converted = ImageCms.profileToProfile(image, source, other, renderingIntent=1)
    np.testing.assert_allclose(
        np.asarray(converted).astype(int), np.asarray(image).astype(int), atol=1
    )
    assert b"2016" not in srgb_icc() and srgb_icc()[24:26] == (2016).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("icc", "space"),
    [
        (None, "rgb"),
        (imagecodecs.cms_profile("srgb"), "rgb"),
        (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), "rgb"),
        (srgb_icc(), "rgb"),
        (profile("rgb"), "cmyk"),
    ],
)
def test_nothing_is_converted_where_pixels_are_srgb(icc, space):
    assert read_profile(icc, space) is None


@pytest.mark.parametrize("keep", [0, 40, 130, 300])
@pytest.mark.parametrize("space", ["rgb", "gray"])
def test_broken_profiles_convert_nothing(keep, space):
    broken = profile(space)[:keep] + b"\xff" * 50
    assert read_profile(broken, space) is None


def test_a_broken_profile_of_rgb_is_still_embedded():
    assert output_icc(b"broken", "rgb") == b"broken"
    assert output_icc(b"broken", "gray") is None
    assert output_icc(profile("gray")[:140], "gray") is None


def test_the_profile_to_embed():
    assert output_icc(profile("rgb"), "rgb") == profile("rgb")
    assert output_icc(profile("rgb"), "gray") == profile("rgb")
    assert output_icc(None, "gray") is None
    assert output_icc(None, "cmyk") == srgb_icc()
    assert output_icc(profile("gray"), "gray")[16:20] == b"RGB "


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_inks_without_a_profile_absorb_one_after_the_other(dtype):
    samples = noise((4, 6, 4), dtype)
    light = 1 - samples / np.iinfo(dtype).max
    expected = np.iinfo(dtype).max * light[..., :3] * light[..., 3:]
    for icc in (None, b"broken", profile("rgb"), bytes(16) + b"CMYK" + bytes(200)):
        np.testing.assert_allclose(cmyk_to_srgb(samples, icc), expected, atol=0.51)


def test_profiles_are_read_once():
    assert read_profile(profile("rgb"), "rgb") == ColorProfile(profile("rgb"))
    assert read_profile(profile("rgb"), "rgb") is read_profile(profile("rgb"), "rgb")
