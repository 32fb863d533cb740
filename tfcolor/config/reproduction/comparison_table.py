"""Table 3.1 of the dissertation, as data: other methods beside ours."""

import dataclasses
from collections.abc import Callable

from tfcolor.config.reproduction.autoencoder_table import reconstructing_cells
from tfcolor.config.reproduction.cells import (
    IMAGENET,
    IMAGENET_FOV,
    MEAN_AP,
    MIU,
    ON_CAMVID,
    at,
    make_cell,
    ten_epochs,
)
from tfcolor.config.reproduction.study import FULL, SCALES, Cell, Row, Subject, Table, Training
from tfcolor.config.reproduction.trainings import (
    ALEXNET,
    RESNET,
    VGG,
    classified,
    colorized,
    retrained,
    segmented,
)


def _quoted(name: str, title: str, mean_ap: float | None, miu: float | None = None) -> Row:
    """Returns the row of a number that is not measured here."""
    numbers = {MEAN_AP.name: mean_ap, MIU.name: miu}
    return Row(name, title, {key: Cell(value) for key, value in numbers.items() if value})


def _k_means(network: str, title: str, mean_ap: float, miu: float | None) -> Row:
    """Returns the row of a network fitted to images without any training."""
    flags, end = ("--initial_weights=kmeans",), "_kmeans"
    cells = {
        MEAN_AP.name: make_cell(
            mean_ap, lambda scale: classified(scale, f"{network}_voc2007", None, flags, end)
        ),
        MIU.name: make_cell(
            miu,
            lambda scale: segmented(
                scale, f"table_3_4/{network}_segmentation", None, flags=flags, variant=end
            ),
        ),
    }
    return Row(f"kmeans_{network}", title, cells)


def _ours(network: str, title: str, mean_ap: float, miu: float, num_epochs: int, wide: str) -> Row:
    """Returns a row of our method."""

    def start(scale: str) -> Training:
        return colorized(scale, f"table_3_4/{network}_{num_epochs}_epochs", num_epochs)

    cells = {
        MEAN_AP.name: make_cell(
            mean_ap, lambda scale: classified(scale, f"{network}_voc2007", start(scale))
        ),
        MIU.name: make_cell(miu, lambda scale: retrained(scale, network + wide, start(scale))),
    }
    return Row(f"ours_{network}", title, cells)


def _ensemble(published: float, make: Callable[[str, Training], Training]) -> Cell:
    """Returns a cell of three residual networks: 35 epochs, and twice 10."""
    subjects = {}
    for scale in SCALES:
        best = colorized(scale, "table_3_4/resnet152_35_epochs", 35)
        shorter = ten_epochs(scale, RESNET)
        other = dataclasses.replace(shorter, name=f"{shorter.name}_other", seed_offset=100)
        runs = tuple(make(scale, start) for start in (best, shorter, other))
        subjects[scale] = Subject(runs)
    return Cell(published, subjects)


COMPARISON_TABLE = Table(
    "VOC comparison",
    (
        Row(
            "imagenet",
            "ImageNet, VGG-16 (+FoV)",
            {
                MEAN_AP.name: make_cell(
                    86.9,
                    at(
                        FULL,
                        lambda scale: classified(
                            scale, "vgg16_voc2007", IMAGENET, ("--multilabel_input=color",)
                        ),
                    ),
                ),
                MIU.name: make_cell(
                    69.5,
                    at(FULL, lambda scale: segmented(scale, IMAGENET_FOV, IMAGENET)),
                ),
            },
        ),
        Row(
            "random",
            "Random (ours), AlexNet",
            {
                MEAN_AP.name: make_cell(
                    46.2, lambda scale: classified(scale, "alexnet_voc2007", None)
                ),
                MIU.name: make_cell(
                    23.5, lambda scale: segmented(scale, "table_3_4/alexnet_segmentation", None)
                ),
            },
        ),
        Row(
            "autoencoder",
            "Shortcut autoencoder (ours), AlexNet",
            reconstructing_cells(53.3, 28.7, "alexnet_shortcut_autoencoder"),
        ),
        _quoted("random_pathak", "Random (Pathak et al.), AlexNet", 53.3, 19.8),
        _k_means(ALEXNET, "k-means, AlexNet", 56.6, 32.6),
        _k_means(VGG, "k-means, VGG-16", 56.5, None),
        _quoted("kmeans_googlenet", "k-means, GoogLeNet", 55.0),
        _quoted("pathak", "Pathak et al., AlexNet", 56.5, 29.7),
        _quoted("wang_gupta", "Wang & Gupta, AlexNet", 58.7),
        _quoted("donahue", "Donahue et al., AlexNet", 60.1, 35.2),
        _quoted("doersch", "Doersch et al., AlexNet", 65.3),
        _quoted("zhang_col", "Zhang et al. (col), AlexNet", 65.6, 35.6),
        _quoted("zhang_sb", "Zhang et al. (s-b), AlexNet", 67.1, 36.0),
        _quoted("noroozi", "Noroozi & Favaro, modified AlexNet", 68.6),
        _ours(ALEXNET, "Our method, AlexNet", 65.9, 38.4, 10, ""),
        _ours(VGG, "Our method, VGG-16 (+FoV)", 77.2, 56.0, 10, "_fov"),
        _ours(RESNET, "Our method, ResNet-152 (+FoV)", 77.3, 60.0, 35, "_fov"),
        Row(
            "ensemble",
            "Our ensemble, 3 x ResNet-152 (+FoV)",
            {
                MEAN_AP.name: _ensemble(
                    79.8, lambda scale, start: classified(scale, "resnet152_voc2007", start)
                ),
                MIU.name: _ensemble(
                    61.6, lambda scale, start: retrained(scale, "resnet152_fov", start)
                ),
            },
        ),
    ),
    (MEAN_AP, MIU),
    "VOC 2007 test (classification) and VOC 2012 val (segmentation)",
    f"{ON_CAMVID} Classification needs VOC2007/ in the folder of the data: a data set of one class"
    " that every image shows would give 100 % to any network. Numbers of k-means are quoted from"
    " others in the source, and measured here. Early stopping sets 12 of the 120 images aside.",
)
