"""Which files are videos."""

import os
from pathlib import Path

_SUFFIXES = (
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .mts .m2ts .ts .wmv .flv .3gp .ogv .vob .dv .mxf"
)
VIDEO_SUFFIXES = tuple(_SUFFIXES.split())
"""Endings of the names of videos, in lower case."""


def is_video(path: str | os.PathLike[str]) -> bool:
    """Returns whether a file is a video by the end of its name.

    Example:
      >>> is_video("Tape 7.MOV"), is_video("still.jpg")
      (True, False)
    """
    return Path(path).suffix.lower() in VIDEO_SUFFIXES
