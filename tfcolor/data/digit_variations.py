"""Digits that are turned and put on backgrounds, as MNIST's published variations.

The recipe is ours where the publication is silent: how pixels are interpolated
and put together, which patches are too flat, and which photographs are used.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.core.seeds import derive_seed
from tfcolor.data.rotation import rotate_images

SPLIT_SIZES = {"train": 10_000, "valid": 2_000, "test": 50_000}
"""Examples of the published splits, in the order in which they are taken."""

NUM_PHOTOS = 20
"""Photographs that the backgrounds of a split come from, at most."""

_LEAST_STD = 0.08 * 255
_MAX_TRIES = 50
_BATCH = 5000
_ROUNDING = 1e-3
"""What a sum of float32 products of at most 255 can be too small by."""

Composite = Callable[[np.ndarray, np.ndarray], np.ndarray]

COMPOSITES: Mapping[str, Composite] = {
    "max": np.maximum,
    "alpha": lambda digits, backgrounds: digits + (1 - digits / 255) * backgrounds,
}
"""From digits and backgrounds, float32 [B, H, W] in [0, 255], to what is seen."""


@dataclasses.dataclass(frozen=True)
class Variation:
    """What is done to each digit.

    Args:
      is_rotated: whether it is turned by a uniform angle.
      background: "", "noise" (each pixel uniform and independent) or "photos".
    """

    is_rotated: bool = False
    background: str = ""


VARIATIONS: Mapping[str, Variation] = {
    "basic": Variation(),
    "bg_rand": Variation(background="noise"),
    "bg_img": Variation(background="photos"),
    "rot": Variation(is_rotated=True),
    "bg_img_rot": Variation(is_rotated=True, background="photos"),
}
"""The published variations by name."""


def split_positions(num_digits: int, split: str, seed: int) -> np.ndarray:
    """Returns which digits a split holds, the same for all variations.

    Args:
      num_digits: N, all digits there are.
      split: "train", "valid" or "test".
      seed: of their order.

    Returns:
      int64 [M] in [0, N), with the published M if N is large enough, or else
      its share of N. No digit is in two splits.

    Raises:
      UserError: if there are too few digits for three splits.
    """
    total = sum(SPLIT_SIZES.values())
    sizes = {name: size * min(num_digits, total) // total for name, size in SPLIT_SIZES.items()}
    if not all(sizes.values()):
        least = -(-total // min(SPLIT_SIZES.values()))
        raise UserError(f"{num_digits} digits are too few for three splits; expected {least}")
    names = list(sizes)
    begin = sum(sizes[name] for name in names[: names.index(split)])
    order = np.random.default_rng(derive_seed(seed, "digit order")).permutation(num_digits)
    return order[begin : begin + sizes[split]]


def vary_digits(
    digits: np.ndarray,
    variation: Variation,
    *,
    composite: Composite = np.maximum,
    photos: Sequence[np.ndarray] = (),
    seed: int,
) -> np.ndarray:
    """Turns digits and puts backgrounds behind them.

    The digit alone is turned. Variations with the same seed have the angles and
    the backgrounds in common.

    Args:
      digits: uint8 [N, H, W], bright on dark.
      variation: what is done.
      composite: one of `COMPOSITES`.
      photos: uint8 [*, *] each, where backgrounds of photographs are cut from.
      seed: of angles and backgrounds.

    Returns:
      uint8 [N, H, W].

    Raises:
      UserError: if a photograph is smaller than a digit, or all are flat.
    """
    varied = digits.astype(np.float32)
    if variation.is_rotated:
        generator = np.random.default_rng(derive_seed(seed, "angles"))
        varied = _rotate(varied, generator.uniform(0, 360, len(digits)))
    if variation.background:
        generator = np.random.default_rng(derive_seed(seed, variation.background))
        if variation.background == "noise":
            backgrounds = generator.integers(0, 256, digits.shape, np.uint8)
        else:
            backgrounds = cut_patches(photos, digits.shape, generator)
        varied = composite(varied, backgrounds.astype(np.float32))
    return np.floor(np.clip(varied, 0, 255) + _ROUNDING).astype(np.uint8)


def cut_patches(
    photos: Sequence[np.ndarray], shape: tuple[int, ...], generator: np.random.Generator
) -> np.ndarray:
    """Cuts random patches that are not flat out of random photographs.

    Args:
      photos: uint8 [*, *] each.
      shape: (N, H, W), what is wanted.
      generator: chooses.

    Returns:
      uint8 [N, H, W]; the standard deviation of each is at least 0.08 of the
      range.

    Raises:
      UserError: if a photograph is smaller than a patch, or so many patches are
        flat that 50 tries do not find another.
    """
    count, height, width = shape
    for photo in photos:
        if photo.shape[0] < height or photo.shape[1] < width:
            sides = f"{photo.shape[1]} x {photo.shape[0]}"
            raise UserError(f"a background of {sides} pixels is smaller than {width} x {height}")
    patches = np.empty(shape, np.uint8)
    missing = np.arange(count)
    for _ in range(_MAX_TRIES):
        patches[missing] = _cut_any(photos, (len(missing), height, width), generator)
        spread = patches[missing].std(axis=(1, 2), dtype=np.float32)
        missing = missing[spread < _LEAST_STD]
        if not len(missing):
            return patches
    raise UserError(f"the backgrounds are too flat: {_MAX_TRIES} patches in a row have no contrast")


def _cut_any(
    photos: Sequence[np.ndarray], shape: tuple[int, int, int], generator: np.random.Generator
) -> np.ndarray:
    """Cuts random patches, flat ones too, uint8 [N, H, W]."""
    count, height, width = shape
    patches = np.empty(shape, np.uint8)
    chosen = generator.integers(len(photos), size=count)
    corners = generator.random((count, 2))
    for number, photo in enumerate(photos):
        windows = np.lib.stride_tricks.sliding_window_view(photo, (height, width))
        here = chosen == number
        rows, columns = (corners[here] * windows.shape[:2]).astype(np.int64).T
        patches[here] = windows[rows, columns]
    return patches


def _rotate(digits: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Turns digits, float32 [N, H, W], by degrees counter-clockwise."""
    ranges = [slice(begin, begin + _BATCH) for begin in range(0, len(digits), _BATCH)]
    parts = [
        rotate_images(digits[part, ..., np.newaxis], angles[part], fill="zero") for part in ranges
    ]
    return np.concatenate(parts)[..., 0]
