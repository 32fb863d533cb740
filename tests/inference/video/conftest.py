"""Small films, written frame by frame."""

from fractions import Fraction

import av
import numpy as np
import pytest

from tests.moving_scenes import moving_scene

RATE = 25


@pytest.fixture(scope="session")
def scene():
    """A texture that pans, uint8 [T, H, W], 20 frames of 48 x 64 pixels."""
    return moving_scene(20, (48, 64))[0][..., 0]


@pytest.fixture(scope="session")
def other_scene():
    """Another one, darker, 12 frames."""
    return moving_scene(12, (48, 64), seed=5)[0][..., 0] // 2


@pytest.fixture(scope="session")
def write_film():
    """Returns what writes gray pictures uint8 [T, H, W] or RGB [T, H, W, 3] as a video.

    `write(path, pictures, times=..., codec=..., pixel_format=..., extras=...)`,
    with times in units of 1/1000 s; extras are "sound" (its codec), "subtitles" (a
    text) and "metadata".
    """
    return _write_film


def _write_film(
    path,
    pictures,
    *,
    times=None,
    codec="ffv1",
    pixel_format="gray",
    extras=None,
    **coder_settings,
):
    extras = extras or {}
    sound = extras.get("sound")
    times = [40 * index for index in range(len(pictures))] if times is None else times
    with av.open(str(path), "w") as container:
        container.metadata.update(extras.get("metadata", {}))
        stream = container.add_stream(
            codec, rate=RATE, options={"crf": "0"} if codec == "libx264" else {}
        )
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for name, value in coder_settings.items():
            setattr(stream.codec_context, name, value)
        tone = container.add_stream(sound, rate=8000) if sound else None
        words = container.add_mux_stream("subrip") if "subtitles" in extras else None
        container.start_encoding()
        for pixels, time in zip(pictures, times, strict=True):
            picture = av.VideoFrame.from_ndarray(pixels, "gray" if pixels.ndim == 2 else "rgb24")
            if pixel_format != "gray":
                picture = picture.reformat(format=pixel_format)
            picture.pts, picture.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if tone is not None:
            _write_sine(container, tone, times[-1] / 1000)
        if words is not None:
            _write_words(container, words, extras["subtitles"])
    return path


def _write_sine(container, stream, seconds):
    """Adds a tone."""
    for start in range(0, int(8000 * seconds), 1024):
        wave = np.sin(np.arange(start, start + 1024) / 9)[None].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave, format=stream.format.name, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, start, Fraction(1, 8000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _write_words(container, stream, text):
    """Adds a subtitle."""
    packet = av.Packet(text.encode())
    packet.pts = packet.dts = 100
    packet.duration, packet.time_base, packet.stream = 300, Fraction(1, 1000), stream
    container.mux(packet)


@pytest.fixture(scope="session")
def read_pictures():
    """Returns what reads a video: RGB uint8 or uint16 [T, H, W, 3], and times in seconds."""

    def read(path, pixel_format="rgb24"):
        with av.open(str(path)) as container:
            pictures = list(container.decode(video=0))
        times = [picture.pts * picture.time_base for picture in pictures]
        return np.stack([item.to_ndarray(format=pixel_format) for item in pictures]), times

    return read
