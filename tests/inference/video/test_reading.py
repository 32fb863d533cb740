import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.inference.video.color_tags import BT709, SMPTE170M
from tfcolor.inference.video.reading import FilmReader, open_container, open_film

TIMES = [0, 40, 50, 400, 1000, 1001, 2000, 2040]


def read(path, **settings):
    """Returns all frames and the reader."""
    reader = FilmReader(open_film(path))
    return list(reader.frames(**settings)), reader


def grays(frames):
    return np.stack([frame.gray()[0, ..., 0] for frame in frames])


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".nut"])
def test_gray_frames_keep_every_value(write_film, scene, tmp_path, suffix):
    path = write_film(tmp_path / f"film{suffix}", scene[:5])
    frames, reader = read(path)
    np.testing.assert_allclose(255 * grays(frames), scene[:5], atol=1e-4)
    assert reader.problem == ""
    assert reader.film.size == (48, 64)


def test_uneven_times_are_kept(write_film, scene, tmp_path):
    frames, reader = read(write_film(tmp_path / "film.mkv", scene[:8], times=TIMES))
    assert [frame.time * reader.film.time_base * 1000 for frame in frames] == TIMES


def test_frames_can_be_skipped(write_film, scene, tmp_path):
    path = write_film(tmp_path / "film.mkv", scene[:6])
    frames, _ = read(path, num_skipped=4)
    np.testing.assert_allclose(255 * grays(frames), scene[4:6], atol=1e-4)
    assert read(path, num_skipped=9)[0] == []


def test_lightness_of_colors_is_their_mean(write_film, tmp_path):
    colors = np.random.default_rng(0).integers(0, 256, (3, 6, 10, 3)).astype(np.uint8)
    frames, _ = read(write_film(tmp_path / "film.mkv", colors, pixel_format="bgr0"))
    np.testing.assert_allclose(grays(frames), colors.mean(axis=-1) / 255, atol=1e-5)


@pytest.mark.parametrize(
    ("pixel_format", "codec", "atol"),
    [
        ("yuv420p", "libx264", 1 / 219),
        ("yuvj420p", "mjpeg", 0.1),
        ("yuv422p10le", "ffv1", 1 / 219),
        ("yuv444p", "libx264", 1 / 219),
        ("gray16le", "ffv1", 1e-5),
    ],
)
def test_formats_agree_on_the_lightness(write_film, scene, tmp_path, pixel_format, codec, atol):
    pictures = scene[:3]
    if pixel_format != "gray16le":
        pictures = pictures[..., None].repeat(3, axis=-1)
    path = write_film(tmp_path / "film.mkv", pictures, codec=codec, pixel_format=pixel_format)
    np.testing.assert_allclose(grays(read(path)[0]), scene[:3] / 255, atol=atol)


def test_tags_say_what_the_numbers_mean(write_film, scene, tmp_path):
    path = write_film(
        tmp_path / "film.mp4",
        scene[:2],
        codec="libx264",
        pixel_format="yuv420p",
        colorspace=BT709,
        color_range=2,
        color_primaries=BT709,
        color_trc=BT709,
        sample_aspect_ratio=Fraction(16, 15),
    )
    film = open_film(path)
    assert (film.tags.matrix, film.tags.primaries, film.tags.is_full) == (BT709, BT709, True)
    assert film.pixel_aspect == Fraction(16, 15)
    plain = write_film(tmp_path / "b.mp4", scene[:2], codec="libx264", pixel_format="yuv420p")
    assert open_film(plain).tags.matrix == SMPTE170M


TURNS = {
    (0, 1, -1, 0): lambda picture: np.rot90(picture, -1),
    (-1, 0, 0, -1): lambda picture: np.rot90(picture, 2),
    (0, -1, 1, 0): np.rot90,
    (-1, 0, 0, 1): np.fliplr,
    (0, 1, 1, 0): np.transpose,
}
"""Upright picture by display matrix (a, b, c, d)."""


@pytest.mark.parametrize("matrix", TURNS)
def test_pictures_stand_upright(write_film, scene, tmp_path, matrix):
    path = write_film(
        tmp_path / "film.mp4",
        scene[:2],
        codec="libx264",
        pixel_format="yuv420p",
        sample_aspect_ratio=Fraction(4, 3),
    )
    upright = TURNS[matrix](read(path)[0][1].samples)
    content = bytearray(path.read_bytes())
    # In a `tkhd` box of version 0 the matrix follows 40 bytes after its name and flags.
    start = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    frames, reader = read(path)
    np.testing.assert_array_equal(frames[1].samples, upright)
    assert reader.film.size == upright.shape
    is_turned = matrix[0] == 0
    assert reader.film.pixel_aspect == (Fraction(3, 4) if is_turned else Fraction(4, 3))


def test_a_cover_is_no_film(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "yuvj420p"
        stream.disposition = av.stream.Disposition.attached_pic
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuvj420p")))
    with pytest.raises(UserError, match=r"song.mp4.*no moving pictures"):
        open_container(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read as a video"),
        (b"not a video at all" * 99, "cannot be read as a video"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n", "video|playlist"),
        (b"ffconcat version 1.0\nfile other.mkv\n", "video|playlist"),
    ],
)
def test_other_files_are_refused(tmp_path, content, reason):
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"film.mp4.*({reason})"):
        open_film(path)


def test_what_is_there_of_a_cut_off_film_is_read(write_film, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (100, 24, 32)).astype(np.uint8)
    path = write_film(tmp_path / "film.mkv", noise)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    frames, reader = read(path)
    assert 30 < len(frames) < 70
    np.testing.assert_allclose(255 * grays(frames[:30]), noise[:30], atol=1e-4)
    assert reader.problem.startswith(f"ends at 0:00:0{len(frames) // 25}")
    assert reader.problem.endswith("of 0:00:04.00; what is there is colored")


def test_damage_is_told_with_its_time(write_film, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (50, 24, 32)).astype(np.uint8)
    path = write_film(tmp_path / "film.mp4", noise, codec="libx264", pixel_format="yuv420p")
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + 20_000
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    frames, reader = read(path)
    assert len(frames) > 40
    assert reader.problem.startswith("is damaged at 0:00:0")
    assert reader.problem.endswith("what can be read is colored")
