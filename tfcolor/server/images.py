"""Sizes of encoded images, read from their headers before anything is decoded."""

import io

import numpy as np
from PIL import Image

from tfcolor.server.status import invalid

# Beginnings by which TensorFlow takes bytes for an image. Its decoder of BMP reads
# as many bytes as there are pixels, so those are bounded by the message's size.
MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF"}
# Stands for the size of an image that Pillow refuses to open for its size.
UNCOUNTED = 2**62


def accept_images(name: str, items: np.ndarray, max_pixels: int) -> np.ndarray:
    """Takes out images whose decoding would take too much memory.

    A kilobyte of PNG can declare 2**31 pixels per side. An image that is refused
    becomes an empty string, which our exports answer by an empty string, so that
    the others of its request are colored. Strings that are no images pass.

    Args:
      name: the input's name, for messages.
      items: object [...] of bytes, encoded images among them.
      max_pixels: the most that an image may have, over all frames.

    Returns:
      object [...], `items` itself if none is refused.

    Raises:
      RequestError: if nothing is left, because images are larger or their
        headers cannot be read.
    """
    reasons = [_refusal(item, max_pixels) for item in items.flat]
    refused = [index for index, reason in enumerate(reasons) if reason]
    if not refused:
        return items
    if len(refused) == items.size:
        index = refused[0]
        raise invalid(f'input "{name}", item {index}: {reasons[index]}')
    accepted = items.copy()
    for index in refused:
        accepted.flat[index] = b""
    return accepted


def _refusal(item: object, max_pixels: int) -> str:
    """Returns why a string is not passed to a model; empty if it is."""
    kind = _kind(item)
    if kind is None or not isinstance(item, bytes):
        return ""
    pixels = count_pixels(item, kind)
    if pixels is None:
        return f"a {kind} whose header is damaged"
    if pixels > max_pixels:
        return f"a {kind} of {pixels} pixels; at most {max_pixels} are accepted"
    return ""


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
