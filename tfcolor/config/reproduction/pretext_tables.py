"""The dissertation's table 4.7 and the comparison of all pretext tasks, as data."""

from collections.abc import Callable

from tfcolor.config.reproduction.cells import FINDING, MEAN_AP, MIU, Making, at, make_cell
from tfcolor.config.reproduction.layout import PHOTOGRAPHS, VIDEO
from tfcolor.config.reproduction.pretext_trainings import (
    FEW,
    LINEAR,
    detected_by,
    pretext,
    proxy,
    untrained,
    with_labels,
)
from tfcolor.config.reproduction.study import SMALL, Column, Row, Table, Training
from tfcolor.config.reproduction.trainings import Start, classified, segmented

SEGMENTING = "table_3_4/alexnet_segmentation"
IN_COLOR = "--segmentation_input=color"
APART = "--alexnet_front_end=split_lab"
EDGES = "--alexnet_front_end=sobel"
"""Front ends that pretrained networks keep downstream."""

PROBE = Column("linear", "Linear probe (% top-1)", LINEAR, "top1_accuracy")
FEW_LABELS = Column("few_label", "5 labels a class (% top-1)", FEW, "curve.0.accuracy_mean")
DETECTION = Column("detection", "Detection (% mAP)", FINDING, "mean_average_precision_50")


def _scenes(scale: str, start: Start, *flags: str) -> Training:
    """Returns the training of a segmentation column, in color."""
    colored = (IN_COLOR, *flags)
    return segmented(scale, SEGMENTING, start, flags=colored, variant="_color")


def _proxies(
    name: str,
    title: str,
    numbers: tuple[float | None, float | None],
    start: Callable[[str], Training | None],
) -> Row:
    """Returns a row of table 4.7."""

    def classifying(scale: str) -> Training:
        return classified(scale, "alexnet_voc2007", start(scale))

    return Row(
        name,
        title,
        {
            MEAN_AP.name: make_cell(numbers[0], classifying),
            MIU.name: make_cell(numbers[1], lambda scale: _scenes(scale, start(scale))),
        },
    )


MULTI_PROXY_TABLE = Table(
    "Multi-proxy self-supervision",
    (
        _proxies("none", "No pretraining", (46.2, 23.5), lambda scale: None),
        _proxies("c", "C (Colorization)", (61.1, 36.3), lambda scale: proxy(scale, "c")),
        _proxies("j", "J (Jigsaw)", (60.0, 33.7), lambda scale: proxy(scale, "j")),
        _proxies("v", "V (Video)", (60.6, 35.9), lambda scale: proxy(scale, "v")),
        _proxies("cj", "C+J", (59.2, 35.5), lambda scale: proxy(scale, "cj")),
        _proxies("cj_sgd", "C+J (SGD)", (None, None), lambda scale: proxy(scale, "cj", "momentum")),
        _proxies("cjv", "C+J+V", (60.2, 36.1), lambda scale: proxy(scale, "cjv")),
    ),
    (MEAN_AP, MIU),
    "VOC 2007 test and VOC 2012 val",
    "Small scale: AlexNet with a quarter of its channels and batch norm learns from about 800"
    " photographs and street scenes, and from three short clips, and is fine-tuned in color and"
    " measured on CamVid (11 classes, 120 images to learn from).",
    baseline="none",
)


def _pretexts(
    name: str,
    title: str,
    images: str = PHOTOGRAPHS,
    *flags: str,
    make: Callable[[], Training] | None = None,
) -> Row:
    """Returns a row of the comparison; `flags` are those that fine-tuning needs."""
    start = (make or (lambda: pretext(name, images)))()
    makings: dict[str, Making] = {
        PROBE.name: lambda scale: start,
        FEW_LABELS.name: lambda scale: start,
        MIU.name: lambda scale: _scenes(scale, start, *flags),
        DETECTION.name: lambda scale: detected_by(start, flags),
    }
    return Row(
        name,
        title,
        {column: make_cell(None, at(SMALL, making)) for column, making in makings.items()},
    )


PRETEXT_TABLE = Table(
    "Pretext tasks at equal compute",
    (
        _pretexts("random", "Random weights", make=untrained),
        _pretexts("colorization", "Colorization"),
        _pretexts("rotation", "Rotation"),
        _pretexts("jigsaw", "Jigsaw, 2 x 2"),
        _pretexts("jigsaw_3x3", "Jigsaw, 3 x 3"),
        _pretexts("relative_position", "Relative position"),
        _pretexts("exemplar", "Exemplar, triplets"),
        _pretexts("exemplar_classes", "Exemplar, surrogate classes"),
        _pretexts("inpainting", "Inpainting"),
        _pretexts("inpainting_adversarial", "Inpainting, adversarial"),
        _pretexts("bigan", "BiGAN"),
        _pretexts("motion_segmentation", "Motion segmentation", VIDEO),
        _pretexts("video_flow", "Relative flow", VIDEO),
        _pretexts("video_saliency", "Video saliency", VIDEO),
        _pretexts("deep_clustering", "Deep clustering", PHOTOGRAPHS, EDGES),
        _pretexts("split_brain", "Split-brain autoencoder", PHOTOGRAPHS, APART),
        _pretexts("simclr", "SimCLR"),
        _pretexts("supervised", "Labels of CIFAR-100", make=with_labels),
    ),
    (PROBE, FEW_LABELS, MIU, DETECTION),
    "CIFAR-100 test, CamVid test and photographs of raccoons",
    "AlexNet with a quarter of its channels and batch norm learns for 600 steps, each of about"
    " 260,000 pixels, from about 800 photographs and street scenes, video tasks from three short"
    " clips, labels from 12,800 images of CIFAR-100. The averages of conv3, conv4 and conv5 over"
    " other images of CIFAR-100, enlarged to 96 pixels, are probed with 32 and with 5 labels of"
    " each class; all layers are fine-tuned in color on CamVid (11 classes, 120 images), and for"
    " detection on 124 photographs of raccoons; 42 others have 45 of them.",
    reading="every network has seen as many pixels; compare the rows with random weights",
    baseline="random",
)
