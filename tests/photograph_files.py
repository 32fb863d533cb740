"""Makes photographs' files of every kind, by other means than tfcolor's own."""

import dataclasses
import io
import struct
import zlib
from fractions import Fraction
from xml.etree import ElementTree

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, IptcImagePlugin
from PIL.PngImagePlugin import PngInfo

ORIENTATION, MAKE, ARTIST, DATE = 274, 271, 315, 306
EXIF, GPS = 34665, 34853
DATE_TAKEN, WIDTH_TAG, HEIGHT_TAG, MAKER_NOTE = 36867, 40962, 40963, 37500
LATITUDE, LATITUDE_SIDE = 2, 1
TITLE = "Großmutter & Söhne <1931>"
PERSON = "Ada Ämter"
CAPTION = b"A caption of IPTC"
DPI = (300.0, 150.0)
TAKEN = "1931:05:17 11:12:13"
CAMERA = "Brownie"
NUM_ORIENTATIONS = 8


def encode(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def encode_tiff(samples: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def noise(shape: tuple[int, ...], dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    peak = np.iinfo(dtype).max + 1
    return np.random.default_rng(seed).integers(0, peak, shape).astype(dtype)


def slopes(num_channels: int, dtype: type = np.uint8) -> np.ndarray:
    """Smooth, so that lossy formats lose little; no symmetry maps it to itself."""
    rows, columns = np.mgrid[0:1:9j, 0:1:14j]
    planes = [0.2 + 0.5 * rows + 0.2 * columns, 0.3 + 0.1 * rows + 0.5 * columns, 0.8 - 0.6 * rows]
    planes.append(0.3 + 0.4 * columns)
    peak = np.iinfo(dtype).max
    stack = np.stack(planes[:num_channels], axis=-1)
    return np.rint(peak * stack).astype(dtype)


def turned(samples: np.ndarray, orientation: int) -> np.ndarray:
    """What the EXIF standard says, pixel by pixel, of row and column 0."""
    height, width = samples.shape[:2]
    rows, columns = np.indices((height, width))
    last_row, last_column = height - 1 - rows, width - 1 - columns
    row, column = {
        1: (rows, columns),
        2: (rows, last_column),
        3: (last_row, last_column),
        4: (last_row, columns),
        5: (columns, rows),
        6: (columns, last_row),
        7: (last_column, last_row),
        8: (last_column, rows),
    }[orientation]
    result = np.zeros((row.max() + 1, column.max() + 1, *samples.shape[2:]), samples.dtype)
    result[row, column] = samples
    return result


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def add_png_chunk(encoded: bytes, kind: bytes, content: bytes) -> bytes:
    """Puts a chunk right behind the header."""
    return encoded[:33] + png_chunk(kind, content) + encoded[33:]


def add_jpeg_segment(encoded: bytes, marker: int, content: bytes) -> bytes:
    """Puts a segment right behind the start of the image."""
    return encoded[:2] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + encoded[2:]


def wide_png(samples: np.ndarray, chunks: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
    """A PNG file of 16 bits, written here line by line."""
    height, width, channels = samples.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def resource_block(number: int, content: bytes) -> bytes:
    head = struct.pack(">4sHHI", b"8BIM", number, 0, len(content))
    return head + content + b"\0" * (len(content) % 2)


def iptc_record() -> bytes:
    """A caption (2:120) and a keyword (2:25)."""
    fields = [(120, CAPTION), (25, b"album")]
    return b"".join(struct.pack(">BBBH", 0x1C, 2, n, len(text)) + text for n, text in fields)


def xmp_packet(orientation: int = 1) -> bytes:
    title = TITLE.replace("&", "&amp;").replace("<", "&lt;")
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<r:Description r:about="uuid:4" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Scanner 3" xmp:Rating="4">
<dc:title><r:Alt><r:li xml:lang="x-default">{title}</r:li></r:Alt></dc:title>
</r:Description></r:RDF></x:xmpmeta>
<?xpacket end="w"?>""".encode()


def exif_of(orientation: int, size: tuple[int, int], byte_order: str = "<") -> Image.Exif:
    """Tags of the picture, of how it was taken and of where."""
    exif = Image.Exif()
    exif.endian = byte_order
    exif[ORIENTATION], exif[MAKE], exif[ARTIST], exif[DATE] = orientation, CAMERA, PERSON, TAKEN
    taken = exif.get_ifd(EXIF)
    taken[DATE_TAKEN], taken[WIDTH_TAG], taken[HEIGHT_TAG] = TAKEN, size[0], size[1]
    taken[MAKER_NOTE] = b"secret of the camera"
    place = exif.get_ifd(GPS)
    place[LATITUDE_SIDE], place[LATITUDE] = "N", (47.0, 22.0, 12.0)
    return exif


def profile(color_space: str) -> bytes:
    """A profile that is not sRGB: Adobe RGB, or gray of another gamma."""
    if color_space == "gray":
        return imagecodecs.cms_profile("gray", gamma=1.8)
    return imagecodecs.cms_profile("adobergb")


@dataclasses.dataclass
class Told:
    """What a file tells beside its pixels, None or empty where it does not."""

    make: str | None = None
    artist: str | None = None
    taken: str | None = None
    size: tuple[int, int] | None = None
    note: bytes | None = None
    latitude: tuple[float, ...] | None = None
    title: str | None = None
    caption: bytes | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    texts: dict[str, str] = dataclasses.field(default_factory=dict)
    orientation: int = 1


def read_told(content: bytes) -> Told:
    """Reads a file by Pillow and ElementTree."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        exif, info = image.getexif(), image.info
        taken, place = exif.get_ifd(EXIF), exif.get_ifd(GPS)
        dpi = info.get("dpi")
        if dpi is None and 282 in exif:
            factor = 2.54 if exif.get(296) == 3 else 1
            dpi = tuple(float(exif[tag]) * factor for tag in (282, 283))
        texts = {k: str(v) for k, v in getattr(image, "text", {}).items() if "XML" not in k}
        raw = texts.pop("Raw profile type iptc", None)
        captions = IptcImagePlugin.getiptcinfo(image) or {}
        caption = captions.get((2, 120))
        if raw is not None:
            caption = CAPTION if CAPTION in bytes.fromhex("".join(raw.split()[2:])) else None
        comment = info.get("comment")
        if comment:
            texts["Comment"] = comment.decode() if isinstance(comment, bytes) else comment
        return Told(
            make=exif.get(MAKE),
            artist=_as_utf8(exif.get(ARTIST)),
            taken=taken.get(DATE_TAKEN),
            size=(taken[WIDTH_TAG], taken[HEIGHT_TAG]) if WIDTH_TAG in taken else None,
            note=taken.get(MAKER_NOTE),
            latitude=tuple(map(float, place[LATITUDE])) if LATITUDE in place else None,
            title=xmp_title(info.get("xmp")),
            caption=caption,
            icc=info.get("icc_profile"),
            dpi=None if dpi is None else tuple(map(float, dpi)),
            texts=texts,
            orientation=exif.get(ORIENTATION, 1),
        )


def _as_utf8(text: str | None) -> str | None:
    """Pillow reads the bytes of text as Latin-1."""
    if text is None:
        return None
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def xmp_title(packet: bytes | None) -> str | None:
    if packet is None:
        return None
    root = ElementTree.fromstring(packet.strip(b"\0 \n"))
    found = root.find(".//{http://purl.org/dc/elements/1.1/}title//*[@{*}lang]") or root.find(
        ".//{http://purl.org/dc/elements/1.1/}title/*/*"
    )
    return None if found is None else found.text


def xmp_properties(packet: bytes) -> dict[str, str]:
    """Properties of all descriptions by local name, from attributes and elements."""
    rdf = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
    found = {}
    for description in ElementTree.fromstring(packet).iter(f"{rdf}Description"):
        pairs = [*description.attrib.items(), *((node.tag, node.text) for node in description)]
        found |= {key.rpartition("}")[2]: text or "" for key, text in pairs}
    return found


def ratio(value: float) -> Fraction:
    return Fraction(value).limit_denominator(1000)


def png_texts() -> PngInfo:
    texts = PngInfo()
    texts.add_text("Author", PERSON)
    texts.add_itxt("Title", TITLE, lang="de", tkey="Titel")
    texts.add_text("Comment", "long " * 500, zip=True)
    return texts
