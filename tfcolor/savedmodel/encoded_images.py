"""Encoded photographs to gray and back, inside of a graph that others serve."""

import functools

import tensorflow as tf

from tfcolor.color.lightness import quantize_rgb
from tfcolor.color.spaces import rgb_to_lightness

PNG_COMPRESSION = 3
"""On ten colored photographs, level 1 gave 1.16 bytes per pixel at 110 ms per
megapixel, 3 1.10 at 121, libpng's own level (6) 1.12 at 393 and 9 1.09 at 1690."""

PNG, JPEG, GIF, BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM"
_GIF_EXTENSION, _GIF_IMAGE, _GIF_HEADER_BYTES = 0x21, 0x2C, 13


def decode_gray(encoded: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Decodes the lightness of one photograph, or nothing if it is broken.

    A graph has no `try`, but a data set of one photograph may ignore the errors
    of its transformation: an op that fails leaves it empty, whatever the reason.

    Args:
      encoded: string []: JPEG (also CMYK), PNG (8 or 16 bits, alpha is dropped),
        BMP, or GIF (its first frame).
      max_pixels: a photograph with more is not decoded; its header says so.

    Returns:
      float32 [H, W, 1] in [0, 1], or [0, 0, 1] if it is too large or cannot be
      decoded.
    """
    decode = functools.partial(_decode_gray, max_pixels=max_pixels)
    attempt = tf.data.Dataset.from_tensors(encoded).map(decode).ignore_errors()
    nothing = tf.data.Dataset.from_tensors(tf.zeros([0, 0, 1]))
    options = tf.data.Options()
    # Worth their time where a data set runs for long; this one runs once per call.
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    return attempt.concatenate(nothing).take(1).with_options(options).get_single_element()


def encode_png(rgb: tf.Tensor) -> tf.Tensor:
    """Encodes a color photograph as PNG.

    Args:
      rgb: float32 [H, W, 3], RGB in [0, 1].

    Returns:
      string [], of 8 bits per channel.
    """
    return tf.io.encode_png(quantize_rgb(rgb), compression=PNG_COMPRESSION)


def _decode_gray(encoded: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Decodes string [] to float32 [H, W, 1], or fails."""
    decoders = {PNG: _decode_png, JPEG: _decode_jpeg, GIF: _decode_gif, BMP: _decode_bmp}
    is_format = [_starts_with(encoded, magic) for magic in decoders]
    tf.debugging.Assert(tf.reduce_any(is_format), ["not a JPEG, PNG, GIF or BMP"])
    branches = [functools.partial(decode, encoded, max_pixels) for decode in decoders.values()]
    rgb = tf.switch_case(tf.argmax(is_format, output_type=tf.int32), branches)
    return tf.ensure_shape(rgb_to_lightness(rgb), [None, None, 1])


def _decode_png(encoded: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Decodes string [] at 16 bits to float32 [H, W, 3]; 8 bits stay exact."""
    size = tf.io.decode_raw(tf.strings.substr(encoded, 16, 8), tf.int32, little_endian=False)
    with _at_most(max_pixels, size):
        rgb = tf.io.decode_png(encoded, channels=3, dtype=tf.uint16)
    return tf.cast(rgb, tf.float32) / 65535.0


def _decode_jpeg(encoded: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Decodes string [] to float32 [H, W, 3], with Pillow's transform."""
    with _at_most(max_pixels, tf.image.extract_jpeg_shape(encoded)[:2]):
        rgb = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.cast(rgb, tf.float32) / 255.0


def _decode_bmp(encoded: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Decodes string [] to float32 [H, W, 3] in the order blue, green, red.

    The decoder takes indices of a palette for gray, and runs for pixels.
    """
    table_end, header, width, height = tf.unstack(_integers(encoded, 10, 4), num=4)
    compression = _integers(encoded, 30, 1)[0]
    is_plain = tf.debugging.Assert(compression % 3 == 0, ["a BMP of runs"])
    with tf.control_dependencies([is_plain]), _at_most(max_pixels, tf.abs([height, width])):
        pixels = tf.io.decode_bmp(encoded)

    def look_up() -> tf.Tensor:
        """Returns uint8 [H, W, 3], the colors of the indices [H, W, 1]."""
        table = tf.strings.substr(encoded, 14 + header, table_end - 14 - header)
        colors = tf.reshape(tf.io.decode_raw(table, tf.uint8), [-1, 4])[:, :3]
        return tf.gather(colors, tf.cast(pixels[..., 0], tf.int32))

    is_indexed = tf.shape(pixels)[-1] == 1
    return tf.cast(tf.cond(is_indexed, look_up, lambda: pixels[..., :3]), tf.float32) / 255.0


def _decode_gif(encoded: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Decodes the first frame of string [] to float32 [H, W, 3].

    The decoder would allocate every frame at the size that the frame itself
    declares, so the others are cut off before it sees them.
    """
    content = tf.io.decode_raw(encoded, tf.uint8)
    start = tf.while_loop(
        lambda position: _byte(content, position) == _GIF_EXTENSION,
        lambda position: [_skip_blocks(content, position + 2)],
        [_GIF_HEADER_BYTES + _table_bytes(_byte(content, 10))],
    )[0]
    is_image = tf.debugging.Assert(_byte(content, start) == _GIF_IMAGE, ["a GIF without a frame"])
    with tf.control_dependencies([is_image]):
        table = _table_bytes(_byte(content, start + 9))
    end = _skip_blocks(content, start + 11 + table)
    frame = tf.strings.join([tf.strings.substr(encoded, 0, end), b"\x3b"])
    screen_size = tf.io.decode_raw(tf.strings.substr(encoded, 6, 4), tf.uint16)
    frame_size = tf.io.decode_raw(tf.strings.substr(encoded, start + 5, 4), tf.uint16)
    with _at_most(max_pixels, screen_size), _at_most(max_pixels, frame_size):
        rgb = tf.image.decode_image(frame, channels=3, expand_animations=False)
    return tf.cast(rgb, tf.float32) / 255.0


def _at_most(max_pixels: int, size: tf.Tensor) -> tf.control_dependencies:
    """Lets ops run only if the product of integers [2] is from 1 to a maximum."""
    num_pixels = tf.reduce_prod(tf.cast(size, tf.int64))
    is_accepted = tf.reduce_all(size > 0) & (num_pixels <= max_pixels)
    return tf.control_dependencies([tf.debugging.Assert(is_accepted, [size])])


def _starts_with(encoded: tf.Tensor, magic: bytes) -> tf.Tensor:
    """Says whether string [] starts with some bytes, bool []."""
    length = tf.strings.length(encoded)
    return tf.strings.substr(encoded, 0, tf.minimum(length, len(magic))) == magic


def _integers(encoded: tf.Tensor, position: int, count: int) -> tf.Tensor:
    """Returns some little-endian numbers of string [], int32 [count]."""
    return tf.io.decode_raw(tf.strings.substr(encoded, position, 4 * count), tf.int32)


def _byte(content: tf.Tensor, position: tf.Tensor | int) -> tf.Tensor:
    """Returns one of uint8 [N] as int32 []; fails behind the end."""
    return tf.cast(content[position], tf.int32)


def _table_bytes(flags: tf.Tensor) -> tf.Tensor:
    """Returns the size of a GIF's color table from the flags that announce it."""
    return tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)


def _skip_blocks(content: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Returns where a GIF's chain of blocks, each after its length, has ended."""
    return (
        1
        + tf.while_loop(
            lambda place: _byte(content, place) > 0,
            lambda place: [place + _byte(content, place) + 1],
            [position],
        )[0]
    )
