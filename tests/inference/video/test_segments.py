import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.inference.video.segments import Segments, identify

SETTINGS = {"colors": "abc"}


def add(segments, content):
    """Adds a segment whose state is its content."""

    def write(path):
        path.write_text(content)
        return {"content": np.array(content)}

    segments.add(write)


def join(segments):
    return lambda path: path.write_text("".join(part.read_text() for part in segments.parts))


def test_segments_become_the_result_and_go(tmp_path):
    target = tmp_path / "film.mkv"
    segments = Segments(target, SETTINGS)
    for content in "abc":
        add(segments, content)
    segments.finish(join(segments), target)
    assert target.read_text() == "abc"
    assert list(tmp_path.iterdir()) == [target]


def test_finished_segments_are_found_again_with_the_last_state(tmp_path):
    for content in "ab":
        add(Segments(tmp_path / "film.mkv", SETTINGS), content)
    segments = Segments(tmp_path / "film.mkv", SETTINGS)
    assert [part.read_text() for part in segments.parts] == ["a", "b"]
    assert str(segments.state["content"]) == "b"
    assert len(list(segments.folder.glob("*.npz"))) == 1


def test_a_segment_that_was_interrupted_is_not_there(tmp_path):
    segments = Segments(tmp_path / "film.mkv", SETTINGS)
    add(segments, "a")

    def write(path):
        path.write_text("half of")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segments.add(write)
    (segments.folder / ".000001.killed.nut").write_text("half of")
    again = Segments(tmp_path / "film.mkv", SETTINGS)
    assert (again.number, str(again.state["content"])) == (1, "a")
    assert not list(again.folder.glob(".*"))


@pytest.mark.parametrize("other", [{"colors": "other"}, {}])
def test_other_settings_begin_anew(tmp_path, other):
    add(Segments(tmp_path / "film.mkv", SETTINGS), "a")
    segments = Segments(tmp_path / "film.mkv", other)
    assert (segments.number, segments.state, segments.parts) == (0, {}, [])


@pytest.mark.parametrize("damage", ["missing", "broken"])
def test_without_its_state_a_job_begins_anew(tmp_path, damage):
    segments = Segments(tmp_path / "film.mkv", SETTINGS)
    add(segments, "a")
    (state,) = segments.folder.glob("*.npz")
    state.unlink() if damage == "missing" else state.write_bytes(b"PK broken")
    again = Segments(tmp_path / "film.mkv", SETTINGS)
    assert (again.number, again.state) == (0, {})


def test_a_folder_in_the_place_of_the_result_is_told(tmp_path):
    target = tmp_path / "film.mkv"
    target.mkdir()
    segments = Segments(target, SETTINGS)
    add(segments, "a")
    with pytest.raises(UserError, match=r"cannot write .*film\.mkv"):
        segments.finish(join(segments), target)
    assert segments.parts[0].exists()


def test_videos_are_told_apart_by_size_and_ends(tmp_path):
    content = np.random.default_rng(0).bytes(3 * 2**20)
    path = tmp_path / "film"
    known = []
    for changed in (content, content[:-1], b"x" + content[1:], content[:-1] + b"x"):
        path.write_bytes(changed)
        known.append(identify(path))
    assert len({str(identity) for identity in known}) == 4
    path.write_bytes(content)
    assert identify(path) == known[0]
