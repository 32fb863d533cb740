"""MNIST in its original IDX files, and its five published variations."""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.lookup import lookup
from tfcolor.core.seeds import derive_seed
from tfcolor.data.amat import count_amat, find_amat, read_amat
from tfcolor.data.digit_variations import (
    COMPOSITES,
    NUM_PHOTOS,
    SPLIT_SIZES,
    VARIATIONS,
    split_positions,
    vary_digits,
)
from tfcolor.data.idx import read_idx
from tfcolor.data.images import read_rgb
from tfcolor.data.sources.array import ArraySource
from tfcolor.data.sources.builtin_photos import open_backgrounds
from tfcolor.data.sources.image_folder import open_images
from tfcolor.data.sources.places import split_place

CLASS_NAMES = tuple("0123456789")

_PREFIXES = {"train": "train", "test": "t10k"}

_ROTATED = "mnist_all_rotation_normalized_float"
_ROTATED_ON_PHOTOS = "mnist_all_background_images_rotation_normalized"
_PUBLISHED = {
    "basic": ("mnist.zip", "mnist_train", "mnist_test"),
    "bg_rand": (
        "mnist_background_random.zip",
        "mnist_background_random_train",
        "mnist_background_random_test",
    ),
    "bg_img": (
        "mnist_background_images.zip",
        "mnist_background_images_train",
        "mnist_background_images_test",
    ),
    "rot": ("mnist_rotation_new.zip", f"{_ROTATED}_train_valid", f"{_ROTATED}_test"),
    "bg_img_rot": (
        "mnist_rotation_back_image_new.zip",
        f"{_ROTATED_ON_PHOTOS}_train_valid",
        f"{_ROTATED_ON_PHOTOS}_test",
    ),
}
"""Archive and files, without ".amat", of each variation: training and validation
examples, and test examples."""


@dataclasses.dataclass(frozen=True)
class VariationSettings:
    """How a variation is made where its published files are missing.

    Args:
      seed: of the splits, angles and backgrounds.
      composite: a name in `COMPOSITES`.
      sources: "disjoint" if test images get other photographs than training
        images, or "shared".
      backgrounds: a folder, glob or list of photographs; empty for those that
        come with scikit-image and scikit-learn.
    """

    seed: int = 0
    composite: str = "max"
    sources: str = "disjoint"
    backgrounds: str = ""


def open_mnist(place: str) -> ArraySource:
    """Opens one split of MNIST.

    Args:
      place: "FOLDER[:train|test]"; the folder holds the IDX files, compressed
        or not, with "-" or "." in their names.

    Returns:
      The images in the order of the file.

    Raises:
      UsageError: if there is no such split.
      UserError: if a file is missing, damaged or holds something else.
    """
    folder, split = split_place(place, "train")
    lookup(_PREFIXES, split, "split of mnist")
    images, labels = _read_digits(folder, split)
    return _source(images, labels, f"{folder}/{split}")


def open_variation(name: str, place: str) -> ArraySource:
    """Opens one split of a variation, published or made from MNIST's digits.

    Args:
      name: one of `VARIATIONS`.
      place: "FOLDER[:train|valid|test]" and maybe settings, each with a colon
        before it: "seed=3", "composite=alpha", "sources=shared" and, as the
        last, "backgrounds=PHOTOS". The folder holds the published text file or
        its archive, or else the IDX files of MNIST.

    Returns:
      10,000, 2,000 or 50,000 images, uint8 [N, 28, 28, 1].

    Raises:
      UsageError: if there is no such split or setting.
      UserError: if there are neither files, or they cannot be used.
    """
    place, texts = _cut_settings(place)
    folder, split = split_place(place, "train")
    lookup(SPLIT_SIZES, split, f"split of mnist_{name}")
    archive, *files = _PUBLISHED[name]
    published = find_amat(folder, f"{files[split == 'test']}.amat", archive)
    if published is None:
        images, labels = _make_variation(name, folder, split, _parse_settings(texts))
    elif texts:
        settings = ":".join(f"{key}={value}" for key, value in texts.items())
        raise UserError(f"{settings}: {published[0]} is there; its images are as they are")
    else:
        begin, end = _published_range(count_amat(published), split)
        images, labels = read_amat(published, begin, end, is_column_major=name != "basic")
    return _source(images, labels, f"{folder}/{name}/{split}")


VARIATION_SOURCES: dict[str, Callable[[str], ArraySource]] = {
    f"mnist_{name}": functools.partial(open_variation, name) for name in VARIATIONS
}
"""What opens each variation, by the scheme of its place."""


def _published_range(count: int, split: str) -> tuple[int, int]:
    """Returns the examples of a split: the last sixth of training is for validation."""
    num_valid = count * SPLIT_SIZES["valid"] // (SPLIT_SIZES["train"] + SPLIT_SIZES["valid"])
    ranges = {"train": (0, count - num_valid), "valid": (count - num_valid, count)}
    return ranges.get(split, (0, count))


def _make_variation(
    name: str, folder: Path, split: str, settings: VariationSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Returns images, uint8 [N, H, W, 1], and labels made from MNIST's digits."""
    parts = [_read_digits(folder, part) for part in _PREFIXES]
    if parts[0][0].shape[1:] != parts[1][0].shape[1:]:
        raise UserError(f"{folder} has digits of two sizes, for training and for testing")
    digits, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    chosen = split_positions(len(digits), split, settings.seed)
    variation = VARIATIONS[name]
    images = vary_digits(
        digits[chosen, ..., 0],
        variation,
        composite=COMPOSITES[settings.composite],
        photos=_read_photos(settings, split) if variation.background == "photos" else (),
        seed=derive_seed(settings.seed, f"variations/{split}"),
    )
    return images[..., np.newaxis], labels[chosen]


def _read_photos(settings: VariationSettings, split: str) -> list[np.ndarray]:
    """Returns the photographs behind the digits of a split, uint8 [*, *] each."""
    source = open_images(settings.backgrounds) if settings.backgrounds else open_backgrounds()
    count = source.num_examples
    order = np.random.default_rng(derive_seed(settings.seed, "photographs")).permutation(count)
    if settings.sources == "disjoint":
        if count < 2:
            raise UserError(
                f"{count} background: expected at least 2, or the setting sources=shared"
            )
        num_test = min(count // 2, NUM_PHOTOS)
        order = order[:num_test] if split == "test" else order[num_test:]
    chosen = sorted(order[:NUM_PHOTOS].tolist())
    photos = [read_rgb(source.read_bytes(index), source.name_of(index)) for index in chosen]
    return [np.rint(photo.mean(axis=-1)).astype(np.uint8) for photo in photos]


def _cut_settings(place: str) -> tuple[str, dict[str, str]]:
    """Returns the place without its settings, and these by name."""
    place, sign, backgrounds = place.partition(":backgrounds=")
    texts = {"backgrounds": backgrounds} if sign else {}
    parts = place.split(":")
    while len(parts) > 1 and "=" in parts[-1]:
        name, _, value = parts.pop().partition("=")
        texts = {name: value, **texts}
    return ":".join(parts), texts


def _parse_settings(texts: dict[str, str]) -> VariationSettings:
    """Returns checked settings."""
    known = {field.name: field for field in dataclasses.fields(VariationSettings)}
    for name in texts:
        lookup(known, name, "setting of a variation of mnist")
    seed = texts.get("seed", "0")
    if not seed.isdecimal():
        raise UsageError(f"seed={seed}: expected a whole number from 0 on")
    texts = {name: value for name, value in texts.items() if name != "seed"}
    settings = VariationSettings(int(seed), **texts)
    lookup(COMPOSITES, settings.composite, "composite")
    lookup({"disjoint": 0, "shared": 1}, settings.sources, "way to use background sources")
    return settings


def _read_digits(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns images, uint8 [N, H, W, 1], and labels, int64 [N], of MNIST."""
    image_path = _find(folder, f"{_PREFIXES[split]}-images", 3)
    label_path = _find(folder, f"{_PREFIXES[split]}-labels", 1)
    images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
    if len(images) != len(labels):
        raise UserError(
            f"{image_path} has {len(images)} images, {label_path} has {len(labels)} labels"
        )
    if labels.max() >= len(CLASS_NAMES):
        raise UserError(f"{label_path} has the label {labels.max()}: expected 0 to 9")
    return images[..., np.newaxis], labels.astype(np.int64)


def _find(folder: Path, name: str, num_axes: int) -> Path:
    """Returns the path of an IDX file, compressed or not."""
    names = [f"{name}{dot}idx{num_axes}-ubyte" for dot in "-."]
    for path in (folder / f"{name}{suffix}" for name in names for suffix in ("", ".gz")):
        if path.is_file():
            return path
    raise UserError(f"no file {folder / names[0]}, nor {names[1]}, nor either with .gz")


def _source(images: np.ndarray, labels: np.ndarray, where: str) -> ArraySource:
    """Returns digits with names and classes."""
    names: Iterable[str] = (f"{where}/{index:05d}" for index in range(len(images)))
    return ArraySource(images, list(names), labels, CLASS_NAMES)
