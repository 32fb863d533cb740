import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.savedmodel.encoded_images import decode_gray, encode_png

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 31, 3)).astype(np.uint8)


@tf.function(input_signature=[tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64)])
def _decode(encoded, max_pixels):
    return decode_gray(encoded, max_pixels)


def decode(content, max_pixels=100_000):
    return _decode(content, tf.constant(max_pixels, tf.int64)).numpy()


def _lightness(pixels):
    return np.mean(pixels, axis=-1, keepdims=True, dtype=np.float64) / 255


MODES = {
    "PNG": ("RGB", "L", "RGBA", "LA", "P", "1"),
    "JPEG": ("RGB", "L", "CMYK"),
    "BMP": ("RGB", "L", "RGBA", "P"),
    "GIF": ("L", "P"),
}


@pytest.mark.parametrize(
    ("file_format", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes]
)
def test_agrees_with_pillow(encode_image, file_format, mode):
    content = encode_image(PIXELS, file_format, mode)
    truth = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    # Of CMYK, Pillow and TensorFlow round the product of inks differently.
    tolerance = 2 / 255 if mode == "CMYK" else 1e-6
    np.testing.assert_allclose(decode(content), _lightness(truth), atol=tolerance)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_kept(channels):
    samples = np.random.default_rng(1).integers(0, 65536, (7, 9, channels)).astype(np.uint16)
    content = cv2.imencode(".png", samples)[1].tobytes()
    expected = samples[..., :3].mean(axis=-1, keepdims=True) / 65535
    np.testing.assert_allclose(decode(content), expected, atol=1e-6)


def test_first_frame_of_an_animation(encode_image):
    frames = [Image.fromarray(PIXELS[::step]).convert("L") for step in (1, -1)]
    stream = io.BytesIO()
    frames[0].save(stream, format="GIF", save_all=True, append_images=frames[1:], comment=b"two")
    np.testing.assert_allclose(decode(stream.getvalue())[..., 0] * 255, frames[0], atol=1e-4)


def test_broken_images_give_nothing(broken_images):
    sizes = {name: decode(content).shape for name, content in broken_images.items()}
    assert sizes == dict.fromkeys(broken_images, (0, 0, 1))


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "GIF", "BMP"])
def test_limit_of_pixels_is_inclusive(encode_image, file_format):
    content = encode_image(PIXELS, file_format)
    assert decode(content, 620).shape == (20, 31, 1)
    assert decode(content, 619).shape == (0, 0, 1)


def test_bytes_behind_the_end_do_no_harm(encode_image):
    assert decode(encode_image(PIXELS, "PNG") + b"tail").shape == (20, 31, 1)


def test_encoded_color_is_lossless():
    content = encode_png(tf.constant(PIXELS / 255, tf.float32)).numpy()
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "PNG"
    np.testing.assert_array_equal(picture, PIXELS)
