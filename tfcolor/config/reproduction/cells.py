"""Columns of chapter 3, and what its cells are made of."""

from collections.abc import Callable

from tfcolor.config.reproduction.layout import BOXES, LABELS, OBJECTS, SCENES
from tfcolor.config.reproduction.study import (
    SCALES,
    Cell,
    Column,
    Measure,
    Subject,
    Training,
    Weights,
)
from tfcolor.config.reproduction.trainings import VGG, colorized

Making = Callable[[str], Training | None]
"""Returns the training of a cell at a scale, None where there is none."""

SEGMENTING = Measure("segmentation", "voc_segmentation", SCENES)
CLASSIFYING = Measure("classification", "voc_classification", OBJECTS)
FINDING = Measure("detection", "voc_detection", BOXES)
LABELLING = Measure("few_label", "image_classification", LABELS)
MIU = Column("segmentation", "Segmentation (% mIU)", SEGMENTING, "mean_iou")
FOV = Column("fov", "+FoV (% mIU)", SEGMENTING, "mean_iou")
MEAN_AP = Column("classification", "Classification (% mAP)", CLASSIFYING, "mean_average_precision")

IMAGENET = Weights("vgg16_imagenet")
"""The published VGG-16, as `tfcolor convert` makes it a run."""
VGG_FOV = "table_3_4/vgg16_segmentation_fov"
IMAGENET_FOV = "table_3_3/vgg16_segmentation_fov_imagenet"
"""Flagfiles of fine-tuning, the second in color and re-balanced."""

ON_CAMVID = (
    "Small scale: networks of an eighth (VGG-16) or a quarter (AlexNet) of the channels and a"
    " residual network of seven blocks are pretrained on about 800 photographs and street scenes,"
    " and fine-tuned and measured on CamVid (11 classes, 120 images to learn from)."
)
ON_CIFAR = (
    "Small scale: CIFAR-100 stands in for ImageNet, so all rows have the Deep network of table 4.1"
    " with a quarter of its channels. It is fine-tuned and measured on CamVid. Epochs are not"
    " those of the source."
)


def make_cell(published: float | None, make: Making) -> Cell:
    """Returns a cell whose one training is made for each scale.

    Args:
      published: the source's number; None if it has none.
      make: of the training, by scale.

    Returns:
      A cell that is measured at the scales that have a training.
    """
    made = {scale: make(scale) for scale in SCALES}
    return Cell(published, {scale: Subject((run,)) for scale, run in made.items() if run})


def at(wanted: str, make: Making) -> Making:
    """Returns what makes a training at one scale alone.

    Args:
      wanted: "small" or "full".
      make: of the training.

    Returns:
      `make`, but None at the other scale.
    """
    return lambda scale: make(scale) if scale == wanted else None


def ten_epochs(scale: str, network: str = VGG) -> Training:
    """Returns the pretraining by colorization for 10 epochs.

    Args:
      scale: "small" or "full".
      network: its name.

    Returns:
      A training on photographs.
    """
    return colorized(scale, f"table_3_4/{network}_10_epochs", 10)
