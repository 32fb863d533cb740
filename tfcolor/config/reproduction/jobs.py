"""The commands that make a table, each run once."""

import dataclasses
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfcolor.config.reproduction.tables import Row
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.files import write_json, write_text

PROJECT = Path(__file__).parents[3]
"""The checkout, whose flagfiles are named relative to it."""

SMALL_FLAGFILE = "configs/base/reproduction_small.cfg"
LAST_LINES = 15


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a reproduction reads and writes.

    Args:
      train_images: what the rows learn from.
      test_images: what they are measured on.
      output: the folder of the reproduction.
      overrides: flagfiles of `train` laid over each row's, in order.
      subset: flags of `evaluate` for every row.
    """

    train_images: str
    test_images: str
    output: Path
    overrides: tuple[str, ...] = ()
    subset: tuple[str, ...] = ()


def run_of(row: Row, seed: int, place: Place) -> Path:
    """Returns the folder of the run that a row needs.

    Rows that train by the same flagfile share it.

    Args:
      row: a row that is trained.
      seed: of the run.
      place: where the runs are.

    Returns:
      A path that may not exist yet.
    """
    return place.output / "runs" / f"{Path(row.config).stem}_seed{seed}"


def train_row(row: Row, seed: int, place: Place) -> str:
    """Trains a row, or goes on with its training; does nothing if it is done.

    Args:
      row: a row that is trained.
      seed: of the run.
      place: where to read and write.

    Returns:
      The command, as one types it.

    Raises:
      UserError: if the training fails; the message shows its last lines.
    """
    run = run_of(row, seed, place)
    files = (row.config, *place.overrides)
    command = ["train", *(f"--flagfile={path}" for path in files)]
    command += [f"--images={place.train_images}", f"--heldout_images={place.test_images}"]
    command += [f"--seed={seed}", f"--run_dir={run}"]
    log = place.output / "logs" / f"{run.name}.log"
    is_done = (run / "result.json").exists() and log.exists()
    # A command that is not the one that made the run is for `train` to refuse.
    if not is_done or log.read_text().splitlines()[0] != format_command(command):
        run_command(command, log)
    return format_command(command)


def evaluate_row(row: Row, seed: int, place: Place) -> dict[str, Any]:
    """Measures a row; reads the figures if it was measured before.

    Args:
      row: a row that is not quoted.
      seed: of its run; every seed of a baseline is the same.
      place: where to read and write.

    Returns:
      The figures of `evaluate`, with `command` and `seconds` besides.

    Raises:
      UserError: if the evaluation fails; the message shows its last lines.
    """
    name = f"{row.name}_seed{seed}" if row.config else row.name
    command = ["evaluate", "--protocol=colorization", f"--images={place.test_images}"]
    if row.config:
        # Not the best checkpoint: the images that choose it are those measured on.
        command += [f"--model={run_of(row, seed, place)}", "--checkpoint=last"]
    else:
        command += ["--baseline=gray"]
    command += [*place.subset, *row.evaluate]
    path = place.output / "figures" / f"{name}.json"
    record = {"command": format_command(command)}
    if path.exists():
        figures = json.loads(path.read_text())
        if figures["command"] == record["command"]:
            return figures
    started = time.monotonic()
    raw = place.output / "figures" / f"{name}.partial.json"
    log = place.output / "logs" / f"{name}_evaluate.log"
    run_command([*command, f"--output_json={raw}"], log)
    seconds = round(time.monotonic() - started + _training_seconds(row, seed, place), 1)
    figures = {**json.loads(raw.read_text()), **record, "seconds": seconds}
    write_json(path, figures)
    raw.unlink()
    return figures


def _training_seconds(row: Row, seed: int, place: Place) -> float:
    """Returns how long a row was trained, 0 for a baseline."""
    if not row.config:
        return 0.0
    result = json.loads((run_of(row, seed, place) / "result.json").read_text())
    return float(result["wall_seconds"])


def run_command(arguments: Sequence[str], log: Path) -> None:
    """Runs a command of tfcolor in a process of its own.

    Args:
      arguments: the command's name and its flags.
      log: file for what it prints.

    Raises:
      UserError: if it fails; the message names the log and shows its end.
      KeyboardInterrupt: if it was interrupted.
    """
    program = [sys.executable, "-m", f"tfcolor.{arguments[0]}", *arguments[1:]]
    done = subprocess.run(
        program,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    write_text(log, f"{format_command(arguments)}\n{done.stdout}")
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        last = " | ".join(done.stdout.strip().splitlines()[-LAST_LINES:])
        raise UserError(f"{format_command(arguments)} failed, see {log}: {last}")


def format_command(arguments: Sequence[str]) -> str:
    """Returns a command as one types it in a shell."""
    return shlex.join(["tfcolor", *arguments])


def check_project() -> None:
    """Raises UsageError unless the flagfiles of the tables are here."""
    if not (PROJECT / SMALL_FLAGFILE).is_file():
        raise UsageError(
            f"there is no {SMALL_FLAGFILE} in {PROJECT}: reproduce needs a checkout of tfcolor"
            " (installed with pip install -e .)"
        )
