"""ICC profiles: from the color space of a photograph to sRGB and back.

Little CMS computes. Everything here takes bands of rows: no array is larger than
what it is given.
"""

import dataclasses
import functools
import struct

import imagecodecs
import numpy as np

_RELATIVE = imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC
# Without this flag, Little CMS resamples curves of 16 bits to a coarse table:
# dark Adobe RGB came out wrong by 0.08.
_EXACT = imagecodecs.CMS.FLAGS.NOOPTIMIZE

# Of D50, and of the sRGB primaries adapted to it, in steps of 1/65536. Blue is
# what the others lack, so that equal channels are exactly neutral.
_WHITE = (0xF6D6, 0x10000, 0xD32D)
_RED = (0x6FA2, 0x38F5, 0x0390)
_GREEN = (0x6299, 0xB785, 0x18DA)
_BLUE = (0x249B, 0x0F86, 0xB6C3)
_ADAPTATION = (0x10C42, 0x5DE, -0xCC3, 0x793, 0xFD90, -0x45C, -0x25D, 0x3DC, 0xC06E)
_SRGB_CURVE = struct.pack(
    ">4sIHHiiiii",
    b"para",
    0,
    3,
    0,
    *(round(65536 * value) for value in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)),
)
_LINEAR_CURVE = struct.pack(">4sIII", b"curv", 0, 0, 0)
_GRID = 9


@dataclasses.dataclass(frozen=True)
class ColorProfile:
    """The color space of a photograph that is not sRGB.

    Args:
      icc: a valid RGB profile, which leads to the profile connection space and
        back.
    """

    icc: bytes

    def to_srgb(self, samples: np.ndarray) -> np.ndarray:
        """Converts stored colors to sRGB, relative colorimetric.

        Args:
          samples: uint8 or uint16 [h, w, 3], full range. A broadcast view of gray
            is looked up in a table.

        Returns:
          float32 [h, w, 3] in [0, 1]; a view of one channel for a view.
        """
        if samples.strides[-1] == 0:
            gray = _neutral_table(self.icc, samples.dtype.itemsize)[samples[..., 0]]
            return np.broadcast_to(gray[..., None], samples.shape)
        return _transform(samples, self.icc, srgb_icc())

    def from_srgb(self, rgb: np.ndarray) -> np.ndarray:
        """Converts sRGB to the values to store, relative colorimetric.

        Args:
          rgb: float32 [h, w, 3] in [0, 1].

        Returns:
          float32 [h, w, 3] in [0, 1]; what the space cannot hold is clipped.
        """
        return _transform(np.ascontiguousarray(rgb, np.float32), srgb_icc(), self.icc)


@functools.lru_cache(maxsize=16)
def read_profile(icc_profile: bytes | None, color_space: str) -> ColorProfile | None:
    """Returns the color space that a photograph is stored in.

    Args:
      icc_profile: as stored in its file.
      color_space: "gray", "rgb", or "cmyk", whose pixels are sRGB already.

    Returns:
      The space, or None where there is nothing to convert: without a profile,
      with one of sRGB, and with one that is broken or leads one way only.
    """
    icc = None if color_space == "cmyk" else output_icc(icc_profile, color_space)
    if icc is None:
        return None
    steps = np.linspace(0, 1, _GRID, dtype=np.float32)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    try:
        there = _transform(grid, icc, srgb_icc())
        back = _transform(grid, srgb_icc(), icc)
    except (RuntimeError, ValueError):
        return None
    return None if _is_close(there, grid) and _is_close(back, grid) else ColorProfile(icc)


@functools.lru_cache(maxsize=16)
def output_icc(icc_profile: bytes | None, color_space: str) -> bytes | None:
    """Returns the profile to embed beside the colors of a result.

    Args:
      icc_profile: as stored in the photograph's file.
      color_space: "gray", "rgb", or "cmyk", whose results are sRGB.

    Returns:
      The photograph's own RGB profile; for one of gray, a profile with the
      primaries of sRGB and its curve, in which equal channels look as the gray
      did; that of sRGB for CMYK; None where the photograph had none or one that
      does not describe gray.
    """
    if color_space == "cmyk":
        return srgb_icc()
    if icc_profile is None or color_space == "rgb" or icc_profile[16:20] == b"RGB ":
        return icc_profile
    if icc_profile[16:20] != b"GRAY":
        return None
    try:
        return _build_icc("Gray", _gray_curve(icc_profile))
    except (RuntimeError, ValueError, struct.error):
        return None


@functools.cache
def srgb_icc() -> bytes:
    """Returns an ICC profile of sRGB, the same bytes on every day."""
    return _build_icc("sRGB", _SRGB_CURVE)


def cmyk_to_srgb(samples: np.ndarray, icc_profile: bytes | None) -> np.ndarray:
    """Converts ink to sRGB.

    Args:
      samples: uint8 or uint16 [h, w, 4], the full range is full ink.
      icc_profile: of these inks; without a usable one, inks absorb
        independently of each other.

    Returns:
      Integers [h, w, 3] of the same type.
    """
    if icc_profile is not None and icc_profile[16:20] == b"CMYK":
        try:
            return _convert(samples, icc_profile, srgb_icc(), ("cmyk", "rgb"), samples.dtype)
        except (RuntimeError, ValueError):
            pass
    peak = np.iinfo(samples.dtype).max
    light = np.float32(1) - samples / np.float32(peak)
    return np.rint(peak * light[..., :3] * light[..., 3:]).astype(samples.dtype)


def _is_close(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two colors [h, w, 3] cannot be told apart.

    Profiles of sRGB differ in the last digits of their primaries, which shows
    where a channel is nearly 0; the mean tells other spaces.
    """
    difference = np.abs(first - second)
    return bool(difference.max() < 1 / 64 and difference.mean() < 1 / 2048)


def _transform(samples: np.ndarray, source: bytes, target: bytes) -> np.ndarray:
    """Converts RGB [h, w, 3] from a profile to another, float32 in [0, 1]."""
    samples = np.ascontiguousarray(samples)
    converted = _convert(samples, source, target, ("rgb", "rgb"), np.dtype(np.float32))
    return np.clip(converted, 0, 1, out=converted)


def _convert(
    samples: np.ndarray, source: bytes, target: bytes, spaces: tuple[str, str], dtype: np.dtype
) -> np.ndarray:
    """Converts samples [h, w, C] between two profiles, each of its space."""
    converted: np.ndarray = imagecodecs.cms_transform(
        samples,
        source,
        target,
        colorspace=spaces[0],
        outcolorspace=spaces[1],
        outdtype=dtype,
        intent=_RELATIVE,
        flags=_EXACT,
    )
    return converted


@functools.lru_cache(maxsize=8)
def _neutral_table(icc: bytes, num_bytes: int) -> np.ndarray:
    """Returns the sRGB lightness of every gray of a depth, float32 [256 or 65536]."""
    dtype = np.dtype(f"u{num_bytes}")
    grays = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    colors = _transform(np.repeat(grays[None, :, None], 3, axis=-1), icc, srgb_icc())
    table: np.ndarray = colors[0].mean(axis=-1)
    return table


def _gray_curve(icc_profile: bytes) -> bytes:
    """Returns the tone curve of a gray profile, as an ICC element of luminance."""
    if icc_profile[20:24] == b"XYZ ":
        return _element(icc_profile, b"kTRC")
    # Here the curve leads to L*: it is sampled after the step to luminance.
    grays = np.linspace(0, 65535, 4096).round().astype(np.uint16)[None]
    linear = _build_icc("Linear", _LINEAR_CURVE)
    curve = _convert(grays, icc_profile, linear, ("gray", "rgb"), grays.dtype)[0, :, 1]
    return struct.pack(">4sII", b"curv", 0, curve.size) + curve.astype(">u2").tobytes()


def _element(icc_profile: bytes, name: bytes) -> bytes:
    """Returns the content of a tag of a profile.

    Raises:
      ValueError: if there is no such tag.
    """
    (count,) = struct.unpack_from(">I", icc_profile, 128)
    for index in range(min(count, 100)):
        tag, start, size = struct.unpack_from(">4sII", icc_profile, 132 + 12 * index)
        if tag == name and size >= 12 and start + size <= len(icc_profile):
            return icc_profile[start : start + size]
    raise ValueError(f"a profile without {name!r}")


def _build_icc(name: str, curve: bytes) -> bytes:
    """Returns an RGB display profile with sRGB primaries and one tone curve."""
    elements = {
        b"desc": _text_element(name),
        b"cprt": _text_element("No copyright, use freely"),
        b"wtpt": _triple_element(b"XYZ ", _WHITE),
        b"chad": _triple_element(b"sf32", _ADAPTATION),
        b"rXYZ": _triple_element(b"XYZ ", _RED),
        b"gXYZ": _triple_element(b"XYZ ", _GREEN),
        b"bXYZ": _triple_element(b"XYZ ", _BLUE),
        b"rTRC": curve,
    }
    start = 128 + 4 + 12 * (len(elements) + 2)
    body, table = b"", b""
    for tag, element in elements.items():
        # The three channels share one curve.
        for name_of_tag in (tag, b"gTRC", b"bTRC") if tag == b"rTRC" else (tag,):
            table += struct.pack(">4sII", name_of_tag, start + len(body), len(element))
        body += element + b"\0" * (-len(element) % 4)
    header = struct.pack(
        ">I4sI4s4s4s6H4s28xiii48x",
        start + len(body),
        b"\0" * 4,
        0x04300000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        *(2016, 3, 30, 0, 0, 0),
        b"acsp",
        *_WHITE,
    )
    return header + struct.pack(">I", len(elements) + 2) + table + body


def _text_element(text: str) -> bytes:
    """Returns a text in English as an ICC element."""
    content = text.encode("utf-16-be")
    return struct.pack(">4sIII4sII", b"mluc", 0, 1, 12, b"enUS", len(content), 28) + content


def _triple_element(kind: bytes, values: tuple[int, ...]) -> bytes:
    """Returns numbers in steps of 1/65536 as an ICC element."""
    return struct.pack(f">4sI{len(values)}i", kind, 0, *values)
