"""The dissertation's tables 1.1 and 1.2, as data: variations of MNIST."""

from collections.abc import Callable, Mapping

from tfcolor.config.reproduction.layout import DIGITS
from tfcolor.config.reproduction.study import (
    FIT_PARTS,
    SCALES,
    SMALL,
    Cell,
    Column,
    Measure,
    Row,
    Subject,
    Table,
    Training,
)
from tfcolor.config.reproduction.trainings import laid

UPRIGHT, TURNED = ("basic", "bg_rand", "bg_img"), ("rot", "bg_img_rot")
COLUMNS = tuple(
    Column(
        name,
        name.replace("_", "-"),
        Measure(name, "image_classification", kind),
        "top1_error_rate",
        own_key="heldout_error_rate",
        lower_is_better=True,
    )
    for name, kind in DIGITS.items()
)
PLAIN, ORIENTED = "plain", "oriented"
KEEP_CODES = "--keep_codes=true"
"""The images to measure on are coded once for each variation and seed."""
SAMPLED = "--data_seed={seed}"
DATASET = "50,000 test images of each variation"
NOTE = "Small scale: {models}; all are measured on the 2,000 validation images."
REMARK = (
    "Where their published files are not in the folder of the data, the variations are made from"
    " MNIST: bg-img and bg-img-rot then have other backgrounds than the source, patches of the"
    " photographs that come with scikit-image and scikit-learn, not the same ones for testing as"
    " for training. The source says 60,000 test images; the published files have 50,000."
)
SMALL_PARTS = (
    "Plain has 256 parts and Oriented 16 in 16 rotations, learned from 10,000 patches of the"
    " 10,000 images"
)


def fitted(scale: str, model: str, variation: str) -> Training:
    """Returns a fit of parts to all images of a variation.

    Args:
      scale: "small" or "full".
      model: `PLAIN` or `ORIENTED`.
      variation: name of the digits.

    Returns:
      A run of `fit_parts`.
    """
    files = laid(f"small_parts_{model}") if scale == SMALL else ()
    return Training(
        f"{model}_{variation}",
        f"configs/table_1_1/{model}.cfg",
        DIGITS[variation],
        (*files, KEEP_CODES),
        command=FIT_PARTS,
    )


def refitted(start: Training, config: str, *flags: str) -> Training:
    """Returns a fit of another classifier to parts that are there.

    Args:
      start: whose parts it takes over.
      config: its flagfile below configs/, without suffix.
      flags: of `fit_parts` besides.

    Returns:
      A run of `fit_parts` on the same images.
    """
    name = config.rsplit("/", 1)[-1]
    path, flags = f"configs/{config}.cfg", (*flags, KEEP_CODES)
    return Training(name, path, start.images, flags, start, command=FIT_PARTS)


def learned(scale: str, name: str, variation: str, *flags: str) -> Training:
    """Returns a training of the network of table 1.2.

    Args:
      scale: "small" or "full".
      name: of its flagfile in configs/table_1_2, without suffix.
      variation: name of the digits.
      flags: of `train` besides.

    Returns:
      A run of `train` from random weights.
    """
    files = laid("small_digits_cnn") if scale == SMALL else ()
    path = f"configs/table_1_2/{name}.cfg"
    return Training(f"{name}_{variation}", path, DIGITS[variation], (*files, *flags))


Recipe = Callable[[str, str], Training]
"""Returns the training of a cell at a scale on a variation."""


def _row(name: str, title: str, published: Mapping[str, float], make: Recipe) -> Row:
    """Returns a row that is measured where it has a published number."""
    cells = {
        variation: Cell(number, {scale: Subject((make(scale, variation),)) for scale in SCALES})
        for variation, number in published.items()
    }
    return Row(name, title, cells)


def _quoted(name: str, title: str, *published: float | None) -> Row:
    """Returns the row of somebody else's method, its numbers in the columns' order."""
    cells = zip(DIGITS, published, strict=True)
    return Row(name, title, {variation: Cell(number) for variation, number in cells if number})


def _all(*published: float) -> dict[str, float]:
    """Returns the published numbers of all variations."""
    return dict(zip(DIGITS, published, strict=True))


def _turned(*published: float) -> dict[str, float]:
    """Returns the published numbers of the variations that are turned."""
    return dict(zip(TURNED, published, strict=True))


def _svm(scale: str, variation: str) -> Training:
    """Returns the fit of Plain-SVM."""
    return refitted(fitted(scale, PLAIN, variation), "table_1_1/plain_svm")


VARIATIONS_TABLE = Table(
    "Variations of MNIST: error rate, %",
    (
        _quoted("rbm_tirbm", "RBM (Sohn & Lee 2012)", None, None, None, 15.6, 54.0),
        _quoted("rbm_pgbm", "RBM (Sohn et al. 2013)", None, 11.4, 15.4, None, 49.9),
        _quoted("dbm_3", "DBM-3", 3.1, 6.7, 16.3, 10.3, 47.4),
        _quoted("sdae_3", "SDAE-3", 2.6, 8.5, 16.7, 8.8, 43.8),
        _quoted("sdae_3_linear_svm", "SDAE-3 (linear SVM)", 2.6, 11.3, 14.6, 10.0, 42.1),
        _quoted("sdae_3_kernel_svm", "SDAE-3 (kernel SVM)", 2.6, 10.2, 14.1, 8.6, 39.1),
        _quoted("pgbm", "PGBM", None, 7.3, 13.3, None, 45.5),
        _quoted("supervised_pgbm", "Supervised PGBM", None, 6.9, 12.9, None, 44.7),
        _quoted("pgbm_dn_1", "PGBM + DN-1", None, 6.1, 12.3, None, 36.8),
        _quoted("tirbm", "TIRBM", None, None, None, 4.2, 35.5),
        _row(
            "plain",
            "Plain",
            _all(1.9, 7.9, 10.0, 11.8, 36.2),
            lambda scale, variation: fitted(scale, PLAIN, variation),
        ),
        _row("plain_svm", "Plain-SVM", _all(1.3, 6.0, 8.0, 9.1, 33.4), _svm),
        _row(
            "oriented",
            "Oriented",
            _turned(5.5, 25.0),
            lambda scale, variation: fitted(scale, ORIENTED, variation),
        ),
    ),
    COLUMNS,
    DATASET,
    NOTE.format(models=SMALL_PARTS),
    remark=REMARK,
)


def _ours(scale: str, variation: str, sample: str = "") -> Training:
    """Returns a fit of our model, the classes to a sample of the labels or to all."""
    model = ORIENTED if variation in TURNED else PLAIN
    start = fitted(scale, model, variation)
    if not sample:
        return start
    return refitted(start, f"table_1_2/{model}_{sample}", SAMPLED)


def _block(
    sample: str,
    cnn: Mapping[str, float],
    rotation: Mapping[str, float],
    ours: Mapping[str, float],
) -> tuple[Row, ...]:
    """Returns the rows of one size of sample, "" for all labels."""
    end = f"_{sample}" if sample else ""
    how = f"{sample} per class" if sample else "all labels"
    flags = (SAMPLED,) if sample else ()
    return (
        _row(
            f"cnn{end}",
            f"CNN, {how}",
            cnn,
            lambda scale, variation: learned(scale, f"cnn{end}", variation, *flags),
        ),
        _row(
            f"cnn_rotation{end}",
            f"CNN (+ rotations), {how}",
            rotation,
            lambda scale, variation: learned(scale, f"cnn_rotation{end}", variation, *flags),
        ),
        _row(
            f"ours{end}",
            f"Our model, {how}",
            ours,
            lambda scale, variation: _ours(scale, variation, sample),
        ),
    )


SAMPLE_SIZES_TABLE = Table(
    "Small sample size: error rate, %",
    (
        *_block(
            "",
            _all(1.8, 4.3, 8.0, 10.4, 31.9),
            _turned(4.0, 19.2),
            _all(1.9, 7.9, 10.0, 5.5, 25.0),
        ),
        _quoted("semi_pgbm_100", "Semi-supervised PGBM, 100", None, 12.0, 20.3, None, 59.2),
        _quoted("cdbn_100", "CDBN on MNIST itself, 100", 2.6, None, None, None, None),
        *_block(
            "100",
            _all(4.7, 10.2, 17.1, 25.0, 53.0),
            _turned(11.5, 31.3),
            _all(2.6, 10.2, 14.7, 7.8, 35.3),
        ),
        *_block(
            "10",
            _all(15.6, 24.4, 34.2, 58.9, 75.5),
            _turned(26.2, 54.7),
            _all(8.8, 21.1, 29.7, 16.4, 48.4),
        ),
    ),
    COLUMNS,
    DATASET,
    NOTE.format(
        models=f"{SMALL_PARTS}, and the CNN a sixteenth of its channels and a tenth of its"
        " updates, on half as many images each"
    ),
    remark=REMARK,
)
