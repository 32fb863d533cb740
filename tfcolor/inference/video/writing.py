"""Videos as files: the colored pictures of segments, and these joined with the sound."""

import collections
import heapq
import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.core.files import atomic_path
from tfcolor.inference.video.color_tags import (
    FULL_RANGE,
    LIMITED_RANGE,
    RGB,
    rgb_to_yuv,
)
from tfcolor.inference.video.options import VideoOptions
from tfcolor.inference.video.reading import Film, open_container

PART_SUFFIX = ".nut"
"""Of segments: a container that keeps any unit of time."""

_THREADS = 8
"""Of the encoder. What x264 writes depends on their number, which therefore does not
depend on the machine."""

_REORDERED = 2
"""How many pictures x264 holds back at most to show them later."""

_HEADROOM_SECONDS = 3600
"""Added to the times of segments, since NUT has none before 0, as those of decoding
are that x264 puts before the first picture."""

_REPEATABLE = {"fflags": "+bitexact"}
"""Without it, Matroska has random numbers in every file."""

_DEMUXER_TAGS = frozenset(["major_brand", "minor_version", "compatible_brands", "encoder"])
_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_PLAIN = frozenset(["aac", "mp3", "ac3", "eac3", "alac", "flac", "opus", "mov_text"])
"""What every player of MP4 knows besides pictures."""


def result_suffix(source: Path, options: VideoOptions) -> str:
    """Returns how the name of a colored video ends.

    Args:
      source: the video.
      options: how it is written.

    Returns:
      Its own ending if that is one of MP4, MOV or Matroska; ".mp4" for others if
      all their sound fits; else, and for a codec that MP4 lacks, ".mkv".

    Raises:
      UserError: if the video cannot be read.
    """
    if options.codec == "ffv1":
        return ".mkv"
    if source.suffix.lower() in _FORMATS:
        return source.suffix.lower()
    with open_container(source) as container:
        copied = [stream.codec_context.name for stream in _copied_streams(container, -1)]
    return ".mp4" if _PLAIN.issuperset(copied) else ".mkv"


def check_result(film: Film, target: Path, options: VideoOptions) -> None:
    """Makes sure that a file of this name can hold the result.

    Args:
      film: what is colored.
      target: the file to write.
      options: how it is written.

    Raises:
      UserError: if it cannot, with what can.
    """
    suffix = target.suffix.lower()
    if suffix not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise UserError(f"cannot write {target}: expected a video's name that ends in {known}")
    if options.codec == "ffv1" and suffix != ".mkv":
        raise UserError(f"cannot write {target}: ffv1 needs a name that ends in .mkv")
    if suffix == ".mkv":
        return
    with open_container(film.path) as container:
        held = av.open(io.BytesIO(), "w", format=_FORMATS[suffix]).supported_codecs
        for stream in _copied_streams(container, film.stream):
            name = stream.codec_context.codec.canonical_name
            if stream.type == "attachment" or name not in held:
                raise UserError(
                    f"cannot write {target}: {suffix} cannot hold the {stream.type} of"
                    f" {film.path} ({name}); choose a name that ends in .mkv"
                )


class PartWriter:
    """Writes the colored pictures of one segment.

    Args:
      path: the file.
      film: what is colored: size, times and meaning of the numbers.
      options: codec and its quality.
    """

    def __init__(self, path: Path, film: Film, options: VideoOptions) -> None:
        self._film, self._is_lossless = film, options.codec == "ffv1"
        self._container = av.open(str(path), "w", format="nut", options=_REPEATABLE)
        settings = {"crf": str(options.crf), "preset": options.preset}
        if self._is_lossless:
            settings = {"level": "3", "slicecrc": "1", "g": "1"}
        stream = self._container.add_stream(
            "ffv1" if self._is_lossless else "libx264", rate=film.rate, options=settings
        )
        coder = stream.codec_context
        coder.height, coder.width = film.size
        coder.pix_fmt = self.pixel_format
        coder.sample_aspect_ratio = film.pixel_aspect
        coder.time_base = stream.time_base = film.time_base
        coder.thread_count = _THREADS
        tags = film.tags
        coder.colorspace = RGB if self._is_lossless else tags.matrix
        coder.color_primaries, coder.color_trc = tags.primaries, tags.transfer
        is_full = tags.is_full or self._is_lossless
        coder.color_range = FULL_RANGE if is_full else LIMITED_RANGE
        self._stream, self._headroom = stream, int(_HEADROOM_SECONDS / film.time_base)

    @property
    def pixel_format(self) -> str:
        """Returns FFmpeg's name of how pixels are stored.

        Sides of an odd number of pixels cannot be halved, so that their differences
        of color are kept at full size.
        """
        if self._is_lossless:
            return "bgr0" if self._film.bits == 8 else "gbrp16le"
        return "yuv444p" if self._film.size[0] % 2 or self._film.size[1] % 2 else "yuv420p"

    def write(self, rgb: np.ndarray, time: int, duration: int) -> None:
        """Adds a picture.

        Args:
          rgb: float32 [H, W, 3] in [0, 1] for h264; uint8 or uint16 for ffv1.
          time: when it is shown, in the film's units.
          duration: for how long, in the same.
        """
        if self._is_lossless:
            name = "rgb24" if rgb.dtype == np.uint8 else "rgb48le"
            picture = av.VideoFrame.from_ndarray(rgb, format=name).reformat(
                format=self.pixel_format
            )
        else:
            name = self.pixel_format
            yuv = rgb_to_yuv(rgb, self._film.tags, is_subsampled=name == "yuv420p")
            picture = av.VideoFrame.from_ndarray(yuv, format=name)
        picture.pts, picture.time_base = time + self._headroom, self._film.time_base
        picture.duration = duration
        picture.colorspace = self._stream.codec_context.colorspace
        picture.color_range = self._stream.codec_context.color_range
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Writes what is held back, and ends the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()


def join_parts(film: Film, parts: Sequence[Path], target: Path, comment: str) -> None:
    """Joins segments with everything else that the original holds, atomically.

    Args:
      film: the original. Its sound and subtitles are copied as they are, with
        metadata, chapters and attachments.
      parts: files of `PartWriter`, in order.
      target: the file to write.
      comment: added to the metadata: where the colors come from.

    Raises:
      UserError: if the file cannot be written.
    """
    with atomic_path(target) as temporary, open_container(film.path) as source:
        options = dict(_REPEATABLE)
        if target.suffix.lower() != ".mkv":
            options["movflags"] = "+faststart"
        try:
            with av.open(
                str(temporary), "w", format=_FORMATS[target.suffix.lower()], options=options
            ) as result:
                _copy_metadata(source, result, comment)
                _mux(film, source, parts, result)
        except (av.error.FFmpegError, OSError) as error:
            reason = error.strerror or str(error)
            raise UserError(f"cannot write {target}: {reason}") from error


def _mux(
    film: Film,
    source: av.container.InputContainer,
    parts: Sequence[Path],
    result: av.container.OutputContainer,
) -> None:
    """Writes pictures and all other packets in the order of their times."""
    with av.open(str(parts[0])) as first:
        pictures = result.add_stream_from_template(first.streams.video[0])
    original = source.streams[film.stream]
    pictures.time_base = film.time_base
    pictures.metadata.update(_kept(original.metadata))
    pictures.disposition = original.disposition
    copies = {}
    for stream in _copied_streams(source, film.stream):
        if stream.type == "attachment":
            result.add_attachment(stream.name or "attachment", stream.mimetype, stream.data)
            continue
        copy = result.add_stream_from_template(stream)
        copy.time_base = stream.time_base
        copy.metadata.update(_kept(stream.metadata))
        copy.disposition = stream.disposition
        copies[stream.index] = copy
    for packet in heapq.merge(
        _picture_packets(parts, pictures, film.time_base),
        _other_packets(source, copies),
        key=_packet_time,
    ):
        result.mux_one(packet)


def _picture_packets(parts: Sequence[Path], stream: Any, time_base: Fraction) -> Iterator[Any]:
    """Yields the packets of all segments, with times of decoding that go on from each to next.

    Pictures are decoded in another order than they are shown in, each at the time
    at which the second before it is shown.
    """
    held: collections.deque[int] = collections.deque()
    headroom = int(_HEADROOM_SECONDS / time_base)
    for part in parts:
        with av.open(str(part)) as container:
            packets: list[Any] = [packet for packet in container.demux() if packet.pts is not None]
            unit = (container.streams.video[0].time_base or time_base) / time_base
            for packet in packets:
                packet.pts = int(packet.pts * unit) - headroom
                packet.duration = int((packet.duration or 0) * unit)
                packet.time_base = time_base
            times = sorted(packet.pts for packet in packets)
            if not held:
                gap = times[1] - times[0] if len(times) > 1 else 1
                held.extend(times[0] - gap * ahead for ahead in range(_REORDERED, 0, -1))
            held.extend(times)
            for packet in packets:
                packet.dts, packet.stream = held.popleft(), stream
                yield packet


def _other_packets(source: av.container.InputContainer, copies: dict[int, Any]) -> Iterator[Any]:
    """Yields the packets to copy, up to where the file is damaged."""
    if not copies:
        return
    packets = source.demux([source.streams[index] for index in copies])
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return
        if packet is None:
            return
        if packet.size and (packet.dts is not None or packet.pts is not None):
            packet.stream = copies[packet.stream_index]
            yield packet


def _packet_time(packet: Any) -> Fraction:
    """Returns when a packet is decoded, in seconds."""
    return (packet.pts if packet.dts is None else packet.dts) * packet.time_base


def _copied_streams(container: av.container.InputContainer, main_stream: int) -> list[Any]:
    """Returns what is copied: sound, subtitles and attachments; no second pictures."""
    kinds = ("audio", "subtitle", "attachment")
    return [item for item in container.streams if item.type in kinds and item.index != main_stream]


def _copy_metadata(
    source: av.container.InputContainer, result: av.container.OutputContainer, comment: str
) -> None:
    """Copies what is told of a film and its chapters, and adds a comment."""
    result.metadata.update(_kept(source.metadata))
    own = source.metadata.get("comment") or source.metadata.get("COMMENT")
    result.metadata["comment"] = f"{own}\n{comment}" if own else comment
    result.set_chapters(source.chapters())


def _kept(metadata: dict[str, str]) -> dict[str, str]:
    """Returns metadata without what describes the container itself."""
    return {key: text for key, text in metadata.items() if key.lower() not in _DEMUXER_TAGS}
