"""What the file of a result holds, whatever its format."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from tfcolor.data.exif import ARTIST, COPYRIGHT, DESCRIPTION, add_missing_tags
from tfcolor.data.metadata import Metadata

Parts = Iterable[bytes | memoryview]
"""A file's content, one part after the other."""

_TEXT_TAGS = {"Description": DESCRIPTION, "Author": ARTIST, "Copyright": COPYRIGHT}


@dataclasses.dataclass(frozen=True, eq=False)
class ResultContent:
    """Pixels and what stands beside them.

    Args:
      rgb: uint8 or uint16 [H, W, 3].
      alpha: of the same type [H, W], or None if opaque.
      icc_profile: of `rgb`, or None.
      xmp: the packet.
      metadata: the rest of what the photograph's file told.
      quality: of formats that lose, 1 to 100.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    icc_profile: bytes | None
    xmp: bytes
    metadata: Metadata
    quality: int

    @property
    def pixels(self) -> np.ndarray:
        """Returns colors and opacity together, [H, W, 3 or 4]."""
        if self.alpha is None:
            return self.rgb
        return np.concatenate([self.rgb, self.alpha[..., None]], axis=-1)

    @property
    def full_exif(self) -> bytes | None:
        """Returns the EXIF block with remarks and resolution, or None if it is empty.

        For formats that have no other place for them. What the block itself tells
        comes first.
        """
        texts = {
            _TEXT_TAGS[remark.keyword]: remark.text
            for remark in self.metadata.texts
            if remark.keyword in _TEXT_TAGS
        }
        exif, resolution = self.metadata.exif, self.metadata.resolution
        if not texts and resolution is None:
            return exif
        return add_missing_tags(exif, texts, resolution)
