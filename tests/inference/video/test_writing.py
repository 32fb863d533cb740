from fractions import Fraction

import av
import numpy as np
import pytest

from tests.moving_scenes import moving_scene
from tfcolor.core.errors import UserError
from tfcolor.inference.video.color_tags import BT709, SMPTE170M
from tfcolor.inference.video.options import VideoOptions
from tfcolor.inference.video.reading import FilmReader, open_film
from tfcolor.inference.video.writing import PartWriter, check_result, join_parts, result_suffix

TIMES = [0, 40, 50, 400, 1000, 1001, 1500, 1540, 1600, 1601, 1900, 2300]
FAST = VideoOptions(preset="ultrafast")
WITH_REORDERING = VideoOptions(preset="veryfast")
EXACT = VideoOptions(codec="ffv1")


def colored(frame):
    """Returns a frame's lightness, redder to the right, float32 [H, W, 3]."""
    gray = frame.gray()[0]
    room = np.minimum(gray, 1 - gray) * np.linspace(0, 0.5, gray.shape[1])[None, :, None]
    return np.float32(gray + room * [1, 0, -1])


def write(film_path, target, options, *, per_part=5, comment="made by a test"):
    """Writes a film anew in parts; returns what was written, uint8."""
    film = open_film(film_path)
    frames = list(FilmReader(film).frames())
    parts, pictures = [], []
    for start in range(0, len(frames), per_part):
        parts.append(target.with_name(f"{start}.nut"))
        writer = PartWriter(parts[-1], film, options)
        for frame in frames[start : start + per_part]:
            rgb = colored(frame)
            pictures.append(np.rint(255 * rgb).astype(np.uint8))
            writer.write(pictures[-1] if options is EXACT else rgb, frame.time, frame.duration)
        writer.close()
    join_parts(film, parts, target, comment)
    return np.stack(pictures)


def packets(path, kind):
    """Returns (content, time in seconds) of all packets of the first stream of a kind."""
    with av.open(str(path)) as container:
        stream = next(item for item in container.streams if item.type == kind)
        return [
            (bytes(item), item.pts * item.time_base)
            for item in container.demux(stream)
            if item.size
        ]


@pytest.fixture(scope="module")
def film(write_film, scene, tmp_path_factory):
    """Twelve frames at uneven times, with sound, subtitles and a title."""
    return write_film(
        tmp_path_factory.mktemp("film") / "film.mkv",
        scene[:12],
        times=TIMES,
        extras={
            "sound": "aac",
            "subtitles": "Once upon a time",
            "metadata": {"title": "Holidays", "comment": "tape 7"},
        },
    )


@pytest.mark.parametrize("options", [FAST, WITH_REORDERING, EXACT])
@pytest.mark.parametrize("per_part", [5, 12, 1])
def test_every_frame_keeps_its_time(film, read_pictures, tmp_path, options, per_part):
    write(film, tmp_path / "result.mkv", options, per_part=per_part)
    _, times = read_pictures(tmp_path / "result.mkv")
    assert [1000 * time for time in times] == TIMES


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_times_of_mp4_are_exact(write_film, scene, read_pictures, tmp_path, suffix):
    source = write_film(tmp_path / "film.nut", scene[:12], times=TIMES)
    write(source, tmp_path / f"result{suffix}", WITH_REORDERING)
    _, times = read_pictures(tmp_path / f"result{suffix}")
    assert [1000 * time for time in times] == TIMES


def test_sound_and_subtitles_are_copied_bit_by_bit(film, tmp_path):
    write(film, tmp_path / "result.mkv", FAST)
    for kind in ("audio", "subtitle"):
        assert len(packets(film, kind)) > (10 if kind == "audio" else 0)
        assert packets(tmp_path / "result.mkv", kind) == packets(film, kind)


def test_sound_of_mp4_is_copied_bit_by_bit(write_film, scene, tmp_path):
    source = write_film(
        tmp_path / "film.mp4",
        scene,
        codec="libx264",
        pixel_format="yuv420p",
        extras={"sound": "aac"},
    )
    write(source, tmp_path / "result.mp4", WITH_REORDERING)
    assert packets(tmp_path / "result.mp4", "audio") == packets(source, "audio")


def test_metadata_is_kept_and_says_where_colors_come_from(film, tmp_path):
    write(film, tmp_path / "result.mkv", FAST)
    with av.open(str(tmp_path / "result.mkv")) as container:
        told = {key.lower(): text for key, text in container.metadata.items()}
    assert told["title"] == "Holidays"
    assert told["comment"] == "tape 7\nmade by a test"


def test_chapters_and_attachments_are_kept(write_film, scene, tmp_path):
    plain = write_film(tmp_path / "plain.mkv", scene[:12])
    source, target = tmp_path / "film.mkv", tmp_path / "result.mkv"
    chapter = {
        "id": 1,
        "start": 0,
        "end": 200,
        "time_base": Fraction(1, 1000),
        "metadata": {"title": "At sea"},
    }
    with av.open(str(plain)) as container, av.open(str(source), "w") as result:
        stream = result.add_stream_from_template(container.streams.video[0])
        result.add_attachment("letter.txt", "text/plain", b"Dear all")
        result.set_chapters([chapter])
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = stream
                result.mux(packet)
    write(source, target, FAST)
    with av.open(str(target)) as container:
        (kept,) = container.chapters()
        (letter,) = (item for item in container.streams if item.type == "attachment")
        assert letter.data == b"Dear all"
    assert kept["metadata"] == {"title": "At sea"}
    assert (kept["end"] - kept["start"]) * kept["time_base"] == Fraction(1, 5)


def test_ffv1_keeps_every_color(film, read_pictures, tmp_path):
    pictures = write(film, tmp_path / "result.mkv", EXACT)
    np.testing.assert_array_equal(read_pictures(tmp_path / "result.mkv")[0], pictures)


def test_deep_pictures_stay_deep(write_film, scene, read_pictures, tmp_path):
    source = write_film(tmp_path / "film.mkv", scene[:2], pixel_format="gray16le")
    film = open_film(source)
    deep = np.random.default_rng(0).integers(0, 65536, (48, 64, 3)).astype(np.uint16)
    part = tmp_path / "part.nut"
    writer = PartWriter(part, film, EXACT)
    writer.write(deep, 0, 0)
    writer.close()
    join_parts(film, [part], tmp_path / "result.mkv", "")
    found, _ = read_pictures(tmp_path / "result.mkv", "rgb48le")
    np.testing.assert_array_equal(found[0], deep)


@pytest.mark.parametrize("size", [(48, 64), (45, 64), (48, 61), (45, 61)])
def test_sizes_stay_as_they_are(write_film, scene, read_pictures, tmp_path, size):
    cut = np.ascontiguousarray(scene[:3, : size[0], : size[1]])
    source = write_film(tmp_path / "film.mkv", cut)
    best = VideoOptions(crf=1, preset="ultrafast")
    pictures = write(source, tmp_path / "result.mp4", best)
    with av.open(str(tmp_path / "result.mp4")) as container:
        stream = container.streams.video[0]
        is_odd = size[0] % 2 or size[1] % 2
        assert stream.pix_fmt.replace("yuvj", "yuv") == ("yuv444p" if is_odd else "yuv420p")
    found, _ = read_pictures(tmp_path / "result.mp4")
    assert found.shape[1:3] == size
    error = np.abs(found.astype(int) - pictures)
    assert error.mean() < 3


@pytest.mark.parametrize("matrix", [BT709, SMPTE170M])
def test_tags_and_aspect_are_written(write_film, scene, tmp_path, matrix):
    source = write_film(
        tmp_path / "film.mp4",
        scene[:3],
        codec="libx264",
        pixel_format="yuv420p",
        colorspace=matrix,
        color_primaries=matrix,
        color_trc=matrix,
        color_range=2,
        sample_aspect_ratio=Fraction(16, 15),
    )
    write(source, tmp_path / "result.mp4", FAST)
    assert open_film(tmp_path / "result.mp4").tags == open_film(source).tags
    assert open_film(source).tags.matrix == matrix
    assert open_film(tmp_path / "result.mp4").pixel_aspect == Fraction(16, 15)


def test_twice_the_same_is_the_same_to_the_byte(write_film, tmp_path):
    # x264's AVX-512 code gives one of several results for pictures of 64 pixels in width.
    panning = moving_scene(12, (192, 256))[0][..., 0]
    source = write_film(tmp_path / "film.mkv", panning, times=TIMES, extras={"sound": "aac"})
    for name in ("a.mkv", "b.mkv"):
        write(source, tmp_path / name, WITH_REORDERING)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


def test_results_keep_the_container_where_all_fits(film, write_film, scene, tmp_path):
    assert result_suffix(film, FAST) == ".mkv"
    assert result_suffix(tmp_path / "Tape.MOV", FAST) == ".mov"
    assert result_suffix(tmp_path / "Tape.mp4", EXACT) == ".mkv"
    avi = write_film(tmp_path / "film.avi", scene[:2])
    assert result_suffix(avi, FAST) == ".mp4"
    noisy = write_film(tmp_path / "noisy.avi", scene[:9], extras={"sound": "pcm_f32le"})
    assert result_suffix(noisy, FAST) == ".mkv"


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("result.mp4", FAST, r"\.mp4 cannot hold the subtitle of .*; choose .*\.mkv"),
        ("result.png", FAST, r"expected a video's name that ends in \.mp4"),
        ("result.mp4", EXACT, r"ffv1 needs a name that ends in \.mkv"),
    ],
)
def test_targets_that_cannot_hold_the_result_are_refused(film, tmp_path, name, options, reason):
    with pytest.raises(UserError, match=reason):
        check_result(open_film(film), tmp_path / name, options)
    check_result(open_film(film), tmp_path / "result.mkv", options)
