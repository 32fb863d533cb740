"""Real photographs that come inside scikit-image's and scikit-learn's wheels."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from tfcolor.core.errors import UserError
from tfcolor.core.lookup import lookup
from tfcolor.data.sources.image_folder import FileSource

HELDOUT_PHOTOS = ("chelsea.png", "coffee.png")
"""Never trained on by `builtin:photos:train`: an animal and a still life, whose
colors the other photographs make learnable."""

TRAIN_PHOTOS = (
    "astronaut.png",
    "china.jpg",
    "flower.jpg",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)

SPLITS = {
    "all": tuple(sorted(TRAIN_PHOTOS + HELDOUT_PHOTOS)),
    "train": TRAIN_PHOTOS,
    "heldout": HELDOUT_PHOTOS,
}

CLASS_NAMES = ("made", "grown")
"""What a photograph shows: something people made, or nature."""

GROWN = ("chelsea.png", "flower.jpg", "hubble_deep_field.jpg", "ihc.png", "retina.jpg")
"""The photographs of the second class; all others belong to the first."""

BACKGROUND_PHOTOS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "china.jpg",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "flower.jpg",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)
"""Twenty photographs and scans, gray ones too, to cut backgrounds from."""

_FOLDERS = (("skimage", "data"), ("sklearn", "datasets/images"))


def open_photos(selection: str) -> FileSource:
    """Opens the sample photographs; nothing is imported or downloaded.

    They have two classes, `CLASS_NAMES`, enough to try tasks that need some.

    Args:
      selection: "photos", "photos:train" or "photos:heldout".

    Returns:
      The files, sorted by name.

    Raises:
      UsageError: if the selection is unknown.
      UserError: if a photograph is not installed.
    """
    collection, _, split = selection.partition(":")
    lookup({"photos": SPLITS}, collection, "builtin collection")
    names = lookup(SPLITS, split or "all", "split of builtin:photos")
    return FileSource(_find_photos(names), [int(name in GROWN) for name in names], CLASS_NAMES)


def open_backgrounds() -> FileSource:
    """Opens the photographs that the backgrounds of other images are cut from.

    Returns:
      The files of `BACKGROUND_PHOTOS`, without classes.

    Raises:
      UserError: if a photograph is not installed.
    """
    return FileSource(_find_photos(BACKGROUND_PHOTOS))


def _find_photos(names: Sequence[str]) -> list[Path]:
    """Returns the paths of photographs."""
    folders = [_package_folder(package) / folder for package, folder in _FOLDERS]
    return [_find_photo(name, folders) for name in names]


def _package_folder(package: str) -> Path:
    """Returns where a package is installed, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise UserError(f"builtin:photos needs the package {package}, which is not installed")
    return Path(spec.origin).parent


def _find_photo(name: str, folders: list[Path]) -> Path:
    """Returns the path of a photograph in one of the folders."""
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    places = " or ".join(str(folder) for folder in folders)
    raise UserError(f"builtin:photos: {name} is neither in {places}")
