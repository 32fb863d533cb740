"""The curves of accuracy over labels after Newell and Deng, and what they are made of."""

from tfcolor.config.reproduction.layout import TESTBED
from tfcolor.config.reproduction.study import FULL, SCALES, SMALL, Figure, Series, Training
from tfcolor.config.reproduction.trainings import laid

UTILITY = "utility"
LABEL_COUNTS = {SMALL: (5, 10, 20, 40, 80, 160), FULL: (5, 10, 25, 50, 100, 250, 500)}
"""Images of each of the 100 classes."""


def _training(scale: str, name: str, start: Training | None = None) -> Training:
    """Returns a training of the figure."""
    small = laid("small_utility") if scale == SMALL else ()
    return Training(f"utility_{name}", f"configs/figure_utility/{name}.cfg", TESTBED, small, start)


def _series(name: str, title: str) -> Series:
    """Returns a pretext task and its fine-tuning."""
    pretraining = {scale: _training(scale, name) for scale in SCALES}
    downstream = {scale: _training(scale, "tuned", pretraining[scale]) for scale in SCALES}
    return Series(name, title, pretraining, downstream, label_counts=LABEL_COUNTS)


UTILITY_FIGURE = Figure(
    "Utility of pretraining, in labels",
    UTILITY,
    (
        _series("rotation", "Rotation"),
        _series("colorization", "Colorization"),
        _series("simclr", "SimCLR"),
    ),
    "(Newell and Deng, CVPR 2020) of three possible outcomes, (c) is the most common one: the"
    " pretrained network is as good as one from scratch before the accuracy of both stops rising.",
    "Small scale: Deep with a quarter of its channels and batch norm learns the pretext task from"
    " all 16,000 images of CIFAR-100 without their labels, and is fine-tuned with a few images of"
    " each class for the same number of steps as a network from scratch.",
)
