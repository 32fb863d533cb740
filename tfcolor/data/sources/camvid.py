"""CamVid in the layout of the SegNet tutorial: street scenes with label maps."""

from pathlib import Path

from tfcolor.core.errors import UserError
from tfcolor.data.images import IMAGE_SUFFIXES
from tfcolor.data.sources.label_maps import LabelMapSource
from tfcolor.data.sources.places import split_place

CAMVID_CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
"""The classes by label."""

CAMVID_VOID_LABEL = 11


def open_camvid(place: str) -> LabelMapSource:
    """Opens one split: images in `SPLIT`, label maps in `SPLITannot`.

    Args:
      place: "FOLDER[:train|val|test]".

    Returns:
      The images in the order of their names; each has the label map of its name.

    Raises:
      UserError: if the folder, the split or a label map is missing.
    """
    folder, split = split_place(place, "train")
    images, maps = folder / split, folder / f"{split}annot"
    for needed in (images, maps):
        if not needed.is_dir():
            known = ", ".join(path.name for path in _splits(folder)) or "none"
            raise UserError(f"no folder {needed}; splits with label maps in {folder}: {known}")
    files = sorted(path for path in images.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise UserError(f"no image in the folder {images}; looked for {', '.join(IMAGE_SUFFIXES)}")
    map_files = [maps / f"{file.stem}.png" for file in files]
    return LabelMapSource(files, map_files, CAMVID_CLASSES, CAMVID_VOID_LABEL)


def _splits(folder: Path) -> list[Path]:
    """Returns the folders of images that have a folder of label maps."""
    candidates = sorted(path for path in folder.iterdir() if path.is_dir())
    return [path for path in candidates if path.with_name(f"{path.name}annot").is_dir()]
