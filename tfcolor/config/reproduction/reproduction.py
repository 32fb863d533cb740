"""A table from its flags to its report."""

import dataclasses
import platform
from pathlib import Path

import tfcolor
from tfcolor.config.reproduction import TABLES
from tfcolor.config.reproduction.jobs import (
    SMALL_FLAGFILE,
    Place,
    check_project,
    evaluate_row,
    train_row,
)
from tfcolor.config.reproduction.pictures import make_pictures
from tfcolor.config.reproduction.report import format_report, make_records
from tfcolor.config.reproduction.tables import Row, Table
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.files import check_writable, write_json, write_text
from tfcolor.core.options import option
from tfcolor.core.progress import ProgressReport
from tfcolor.data.images import IMAGE_SUFFIXES

SCALES = ("small", "full")
NUM_PICTURES = 6


@dataclasses.dataclass(frozen=True)
class ReproduceOptions:
    """What is reproduced, on what."""

    table: str = option("2.2", "number of the dissertation's table", choices=tuple(TABLES))
    scale: str = option(
        "small",
        "small: a thin network on a folder of photographs, two cores, under an hour;"
        " full: the published network and data",
        choices=SCALES,
    )
    data: str = option(
        "",
        "folder with train/ and val/ (small), or train/ and a folder or list named as the table's"
        " data set: cval1k, sun_6 (full)",
    )
    seeds: int = option(3, "runs of each row, with seeds 0, 1, ...", minimum=1)
    rows: tuple[str, ...] = option((), "only these rows by name; empty for all")
    output: str = option("", "folder for runs and report; empty for runs/table_NUMBER_SCALE")
    train_flagfile: str = option("", "flagfile of train laid over every row, after the scale's")


def run_reproduction(options: ReproduceOptions) -> Path:
    """Trains and measures every row of a table; goes on where it stopped.

    Args:
      options: which table, on what.

    Returns:
      The report, a Markdown file. `report.json` and `pictures.png` lie beside it;
      all are written anew after every measurement.

    Raises:
      UsageError: if the options do not fit together.
      UserError: if the data is missing or a row fails.
    """
    check_project()
    table = TABLES[options.table]
    rows = _choose_rows(table, options.rows)
    place = _find_place(table, options)
    check_writable(place.output / "report.md")
    seeds = range(options.seeds)
    # Seed by seed, so that a first whole table is there early.
    jobs = [(row, seed) for seed in seeds for row in rows if row.config or seed == 0]
    figures: dict[str, list[dict]] = {}
    with ProgressReport(f"table {options.table}", len(jobs), "measurements") as progress:
        for row, seed in jobs:
            training = train_row(row, seed, place) if row.config else None
            one = {**evaluate_row(row, seed, place), "training": training}
            figures.setdefault(row.name, []).append(one)
            _write_report(options, table, figures, place)
            note = f"{row.title}, seed {seed}: {one['psnr_db']:.2f} dB"
            progress.advance(note=note)
    if options.scale == "small":
        make_pictures(rows, _choose_photographs(place.test_images), 0, place)
    return place.output / "report.md"


def _choose_rows(table: Table, names: tuple[str, ...]) -> list[Row]:
    """Returns the rows to run."""
    runnable = {row.name: row for row in table.rows if not row.is_quoted}
    unknown = [name for name in names if name not in runnable]
    if unknown:
        raise UsageError(f"--rows={','.join(unknown)}: expected some of {', '.join(runnable)}")
    return [row for name, row in runnable.items() if not names or name in names]


def _find_place(table: Table, options: ReproduceOptions) -> Place:
    """Returns where images are and results go."""
    if not options.data:
        raise UsageError("--data is not given: name a folder with train/ and val/")
    if options.scale == "full" and not table.has_full_scale:
        raise UsageError(
            f"--scale=full: table {options.table} measures {table.metrics[0].title}, a protocol"
            " that is not there yet; --scale=small shows the same study on colorization"
        )
    data = Path(options.data).expanduser().resolve()
    tests = ("val",) if options.scale == "small" else (f"{table.dataset}.txt", table.dataset, "val")
    found = [data / name for name in tests if (data / name).exists()]
    if not (data / "train").exists() or not found:
        raise UserError(
            f"--data={options.data}: expected train/ and {' or '.join(tests)} in this folder"
        )
    name = f"table_{options.table}_{options.scale}"
    overrides: tuple[str, ...] = (SMALL_FLAGFILE,) if options.scale == "small" else ()
    if options.train_flagfile:
        overrides += (str(Path(options.train_flagfile).resolve()),)
    is_reconstructed = options.scale == "full" and found[0].name == "val"
    return Place(
        train_images=str(data / "train"),
        test_images=str(found[0]),
        output=Path(options.output or Path("runs") / name).resolve(),
        overrides=overrides,
        subset=table.subset if is_reconstructed else (),
    )


def _choose_photographs(images: str) -> list[Path]:
    """Returns some photographs, spread evenly over a folder."""
    paths = sorted(
        path for path in Path(images).rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES
    )
    count = min(NUM_PICTURES, len(paths))
    return [paths[index * len(paths) // count] for index in range(count)]


def _write_report(
    options: ReproduceOptions, table: Table, figures: dict[str, list[dict]], place: Place
) -> None:
    """Writes both files with what was measured so far."""
    records = make_records(options.table, table, figures, options.scale)
    head = (
        f"`tfcolor reproduce --table={options.table} --scale={options.scale}"
        f" --data={options.data} --seeds={options.seeds}`: tfcolor {tfcolor.__version__},"
        f" {platform.machine()}, measured on {place.test_images}, last checkpoint of each run."
    )
    page = format_report(options.table, table, figures, records, head)
    write_json(place.output / "report.json", records)
    write_text(place.output / "report.md", page)
