import fractions

import av
import numpy as np
import pytest

from tests.moving_scenes import write_video
from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError, read_rgb
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.data.sources.opening import open_source
from tfcolor.data.sources.video import GAP_FRAMES, open_video

HEIGHT, WIDTH, BITS, BLOCK = 16, 64, 7, 8


def _counting(num_frames):
    """Frames that show their number in black and white blocks, and a red one."""
    bits = (np.arange(num_frames)[:, None] >> np.arange(BITS)) & 1
    row = np.repeat(255 * bits.astype(np.uint8), BLOCK, axis=1)
    frames = np.zeros([num_frames, HEIGHT, WIDTH, 3], np.uint8)
    frames[:, :, : BITS * BLOCK] = row[:, None, :, None]
    frames[:, :, BITS * BLOCK :, 0] = 255
    return frames


def _numbers(frames):
    bits = frames[:, HEIGHT // 2, BLOCK // 2 : BITS * BLOCK : BLOCK, 1] > 127
    return (bits @ (1 << np.arange(BITS))).tolist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("videos")
    write_video(place / "long.avi", _counting(100))
    write_video(place / "encoded.mp4", _counting(60), "mp4v")
    return place


def test_examples_are_frames_of_each_clip_at_equal_distances(folder):
    source = open_video(f"{folder}:4")
    assert source.num_examples == 8
    assert [source.moment_of(index).frame for index in range(4)] == [3, 18, 34, 49]
    assert [source.moment_of(index).frame for index in range(4, 8)] == [3, 32, 60, 89]
    assert source.name_of(4) == f"{folder / 'long.avi'}#3"
    assert source.class_names == () and source.label_of(0) is None
    assert open_source(f"video:{folder}:4").num_examples == 8
    assert open_video(str(folder)).num_examples == 10


@pytest.mark.parametrize("name", ["long.avi", "encoded.mp4"])
def test_frames_are_those_asked_for(folder, name):
    source = open_video(f"{folder / name}:6")
    for index in (5, 0, 3):
        frame = source.moment_of(index).frame
        frames = source.read_frames(index, 3, 2)
        assert frames.shape == (6, HEIGHT, WIDTH, 3)
        assert _numbers(frames) == list(range(frame - 3, frame + 3))
        image = read_rgb(source.read_bytes(index), source.name_of(index))
        np.testing.assert_array_equal(image, frames[3])
        assert image[8, -4, 0] > 200 > 60 > image[8, -4, 2]  # red first


def _write_uneven(path, frames):
    """Writes frames whose distances in time vary, as cameras that adapt to light do."""
    random = np.random.default_rng(3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1000)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        time = 0
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, fractions.Fraction(1, 1000)
            time += int(random.choice([20, 40, 120]))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_frame_and_its_neighbors_belong_together_at_an_uneven_rate(tmp_path):
    _write_uneven(tmp_path / "uneven.mp4", _counting(120))
    source = open_video(f"{tmp_path / 'uneven.mp4'}:20")
    for index in range(18):  # the places of the last two lie behind the end
        image = read_rgb(source.read_bytes(index), source.name_of(index))
        for before, after in ((0, 10), (1, 1), (3, 2)):
            frames = source.read_frames(index, before, after)
            first, *numbers = _numbers(frames)
            assert numbers == list(range(first + 1, first + before + 1 + after))
            np.testing.assert_array_equal(frames[before], image)


def _seen(source):
    """Every frame of every clip that may be looked at."""
    moments = [source.moment_of(index) for index in range(source.num_examples)]
    return {(one.clip.path, frame) for one in moments for frame in range(one.first, one.last + 1)}


def test_parts_are_apart_in_time(folder):
    train, heldout = (open_video(f"{folder}:{part}:40") for part in ("train", "heldout"))
    readers = open_readers(DataOptions(images=f"video:{folder}:40", heldout_fraction=0.2))
    for split, part in (("train", train), ("heldout", heldout)):
        assert _seen(readers[split].source) == _seen(part)
    for path in {path for path, _ in _seen(heldout)}:
        learned, measured = ({f for p, f in _seen(part) if p == path} for part in (train, heldout))
        assert max(learned) + GAP_FRAMES < min(measured)
    assert len({path for path, _ in _seen(train)}) == 2
    assert train.num_examples >= 2 * heldout.num_examples > 0


def test_selected_frames_stay_frames_of_videos(folder):
    source = open_video(f"{folder}:4")
    chosen = source.select([6, 1]).select([1, 0])
    assert [chosen.name_of(0), chosen.name_of(1)] == [source.name_of(1), source.name_of(6)]
    assert chosen.read_bytes(0) == source.read_bytes(1)


def test_what_cannot_be_used_is_skipped_and_named(folder, tmp_path, caplog):
    write_video(tmp_path / "good.avi", _counting(20))
    write_video(tmp_path / "short.avi", _counting(13))
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mov").write_text("no video at all")
    content = (folder / "encoded.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])  # its index is at the end
    (tmp_path / "notes.txt").write_text("not looked at")
    source = open_video(str(tmp_path))
    names = {source.moment_of(index).clip.path for index in range(source.num_examples)}
    assert names == {str(tmp_path / "good.avi")}
    for reason in (
        "short.avi: 13 frames; expected at least 14",
        "empty.mp4: the file is empty",
        "text.mov: no video, or one that is cut off",
        "cut.mp4: no video, or one that is cut off",
    ):
        assert f"skipped {tmp_path}/{reason}" in caplog.text
    assert "notes" not in caplog.text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "no such folder or video"),
        ("", "no such folder or video"),
        ("photos", r"no video in the folder .*; looked for .mp4"),
        ("short.avi", "none of 1 videos can be used; the first: .*short.avi: 13 frames"),
        ("short.avi:0", "expected at least 1 frame of each clip"),
        ("middling.avi:heldout", "no clip is long enough .* 30 frames"),
    ],
)
def test_bad_places_are_refused(tmp_path, name, message):
    (tmp_path / "photos").mkdir()
    write_video(tmp_path / "short.avi", _counting(13))
    write_video(tmp_path / "middling.avi", _counting(30))
    with pytest.raises(UserError, match=message):
        open_video(str(tmp_path / name) if name else "")


def test_a_video_that_ends_too_early_is_named_where_it_is_read(folder, tmp_path):
    path = tmp_path / "cut.avi"
    path.write_bytes((folder / "long.avi").read_bytes())
    source = open_video(f"{path}:5")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert source.read_bytes(0)
    with pytest.raises(UnreadableImageError, match=r"cut.avi#89: the video is damaged, or ends"):
        source.read_bytes(4)
