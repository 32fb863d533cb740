"""Sizes of encoded images, read from their headers before anything is decoded."""

import io
from collections.abc import Iterable

from PIL import Image

from tfcolor.server.status import invalid

# Beginnings by which TensorFlow takes bytes for an image. Its decoder of BMP reads
# as many bytes as there are pixels, so those are bounded by the message's size.
MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF"}
# Stands for the size of an image that Pillow refuses to open for its size.
UNCOUNTED = 2**62


def check_images(name: str, items: Iterable[object], max_pixels: int) -> None:
    """Refuses images whose decoding would take too much memory.

    A kilobyte of PNG can declare 2**31 pixels per side. Strings that are no
    images pass.

    Args:
      name: the input's name, for messages.
      items: bytes, encoded images among them.
      max_pixels: the most that an image may have, over all frames.

    Raises:
      RequestError: if an image is larger, or its header cannot be read.
    """
    for index, item in enumerate(items):
        kind = _kind(item)
        if kind is None or not isinstance(item, bytes):
            continue
        pixels = count_pixels(item, kind)
        if pixels is None:
            raise invalid(f'input "{name}", item {index}: a {kind} whose header is damaged')
        if pixels > max_pixels:
            raise invalid(
                f'input "{name}", item {index}: a {kind} of {pixels} pixels;'
                f" at most {max_pixels} are accepted"
            )


def count_pixels(encoded: bytes, kind: str) -> int | None:
    """Returns the pixels of all frames of an image, without decoding it.

    Args:
      encoded: the image's bytes.
      kind: "JPEG", "PNG" or "GIF".

    Returns:
      The number of pixels, None if the header cannot be read.
    """
    try:
        # Its own check only warns, up to twice a limit of its own.
        with Image.open(io.BytesIO(encoded), formats=[kind]) as image:
            pixels = image.width * image.height
            return pixels * getattr(image, "n_frames", 1) if kind == "GIF" else pixels
    except Image.DecompressionBombError:
        return UNCOUNTED
    except Exception:
        # Damaged headers raise whatever Pillow's plugin happens to meet.
        return None


def _kind(item: object) -> str | None:
    """Returns the format that bytes begin like, or None."""
    if not isinstance(item, bytes):
        return None
    return next((kind for magic, kind in MAGIC.items() if item.startswith(magic)), None)
