"""Data sets in the layout of PASCAL VOC: lists, annotations and label maps."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Generic, NamedTuple, Self, TypeVar
from xml.etree import ElementTree

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.data.images import IMAGE_SUFFIXES
from tfcolor.data.sources.boxes import BoxSource, ObjectBoxes
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.label_maps import LabelMapSource
from tfcolor.data.sources.places import split_place

VOC_CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
"""The classes of objects by label; in label maps they follow the background."""

DEFAULT_SPLIT = "trainval"

PRESENT, ABSENT, DIFFICULT = 1, 0, -1
"""Whether an image shows a class; the last if all its objects are difficult."""

_MAP_FOLDERS = ("SegmentationClass", "SegmentationClassAug")
_CORNERS = ("ymin", "xmin", "ymax", "xmax")

Entry = TypeVar("Entry")
Corners = tuple[float, ...]


class Annotated(NamedTuple, Generic[Entry]):
    """An image and what its annotation says of each object, the class first."""

    image: Path
    entries: list[Entry]


class PresenceSource(FileSource):
    """Images with the classes of all objects they show.

    Args:
      paths: the images.
      presence: int [N, K], `PRESENT`, `ABSENT` or `DIFFICULT`.
      class_names: the name of each class.
    """

    def __init__(
        self,
        paths: Iterable[str | os.PathLike[str]],
        presence: np.ndarray,
        class_names: Iterable[str],
    ) -> None:
        super().__init__(paths, class_names=class_names)
        self._presence = np.asarray(presence, np.int32)

    def select(self, positions: Sequence[int]) -> Self:
        """Returns some of the images with their classes, in the given order."""
        chosen = super().select(positions)
        chosen._presence = self._presence[list(positions)]
        return chosen

    def join(self, others: Sequence[Self]) -> Self:
        """Returns these images and then those of others with the same classes."""
        joined = super().join(others)
        joined._presence = np.concatenate([part._presence for part in (self, *others)])
        return joined

    def presence_of(self, index: int) -> np.ndarray:
        """Returns which classes an image shows.

        Args:
          index: position of the image.

        Returns:
          int32 [K]: `PRESENT` with an object that is not difficult, `DIFFICULT`
          with difficult objects only, else `ABSENT`.
        """
        return self._presence[index].copy()

    @property
    def shown_labels(self) -> frozenset[int]:
        """Returns the labels of all objects, difficult ones too."""
        return frozenset(np.flatnonzero(np.any(self._presence != ABSENT, axis=0)).tolist())


def open_voc(place: str) -> PresenceSource:
    """Opens a split for classification, as `ImageSets/Main` lists it.

    All annotations are read here, so that a broken one is found before training.

    Args:
      place: "FOLDER[:SPLIT]"; the folder holds `ImageSets`, and the split is the
        name of a list, `DEFAULT_SPLIT` if there is none.

    Returns:
      The images in the order of the list. Their classes are `VOC_CLASSES` if these
      are enough, else those found, sorted: splits of one data set may differ, and
      so held-out images are matched by the names of what they show.

    Raises:
      UserError: if a list or an annotation is missing or cannot be used.
    """
    annotated = _read_annotations(place, _read_object)
    class_names = _known_classes(annotated)
    presence = np.full((len(annotated), len(class_names)), ABSENT, np.int32)
    for row, (_, entries) in zip(presence, annotated, strict=True):
        # Difficult ones first, so that others overrule them.
        for name, is_difficult in sorted(entries, key=lambda entry: not entry[1]):
            row[class_names.index(name)] = DIFFICULT if is_difficult else PRESENT
    return PresenceSource([image for image, _ in annotated], presence, class_names)


def open_voc_boxes(place: str) -> BoxSource:
    """Opens a split for detection, as `ImageSets/Main` lists it.

    All annotations are read here, so that a broken one is found before training. A
    box without all four coordinates, with one that is no finite number, or with
    its last pixel before the first one is an error. What reaches out of the image
    is cut off when it is read.

    Args:
      place: "FOLDER[:SPLIT]", as for `open_voc`.

    Returns:
      The images in the order of the list, with the classes of `open_voc`.

    Raises:
      UserError: if a list or an annotation is missing or cannot be used.
    """
    annotated = _read_annotations(place, _read_box)
    class_names = _known_classes(annotated)
    objects = []
    for _, entries in annotated:
        labels = [class_names.index(name) for name, _, _ in entries]
        boxes = np.array([box for _, _, box in entries], np.float32).reshape(-1, 4)
        is_difficult = np.array([hard for _, hard, _ in entries], bool)
        objects.append(ObjectBoxes(boxes, np.array(labels, np.int32), is_difficult))
    return BoxSource([image for image, _ in annotated], objects, class_names)


def open_voc_label_maps(place: str) -> LabelMapSource:
    """Opens a split for segmentation, as `ImageSets/Segmentation` lists it.

    Label maps are in `SegmentationClass`; those that are not, as many of the
    extended training set, in `SegmentationClassAug`.

    Args:
      place: "FOLDER[:SPLIT]", as for `open_voc`.

    Returns:
      The images in the order of the list. Their classes are the background and
      `VOC_CLASSES`.

    Raises:
      UserError: if a list or a label map is missing.
    """
    folder, names = _read_list(place, "Segmentation")
    candidates = [[folder / part / f"{name}.png" for part in _MAP_FOLDERS] for name in names]
    return LabelMapSource(
        [_image_path(folder, name) for name in names],
        [next(filter(Path.is_file, paths), paths[0]) for paths in candidates],
        ("background", *VOC_CLASSES),
    )


def _read_list(place: str, task: str) -> tuple[Path, list[str]]:
    """Returns the data set's folder and the names that a list of it holds."""
    folder, split = split_place(place, DEFAULT_SPLIT)
    path = folder / "ImageSets" / task / f"{split}.txt"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.txt"))) or "none"
        raise UserError(f"no list {path}; lists there: {known}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the list {path}: {error}") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise UserError(f"the list {path} names no image")
    for name in names:
        _check_name(name, path)
    return folder, names


def _check_name(name: str, path: Path) -> None:
    """Refuses a name that would lead out of the data set's folder."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
        raise UserError(f"the list {path} names {name!r}: expected a file inside of the data set")


def _image_path(folder: Path, name: str) -> Path:
    """Returns the file of an image; one ending in ".jpg" if there is none."""
    stem = folder / "JPEGImages" / name
    paths = [stem.with_name(stem.name + suffix) for suffix in (".jpg", *IMAGE_SUFFIXES)]
    return next(filter(Path.is_file, paths), paths[0])


def _read_annotations(
    place: str, read_object: Callable[[ElementTree.Element, Path], Entry]
) -> list[Annotated[Entry]]:
    """Returns image, annotation and objects of every name in a list."""
    folder, names = _read_list(place, "Main")
    annotated = []
    for name in names:
        path = folder / "Annotations" / f"{name}.xml"
        items = _read_root(path).iterfind("object")
        entries = [read_object(item, path) for item in items]
        annotated.append(Annotated(_image_path(folder, name), entries))
    return annotated


def _known_classes(annotated: Iterable[Annotated[Any]]) -> tuple[str, ...]:
    """Returns the classes of VOC if these are enough, else those found, sorted."""
    found = {entry[0] for _, entries in annotated for entry in entries}
    return VOC_CLASSES if found <= set(VOC_CLASSES) else tuple(sorted(found))


def _read_root(path: Path) -> ElementTree.Element:
    """Returns the content of an annotation.

    Only a document type can declare entities, so a file without one can neither
    grow without bounds nor read other files.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"cannot read the annotation {path}: {reason}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"the annotation {path} is not UTF-8: {error}") from error
    if "<!DOCTYPE" in text:
        raise UserError(f"the annotation {path} declares a document type, which is not allowed")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UserError(f"the annotation {path} is broken XML: {error}") from error
    if root.tag != "annotation":
        raise UserError(f"{path} is no annotation: its root is <{root.tag}>")
    return root


def _read_object(item: ElementTree.Element, path: Path) -> tuple[str, bool]:
    """Returns the class of one object, and whether it is difficult."""
    name = item.findtext("name", "").strip()
    if not name:
        raise UserError(f"the annotation {path} has an object without a name")
    difficult = item.findtext("difficult", "0").strip()
    if difficult not in ("0", "1"):
        raise UserError(f"the annotation {path} has difficult={difficult!r}: expected 0 or 1")
    return name, difficult == "1"


def _read_box(item: ElementTree.Element, path: Path) -> tuple[str, bool, Corners]:
    """Returns class and difficulty of an object, and its pixels counted from 0.

    VOC counts from 1 and includes the last pixel.
    """
    name, is_difficult = _read_object(item, path)
    texts = [item.findtext(f"bndbox/{corner}", "").strip() for corner in _CORNERS]
    try:
        corners = [float(text) - 1 for text in texts]
    except ValueError:
        corners = []
    if not corners or not np.all(np.isfinite(corners)):
        expected = "expected xmin, ymin, xmax and ymax in pixels"
        given = ", ".join(
            f"{corner}={text!r}" for corner, text in zip(_CORNERS, texts, strict=True)
        )
        raise UserError(f"the annotation {path} has a box with {given}: {expected}")
    if corners[0] > corners[2] or corners[1] > corners[3]:
        given = ", ".join(f"{corner}={text}" for corner, text in zip(_CORNERS, texts, strict=True))
        raise UserError(f"the annotation {path} has a box that ends before it begins: {given}")
    return name, is_difficult, tuple(corners)
