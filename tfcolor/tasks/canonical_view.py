"""Square views of images, of any size or of the one that a backbone takes."""

import dataclasses
from typing import Self

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.data.transforms import ViewOptions


@dataclasses.dataclass(frozen=True)
class SquareViewOptions:
    """How large the square views of images are, and what of these they show."""

    crop_size: int = option(0, "side of the square view, pixels; 0 is the backbone's", minimum=0)
    min_side: int = option(256, "smallest shorter side after random scaling, pixels", minimum=8)
    max_side: int = option(512, "largest shorter side after random scaling, pixels", minimum=8)

    @property
    def training_view(self) -> ViewOptions:
        """Returns how a training view is cut; the crop size must be known."""
        return ViewOptions(self.crop_size, self.min_side, self.max_side)

    def with_size(self, crop_size: int) -> Self:
        """Returns these options with the size of the view filled in.

        Args:
          crop_size: side of the view, pixels.

        Returns:
          Options that differ in `crop_size` alone.

        Raises:
          UsageError: if the scaled photographs do not hold such a view.
        """
        options = dataclasses.replace(self, crop_size=crop_size)
        _ = options.training_view  # checks the sizes
        return options


@dataclasses.dataclass(frozen=True)
class CanonicalViewOptions(SquareViewOptions):
    """Which square views of whole images a network sees."""

    input: str = option("gray", "what the network sees", choices=("gray", "color"))
    use_mirror: bool = option(True, "mirror half of the training views left to right")
    max_shift: int = option(
        0, "largest random shift of the training views in each direction, pixels", minimum=0
    )

    @property
    def training_view(self) -> ViewOptions:
        """Returns how a training view is cut; the crop size must be known."""
        return ViewOptions(
            self.crop_size, self.min_side, self.max_side, self.use_mirror, self.max_shift
        )


def canonical_side(asked: int, canonical_size: int, flag: str) -> int:
    """Returns the side of a task's views.

    Args:
      asked: by the options, pixels; 0 for whatever the backbone takes.
      canonical_size: what the backbone takes, pixels.
      flag: the option's name with the task's prefix, for the error.

    Returns:
      `canonical_size`.

    Raises:
      UsageError: if another side is asked for.

    Example:
      >>> canonical_side(0, 32, "classification_crop_size")
      32
    """
    if asked not in (0, canonical_size):
        raise UsageError(f"--{flag}={asked}: the backbone takes {canonical_size}")
    return canonical_size
