"""The dissertation's figures 4.6 and 4.7, as data."""

from tfcolor.config.reproduction.layout import PHOTOGRAPHS, VIDEO
from tfcolor.config.reproduction.pretext_tables import MULTI_PROXY_TABLE
from tfcolor.config.reproduction.pretext_trainings import TITLES, proxy
from tfcolor.config.reproduction.study import SCALES, SMALL, Figure, Series, Training
from tfcolor.config.reproduction.trainings import laid

FIRST_FILTERS, LOSS_CURVES = "first_filters", "loss_curves"
STARTS = (*TITLES, "cjv")
"""What the curves of figure 4.7 start from."""
FROZEN = "--frozen_through=fc7"


def _filters(letters: str, optimizer: str = "norm_sgd") -> Series:
    """Returns the network of a row of table 4.7."""
    name = letters if optimizer == "norm_sgd" else f"{letters}_sgd"
    title = "+".join(letters.upper()) + (" (SGD)" if optimizer != "norm_sgd" else "")
    return Series(name, title, {scale: proxy(scale, letters, optimizer) for scale in SCALES})


FILTERS_FIGURE = Figure(
    "First convolutional filters",
    FIRST_FILTERS,
    (
        *map(_filters, TITLES),
        _filters("cj", "momentum"),
        _filters("cj"),
        _filters("cjv"),
    ),
    "edges without color by C, edges of green and purple by J, more color and high frequencies by"
    " V; those of C+J by SGD are those of J alone, by NormSGD of both.",
    MULTI_PROXY_TABLE.note,
)


def _start(scale: str, letter: str, *flags: str, start: Training | None = None) -> Training:
    """Returns the beginning of a training of one proxy task."""
    small = laid("small_multi_proxy", "small_curves") if scale == SMALL else laid("curves")
    images = VIDEO if letter == "v" else PHOTOGRAPHS
    name = f"curve_{letter}" + ("_frozen" if FROZEN in flags else "")
    return Training(name, f"configs/table_4_7/{letter}.cfg", images, (*small, *flags), start)


def _curves(letter: str) -> Series:
    """Returns a proxy task from random weights, and from what other tasks have learned."""
    rivals = {}
    for other in STARTS:
        if other == letter:
            continue
        for ending, flags in ((" (ft)", ()), ("", (FROZEN,))):
            title = f"{'+'.join(other.upper())} to {letter.upper()}{ending}"
            rivals[title] = {
                scale: _start(scale, letter, *flags, start=proxy(scale, other)) for scale in SCALES
            }
    trained = {scale: _start(scale, letter) for scale in SCALES}
    return Series(letter, f"{TITLES[letter]} from random weights", trained, rivals=rivals)


INTER_PROXY_FIGURE = Figure(
    "Inter-proxy training loss",
    LOSS_CURVES,
    tuple(map(_curves, TITLES)),
    "a start from other tasks almost always helps, Video alone does not; a start from C+J+V helps"
    " all three most; Jigsaw does not do well upon frozen layers. Ours leave out ImageNet.",
    MULTI_PROXY_TABLE.note,
)
