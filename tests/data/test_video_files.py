import pytest

from tfcolor.data.video_files import is_video


@pytest.mark.parametrize("name", ["a.mp4", "B.MOV", "c.d.webm", "e.avi", "f.mpg", "g.MTS"])
def test_videos_are_known_by_their_names(name):
    assert is_video(name)
    assert not is_video(name + ".png")
