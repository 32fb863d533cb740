import pytest

from tfcolor.core.errors import UsageError
from tfcolor.inference.video.options import VideoOptions


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("codec", "divx", "h264, ffv1"),
        ("crf", 52, "at most 51"),
        ("preset", "fastest", "ultrafast"),
        ("smoothing", 1.0, "at most 0.99"),
        ("segment_seconds", 0.0, "at least 0.1"),
    ],
)
def test_bad_values_are_refused_with_their_flag(name, value, accepted):
    with pytest.raises(UsageError, match=f"--video_{name}={value}.*{accepted}"):
        VideoOptions(**{name: value})
