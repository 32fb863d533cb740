"""The flags of `reproduce`, and where they say to read and write."""

import dataclasses
from pathlib import Path

from tfcolor.config.reproduction import CURVES, FIGURES, TABLES
from tfcolor.config.reproduction.jobs import Place
from tfcolor.config.reproduction.layout import COLORIZATION, locate_images
from tfcolor.config.reproduction.study import FULL, SCALES, SMALL
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option

LAYOUTS = {
    SMALL: "photos/train and photos/val (or train and val), camvid, cifar-100-python, VOC2007,"
    " mnist, raccoon and video",
    FULL: "ImageNet/train, ImageNet/val, Places205, VOC2007, VOC2012, NYUv2, Hollywood2, mnist and"
    " cifar-100-python, or train and val for tables 2.2 to 2.5",
}
"""What the folder of the data holds, by scale."""


@dataclasses.dataclass(frozen=True)
class ReproduceOptions:
    """What is reproduced, on what."""

    table: str = option(
        "",
        "number of the dissertation's table, S4.1 to S4.8 for those of Doersch and Zisserman, or"
        " pretext for all pretext tasks side by side",
        choices=("", *TABLES),
    )
    figure: str = option(
        "",
        "number of a figure, likewise, or utility for what pretraining is worth in labels, instead"
        " of a table",
        choices=("", *FIGURES, *CURVES),
    )
    scale: str = option(
        SMALL,
        "small: thin networks on a few hundred images, two cores, a minute or two for a cell and"
        " seed; full: the published networks and data",
        choices=SCALES,
    )
    data: str = option(
        "",
        f"folder of the data sets: {LAYOUTS[SMALL]} (small), {LAYOUTS[FULL]} (full); cells whose"
        " data is not there are left out",
    )
    weights: str = option(
        "", "folder of runs that tfcolor convert made, vgg16_imagenet among them (full)"
    )
    seeds: int = option(3, "runs of each row, with seeds 0, 1, ...", minimum=1)
    rows: tuple[str, ...] = option((), "only these rows by name; empty for all")
    columns: tuple[str, ...] = option(
        (),
        "only these columns by name, or all; empty for those that are meant for the scale; for the"
        " figure utility, images of each class",
    )
    output: str = option("", "folder of the report; empty for runs/table_NUMBER_SCALE")
    work: str = option(
        "",
        "folder of runs, measurements and logs, which tables may share; empty for --output, or for"
        " runs/reproduction_SCALE without it",
    )
    train_flagfile: str = option("", "flagfile of train laid over every other of it")


def choose_output(options: ReproduceOptions) -> Path:
    """Returns the folder of the report.

    Args:
      options: as given.

    Returns:
      An absolute path that may not exist yet.
    """
    kind = "table" if options.table else "figure"
    name = f"{kind}_{options.table or options.figure}_{options.scale}"
    return Path(options.output or Path("runs") / name).resolve()


def find_place(options: ReproduceOptions, dataset: str = "", subset: tuple[str, ...] = ()) -> Place:
    """Returns where images are and runs go.

    Args:
      options: as given.
      dataset: see `locate_images`.
      subset: flags of `evaluate` that choose this data set's images from the
        validation images, if these have to stand in for it.

    Returns:
      Absolute paths, for processes that run elsewhere.

    Raises:
      UsageError: if the data is not named.
      UserError: if its folder does not exist.
    """
    if not options.data:
        raise UsageError(f"--data is not given: name a folder with {LAYOUTS[options.scale]}")
    data = Path(options.data).expanduser().resolve()
    if not data.is_dir():
        raise UserError(
            f"--data={options.data}: no such folder; expected {LAYOUTS[options.scale]} in it"
        )
    images = locate_images(options.scale, data, dataset)
    work = options.work or options.output or Path("runs") / f"reproduction_{options.scale}"
    stands_in = options.scale == FULL and Path(images[COLORIZATION].test).name == "val"
    return Place(
        images=images,
        work=Path(work).resolve(),
        data=data,
        weights=Path(options.weights).expanduser().resolve() if options.weights else None,
        flagfile=str(Path(options.train_flagfile).resolve()) if options.train_flagfile else "",
        subset={COLORIZATION: subset} if stands_in else {},
    )
