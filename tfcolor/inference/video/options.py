"""How videos are colored and written."""

import dataclasses

from tfcolor.core.options import check_options, option


@dataclasses.dataclass(frozen=True)
class VideoOptions:
    """How videos are colored and written."""

    codec: str = option(
        "h264",
        "h264 plays everywhere; ffv1 keeps every color value, as Matroska, in files of ten times"
        " the size",
        choices=("h264", "ffv1"),
    )
    crf: int = option(
        16,
        "quality of h264: 0 is best, 16 looks like the original, 23 is small",
        minimum=0,
        maximum=51,
    )
    preset: str = option(
        "medium",
        "effort of h264: slower makes smaller files",
        choices=("ultrafast", "veryfast", "fast", "medium", "slow", "veryslow"),
    )
    smoothing: float = option(
        0.97,
        "how long colors are kept along the motion: what a frame counts in the next one, and so on;"
        " 0 colors each frame by itself, which flickers",
        minimum=0,
        maximum=0.99,
    )
    segment_seconds: float = option(
        4.0, "length of the segments after which an interrupted job goes on", minimum=0.1
    )

    def __post_init__(self) -> None:
        """Raises UsageError if a value is not accepted."""
        check_options(self, "video_")
