"""The dissertation's figures 3.3 to 3.5, as data."""

from collections.abc import Callable

from tfcolor.config.reproduction.cells import ON_CAMVID, ON_CIFAR, VGG_FOV
from tfcolor.config.reproduction.representation_tables import fine_tuned, on_colors, on_labels
from tfcolor.config.reproduction.study import SCALES, SMALL, Figure, Series, Training
from tfcolor.config.reproduction.trainings import colorized, laid, segmented

FEATURE_SHIFT, LEARNING_CURVE = "feature_shift", "learning_curve"
TOP_ACTIVATIONS = "top_activations"
MOMENTS = (1 / 15, 1 / 3, 2 / 3, 11 / 15, 1.0)
"""0.2, 1, 2, 2.2 and 3 of 3 epochs; the rate falls after 2 for the first time."""


def _series(name: str, title: str, make: Callable[[str], Training]) -> Series:
    """Returns a network before and after fine-tuning."""
    pretraining = {scale: make(scale) for scale in SCALES}
    downstream = {scale: fine_tuned(scale, start) for scale, start in pretraining.items()}
    return Series(name, title, pretraining, downstream)


def _curve(name: str, title: str, path: str, moments: tuple[float, ...]) -> Series:
    """Returns a pretraining whose snapshots are trained downstream."""
    no_drops = ("--rate_drops=",) if name == "no_drops" else ()
    small_flags = (*laid("small_snapshots"), *no_drops)
    pretraining = {
        scale: colorized(scale, path, 3, flags=small_flags if scale == SMALL else ())
        for scale in SCALES
    }
    downstream = {scale: segmented(scale, VGG_FOV, pretraining[scale]) for scale in SCALES}
    return Series(name, title, pretraining, downstream, moments)


BOTH = (
    _series("colorization", "Colorization", on_colors),
    _series("classification", "Classification", on_labels),
)
SHIFT_FIGURE = Figure(
    "Feature shift",
    FEATURE_SHIFT,
    BOTH,
    "features learned by colorization change much more than those learned from labels.",
    ON_CIFAR,
)
LEARNING_RATE_FIGURE = Figure(
    "Learning rate",
    LEARNING_CURVE,
    (
        _curve("drops", "With rate drops", "table_3_4/vgg16_3_epochs_snapshots", MOMENTS),
        _curve("no_drops", "Without rate drops", "table_3_4/vgg16_3_epochs_no_drops", (1.0,)),
    ),
    "6 points above random weights (35.1 % mIU) after 0.2 epochs, 52.9 % after 3, and 49.1 %"
    " without ever dropping the rate.",
    ON_CAMVID,
)
TOP_FIGURE = Figure(
    "Feature visualization",
    TOP_ACTIVATIONS,
    BOTH,
    "some features of fc7 respond to one color, some to one kind of object, some to both.",
    ON_CIFAR,
)
