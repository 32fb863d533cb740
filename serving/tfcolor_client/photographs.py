"""Photographs as a model server takes them, and results as a person wants them.

TensorFlow decodes PNG, JPEG, GIF and BMP of 8 bits, and ignores how the camera
was held. What is anything else is decoded here and sent as PNG.
"""

import contextlib
import dataclasses
import io
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from tfcolor_client.errors import ServingError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Names that a folder is searched for, in lower case."""

PLAIN = {"PNG": ("L", "RGB", "RGBA"), "JPEG": ("L", "RGB")}
"""Modes by format that a server decodes as Pillow does."""

_ORIENTATION = 0x0112
_WIDE_PNG_BITS = 16


@dataclasses.dataclass(frozen=True, eq=False)
class Photograph:
    """A photograph, ready to be sent, with what its result has to keep.

    Args:
      path: the file it comes from.
      encoded: what is sent, a PNG or JPEG file.
      pixels: uint8 [H, W, 3], upright, at its own size.
      alpha: uint8 [H, W], or None for an opaque photograph.
      sent_size: (width, height) of what is sent.
      exif: without the orientation, which is applied; or None.
      icc_profile: of RGB, or None.
    """

    path: Path
    encoded: bytes
    pixels: np.ndarray
    alpha: np.ndarray | None
    sent_size: tuple[int, int]
    exif: bytes | None
    icc_profile: bytes | None

    @property
    def weight(self) -> int:
        """Returns about how many bytes it takes on both ways."""
        width, height = self.sent_size
        return len(self.encoded) + 3 * width * height


def read_photograph(path: str | os.PathLike[str], max_side: int = 0) -> Photograph:
    """Reads a photograph of any kind.

    A file that the server decodes right goes as it is. Others become PNG.

    Args:
      path: the file.
      max_side: what is sent is shrunk to this many pixels at its longer side;
        0 for its own size.

    Returns:
      The photograph.

    Raises:
      ServingError: if it is no complete image, or of more pixels than Pillow
        takes for honest (179 million).
    """
    name = Path(path)
    try:
        content = name.read_bytes()
        return _read(name, content, max_side)
    except ServingError:
        raise
    except OSError as error:
        reason = error.strerror or "no image, or a damaged one"
        raise ServingError("INVALID_ARGUMENT", f"{name}: {reason}", "") from error
    # Pillow's decoders raise a dozen types on damaged data, from SyntaxError to
    # struct.error and MemoryError.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ServingError("INVALID_ARGUMENT", f"{name}: unusable ({reason})", "") from error


def finish(photograph: Photograph, answer: bytes) -> bytes:
    """Returns the file to keep of a server's answer.

    Args:
      photograph: what was sent.
      answer: the PNG that came back, of the size that was sent.

    Returns:
      A PNG file of the photograph's own size with its alpha, EXIF and profile.
      Where nothing has to be added, the answer as it is. Of a photograph that
      was shrunk, colors are enlarged and laid over its own lightness.

    Raises:
      ServingError: if the server could not decode the photograph, or its answer
        is no image of this size.
    """
    if not answer:
        reason = f"{photograph.path}: the server could not decode or color it"
        raise ServingError("INVALID_ARGUMENT", reason, "a photograph within the server's limits")
    try:
        colored = Image.open(io.BytesIO(answer)).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        reason = f"{photograph.path}: the answer is no image"
        raise ServingError("INTERNAL", reason, "a colorizer that tfcolor exported") from error
    if colored.size != photograph.sent_size:
        reason = f"{photograph.path}: {photograph.sent_size} was sent and {colored.size} came back"
        raise ServingError("INTERNAL", reason, "a colorizer that tfcolor exported")
    kept = {"exif": photograph.exif, "icc_profile": photograph.icc_profile}
    extras = {name: value for name, value in kept.items() if value}
    height, width = photograph.pixels.shape[:2]
    is_shrunk = photograph.sent_size != (width, height)
    if not extras and photograph.alpha is None and not is_shrunk:
        return answer
    if is_shrunk:
        colored = Image.fromarray(lay_over(photograph.pixels, np.asarray(colored)))
    if photograph.alpha is not None:
        colored.putalpha(Image.fromarray(photograph.alpha))
    return _encode(colored, extras)


def lay_over(pixels: np.ndarray, colored: np.ndarray) -> np.ndarray:
    """Enlarges colors and lays them over the lightness of a photograph.

    Args:
      pixels: uint8 [H, W, 3], the photograph; the mean of its channels is its
        lightness.
      colored: uint8 [h, w, 3], colored at a smaller size.

    Returns:
      uint8 [H, W, 3], of the lightness of `pixels` to within rounding. Where a
      color does not fit it, its saturation gives way.
    """
    height, width = pixels.shape[:2]
    gray = pixels.mean(axis=-1, dtype=np.float32)
    small = colored.astype(np.float32)
    difference = small - small.mean(axis=-1, keepdims=True)
    channels = [
        Image.fromarray(np.ascontiguousarray(difference[..., channel])).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for channel in range(3)
    ]
    large = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    large -= large.mean(axis=-1, keepdims=True)
    room = np.where(large > 0, 255 - gray[..., None], gray[..., None])
    share = np.minimum(1, room / np.maximum(np.abs(large), 1e-6)).min(axis=-1, keepdims=True)
    return np.rint(np.clip(gray[..., None] + share * large, 0, 255)).astype(np.uint8)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file that appears whole or not at all.

    Args:
      path: the file; its folder is made.
      content: all of it.

    Raises:
      ServingError: if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(path) as temporary:
            temporary.write_bytes(content)
            os.replace(temporary, path)
    except OSError as error:
        reason = f"cannot write {path}: {error.strerror or error}"
        raise ServingError("INVALID_ARGUMENT", reason, "a folder that can be written") from error


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Yields a new file beside `path`, with the permissions of any other one."""
    temporary = path.with_name(f".{path.name[:64]}.{uuid.uuid4().hex}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path, content: bytes, max_side: int) -> Photograph:
    """Decodes a file of any mode; see `read_photograph`."""
    with Image.open(io.BytesIO(content)) as frame:
        frame.load()
        has_alpha = frame.has_transparency_data
        is_plain = _is_plain(frame, content)
        upright = _to_eight_bits(frame, path).convert("RGBA" if has_alpha else "RGB")
        if frame.format != "TIFF":  # which Pillow has turned already
            upright = _turned(upright, _orientation(frame))
        profile = frame.info.get("icc_profile")
        exif = _exif(frame)
    pixels = np.asarray(upright)
    sent = upright.convert("RGB")
    if max_side and max(sent.size) > max_side:
        sent.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
        is_plain = False
    return Photograph(
        path=path,
        encoded=content if is_plain else _encode(sent, {}),
        pixels=pixels[..., :3],
        alpha=pixels[..., 3] if has_alpha else None,
        sent_size=sent.size,
        exif=exif,
        icc_profile=profile if profile and profile[16:20] == b"RGB " else None,
    )


def _is_plain(frame: Image.Image, content: bytes) -> bool:
    """Says whether the server decodes a file to the same upright pixels."""
    if frame.mode not in PLAIN.get(frame.format or "", ()) or getattr(frame, "n_frames", 1) > 1:
        return False
    # Pillow cuts PNG of 16 bits per color to 8; IHDR, always the first part, says so.
    is_wide = frame.format == "PNG" and content[24] == _WIDE_PNG_BITS
    return _orientation(frame) == 1 and not is_wide


def _to_eight_bits(frame: Image.Image, path: Path) -> Image.Image:
    """Returns a frame whose samples have 8 bits: Pillow would clip wider ones."""
    if not (frame.mode.startswith("I") or frame.mode == "F"):
        return frame
    samples = np.asarray(frame, np.float64)
    peak = 1.0 if frame.mode == "F" else 65535.0
    if not (samples.min() >= 0 and samples.max() <= peak):  # also NaN
        reason = f"{path}: gray values from {samples.min():g} to {samples.max():g}"
        raise ServingError("INVALID_ARGUMENT", reason, f"0 to {peak:g}")
    return Image.fromarray(np.rint(255 / peak * samples).astype(np.uint8))


def _orientation(frame: Image.Image) -> int:
    try:
        return int(frame.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata must not cost the photograph
        return 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """Returns an image as the camera was held."""
    if orientation == 1:
        return image
    image.getexif()[_ORIENTATION] = orientation
    return ImageOps.exif_transpose(image)


def _exif(frame: Image.Image) -> bytes | None:
    """Returns the EXIF block without the orientation, where it can be kept."""
    if "exif" not in frame.info:
        return None
    try:
        exif = frame.getexif()
        exif.pop(_ORIENTATION, None)
        return exif.tobytes() if len(exif) else None
    except Exception:  # damaged metadata must not cost the photograph
        return None


def _encode(image: Image.Image, extras: dict[str, Any]) -> bytes:
    """Returns an image as PNG, quickly rather than as small as can be."""
    encoded = io.BytesIO()
    image.save(encoded, "PNG", compress_level=1, **extras)
    return encoded.getvalue()
