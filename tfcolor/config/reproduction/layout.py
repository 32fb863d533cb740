"""Where the images of a reproduction lie below the folder of the data."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from tfcolor.config.reproduction.study import SMALL
from tfcolor.data.digit_variations import VARIATIONS

COLORIZATION = "colorization"
"""Photographs that colorizers of chapter 2 learn from and are measured on."""
PHOTOGRAPHS = "photographs"
"""Unlabelled images for pretraining."""
VIDEO = "video"
"""Clips without labels."""
SCENES, WHOLE_SCENES = "scenes", "whole_scenes"
"""Images with label maps, with others to look at while training and without."""
OBJECTS = "objects"
"""Images with the classes of all their objects."""
BOXES = "boxes"
"""Images with boxes around their objects."""
DEPTHS = "depths"
"""Images with the depth of every pixel."""
LABELS, HIERARCHY = "labels", "hierarchy"
"""Images with one class each, and with what merges the classes by their meaning."""
TESTBED, TESTED = "testbed", "tested"
"""CIFAR-100 for chapter 4, without images to look at while training and with its test images."""
FINE_TUNING = "fine_tuning"
"""Images of it that classifiers upon a finished network learn from."""
DIGITS = {name: f"mnist_{name}" for name in VARIATIONS}
"""The variations of MNIST, by their names."""


CIFAR, CLASSES = "cifar-100-python", 100
"""Folder of CIFAR-100 in its official format, and how many classes it has."""


@dataclasses.dataclass(frozen=True)
class Images:
    """One kind of images.

    Args:
      train: value of `--images` of `train` and `fit_parts`.
      heldout: value of `--heldout_images` of `train`; empty to leave it out.
      test: value of `--images` of `evaluate` and of `--heldout_images` of
        `fit_parts`; empty if nothing is measured on this kind.
      needs: files and folders that have to be there.
      other_needs: files and folders of which one has to be there; empty for none.
    """

    train: str
    heldout: str = ""
    test: str = ""
    needs: tuple[Path, ...] = ()
    other_needs: tuple[Path, ...] = ()

    @property
    def missing(self) -> str:
        """Returns what is not there, in words; empty if all is."""
        absent = [str(path) for path in self.needs if not path.exists()]
        if absent:
            return " and ".join(absent)
        if self.other_needs and not any(path.exists() for path in self.other_needs):
            return " or ".join(map(str, self.other_needs))
        return ""


def locate_images(scale: str, data: Path, dataset: str) -> Mapping[str, Images]:
    """Returns where each kind of images should be.

    Args:
      scale: "small" or "full".
      data: folder of all data sets.
      dataset: name of the photographs on which colorization is measured at full
        scale; the validation images stand in for it.

    Returns:
      Images by kind, whether they are there or not; see `Images.missing`.
    """
    if scale == SMALL:
        images = {**_locate_small(data), **_locate_digits(data, "valid")}
    else:
        colorization = {COLORIZATION: _locate_colorization(data, dataset)}
        images = {**colorization, **_locate_full(data), **_locate_digits(data, "test")}
    return {**images, **_locate_testbed(data)}


def _locate_testbed(data: Path) -> dict[str, Images]:
    """Returns the places of chapter 4's images, the same at both scales."""
    folder = data / CIFAR
    train, test = f"cifar100:{folder}:train", f"cifar100:{folder}:test"
    return {
        TESTBED: Images(train, "", test, (folder,)),
        TESTED: Images(train, test, test, (folder,)),
        FINE_TUNING: Images(train, "", train, (folder,)),
    }


def _locate_digits(data: Path, test: str) -> dict[str, Images]:
    """Returns the places of the variations of MNIST, measured on one of their splits."""
    folder = data / "mnist"
    places = {kind: f"{kind}:{folder}" for kind in DIGITS.values()}
    return {
        kind: Images(f"{place}:train", f"{place}:valid", f"{place}:{test}", (folder,))
        for kind, place in places.items()
    }


def _locate_small(data: Path) -> dict[str, Images]:
    """Returns the places of the data sets that fit two cores."""
    photos = data / "photos" if (data / "photos").is_dir() else data
    train, val = photos / "train", photos / "val"
    unlabelled = [path for path in (train, data / "camvid" / "train") if path.exists()] or [train]
    camvid, cifar, voc = data / "camvid", data / CIFAR, data / "VOC2007"
    video, test, rooms = data / "video", f"camvid:{camvid}:test", "builtin:depth_scenes"
    return {
        COLORIZATION: Images(str(train), str(val), str(val), (train, val)),
        PHOTOGRAPHS: Images(",".join(map(str, unlabelled)), str(val), str(val), (train, val)),
        SCENES: Images(f"camvid:{camvid}:train", f"camvid:{camvid}:val", test, (camvid,)),
        WHOLE_SCENES: Images(f"camvid:{camvid}:train", "", test, (camvid,)),
        OBJECTS: Images(f"voc:{voc}:trainval", "", f"voc:{voc}:test", (voc,)),
        LABELS: Images(f"cifar100:{cifar}:train", "", f"cifar100:{cifar}:test", (cifar,)),
        HIERARCHY: Images(f"cifar100_coarse:{cifar}:train", needs=(cifar,)),
        VIDEO: Images(f"video:{video}:train", f"video:{video}:heldout", needs=(video,)),
        BOXES: _boxes(data / "raccoon"),
        DEPTHS: Images(f"{rooms}:train:600", f"{rooms}:heldout:100", f"{rooms}:heldout:100"),
    }


def _locate_full(data: Path) -> dict[str, Images]:
    """Returns the places of the published data sets of chapter 3."""
    imagenet, places, wordnet = data / "ImageNet", data / "Places205", data / "wordnet.is_a.txt"
    train, val = imagenet / "train", imagenet / "val"
    scenes, objects, nyu = data / "VOC2012", data / "VOC2007", data / "NYUv2"
    segmentation = Images(
        f"voc_segmentation:{scenes}:train_aug", "", f"voc_segmentation:{scenes}:val", (scenes,)
    )
    return {
        PHOTOGRAPHS: Images(f"{train},{places}", "", str(val), (train, val, places)),
        SCENES: segmentation,
        WHOLE_SCENES: segmentation,
        OBJECTS: Images(f"voc:{objects}:trainval", "", f"voc:{objects}:test", (objects,)),
        LABELS: Images(str(train), "", str(val), (train, val)),
        HIERARCHY: Images(str(train), needs=(train, wordnet)),
        VIDEO: Images(f"video:{data / 'Hollywood2'}", needs=(data / "Hollywood2",)),
        BOXES: _boxes(objects),
        DEPTHS: Images(f"nyu:{nyu}:train", f"nyu:{nyu}:test", f"nyu:{nyu}:test", (nyu,)),
    }


def _boxes(folder: Path) -> Images:
    """Returns photographs with boxes in the layout of VOC."""
    return Images(f"voc_detection:{folder}:trainval", "", f"voc_detection:{folder}:test", (folder,))


def _locate_colorization(data: Path, dataset: str) -> Images:
    """Returns the places of ImageNet and of photographs to measure on."""
    base = data / "ImageNet" if (data / "ImageNet").is_dir() else data
    tests = tuple(base / name for name in (f"{dataset}.txt", dataset, "val"))
    test = str(next((path for path in tests if path.exists()), tests[-1]))
    return Images(str(base / "train"), test, test, (base / "train",), tests)
