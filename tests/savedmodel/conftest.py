"""Encoded photographs of every kind, and one batch of inputs per signature."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 31, 3)).astype(np.uint8)


def encode(pixels: np.ndarray, file_format: str, mode: str | None = None, **options) -> bytes:
    """Returns an image file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, format=file_format, **options)
    return stream.getvalue()


def flip(content: bytes, position: int) -> bytes:
    """Returns a file with one bit changed."""
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


@pytest.fixture(scope="session")
def encode_image():
    """Returns `encode(pixels, file_format, mode, **options)`."""
    return encode


@pytest.fixture(scope="session")
def broken_images() -> dict[str, bytes]:
    """Files that cannot be decoded, or claim to be huge, by what is wrong."""
    png, jpeg, gif, bmp = (encode(PIXELS, kind) for kind in ("PNG", "JPEG", "GIF", "BMP"))
    frame = gif.index(b"\x2c\0\0\0\0")
    huge = b"\0\0\xff\xff"
    size = jpeg.index(b"\xff\xc0") + 5
    return {
        "empty": b"",
        "no image": b"GIF-like text",
        "PNG, signature only": png[:8],
        "PNG, first half": png[: len(png) // 2],
        "PNG, last chunk missing": png[:-12],
        "PNG, wrong checksum": flip(png, len(png) // 2),
        "PNG, huge": png[:16] + huge + huge + png[24:],
        "JPEG, first half": jpeg[: len(jpeg) // 2],
        "JPEG, end missing": jpeg[:-2],
        "JPEG, huge": jpeg[:size] + b"\xff\xff\xff\xff" + jpeg[size + 4 :],
        "GIF, signature only": gif[:6],
        "GIF, first half": gif[: len(gif) // 2],
        "GIF, no frame": gif[:frame] + b"\x3b",
        "GIF, huge frame": gif[: frame + 5] + b"\xff\xff\xff\xff" + gif[frame + 9 :],
        "BMP, first half": bmp[: len(bmp) // 2],
        "BMP, huge": bmp[:18] + b"\xff\xff\0\0\xff\xff\0\0" + bmp[26:],
    }


@pytest.fixture(scope="session")
def signature_inputs() -> dict[str, dict[str, np.ndarray]]:
    """A batch of inputs by signature and name."""
    files = [encode(PIXELS, "PNG"), encode(PIXELS[:9, :14], "JPEG"), b"broken"]
    encoded = np.array(files, object)
    random_numbers = np.random.default_rng(1)
    gray = random_numbers.uniform(0, 1, (2, 27, 34, 1)).astype(np.float32)
    return {
        "serving_default": {"image_bytes": encoded},
        "sample": {
            "image_bytes": encoded,
            "seed": np.int32([3, 4, 5]),
            "temperature": np.float32([0, 0.7, 1]),
        },
        "colorize": {"gray": gray},
        "histograms": {"gray": gray},
        "features": {"rgb": random_numbers.uniform(0, 1, (1, 33, 25, 3)).astype(np.float32)},
        "describe": {"name": np.array([b"", b"x"], object)},
    }


@pytest.fixture(scope="session")
def loaded(colorizer_export) -> tf.Module:
    """The SavedModel of `tiny_colorizer`, loaded."""
    return tf.saved_model.load(str(colorizer_export / "1"))


@pytest.fixture(scope="session")
def expected_outputs(loaded, signature_inputs) -> dict[str, dict[str, np.ndarray]]:
    """What Python's loader answers to `signature_inputs`."""
    return {
        name: {
            key: value.numpy()
            for key, value in loaded.signatures[name](
                **{key: tf.constant(value) for key, value in inputs.items()}
            ).items()
        }
        for name, inputs in signature_inputs.items()
    }
