"""Photographs that come over HTTP: limits first, then decoding."""

import io
import re
from collections.abc import AsyncIterator, Mapping

from PIL import Image

from tfcolor.data.images import Photograph, read_photograph
from tfcolor.inference.jobs import COLORIZED_MARK
from tfcolor.web.refusals import too_many_bytes, too_many_pixels

MAX_NAME = 120
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f"<>|:*?]')


async def read_body(
    headers: Mapping[str, str], chunks: AsyncIterator[bytes], max_bytes: int
) -> bytes:
    """Reads the body of a request, never more than is allowed.

    Args:
      headers: of the request.
      chunks: its body as it comes in.
      max_bytes: the limit.

    Returns:
      The body.

    Raises:
      StudioError: if it is larger, or announces to be.
    """
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise too_many_bytes(max_bytes)
    parts, size = [], 0
    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise too_many_bytes(max_bytes)
        parts.append(chunk)
    return b"".join(parts)


def decode_upload(content: bytes, name: str, max_pixels: int) -> Photograph:
    """Decodes a photograph whose header announces an acceptable size.

    Args:
      content: the file.
      name: what messages call it.
      max_pixels: the limit, checked before anything is decoded.

    Returns:
      The photograph, upright.

    Raises:
      StudioError: if it has more pixels.
      UnreadableImageError: if it is no image.
    """
    size = _announced_size(content)
    if size[0] * size[1] > max_pixels:
        raise too_many_pixels(size, max_pixels)
    return read_photograph(content, name)


def clean_name(text: str) -> str:
    r"""Returns the name of a file without folders and odd characters.

    Example:
      >>> clean_name("C:\\album\\../grand|mother.jpg")
      'grandmother.jpg'
    """
    name = _FORBIDDEN.sub("", re.split(r"[/\\]", text)[-1]).strip(" .")
    return name[-MAX_NAME:] or "photograph"


def download_name(name: str) -> str:
    """Returns the name under which the result of a photograph is saved.

    Example:
      >>> download_name("album.2/grandmother.jpg")
      'grandmother_colorized.png'
    """
    name = clean_name(name)
    stem = name.rpartition(".")[0] or name
    return f"{stem}{COLORIZED_MARK}.png"


def _announced_size(content: bytes) -> tuple[int, int]:
    """Returns (width, height) from the header of an image, (0, 0) if it has none."""
    try:
        with Image.open(io.BytesIO(content)) as frame:
            return frame.size
    except Image.DecompressionBombError:
        return 2**31, 2**31
    except Exception:  # Pillow raises many types; decoding will say what is wrong
        return 0, 0
