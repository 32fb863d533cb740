"""Checkpoints that are whole or not there, and how a run finds the last good one."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.progress import say

BEST_FOLDER = "best"

RESTORE_ERRORS = (tf.errors.OpError, AssertionError, IndexError, RuntimeError, ValueError)
"""What TensorFlow raises on a damaged checkpoint, or one of another network. The
reader gives an IndexError for a data file that ends too early."""


class Checkpoints:
    """Saves and restores everything that a run needs to go on.

    Args:
      folder: `RUN/checkpoints`.
      checkpoint: tracks network, optimizer, step and plateau.
      keep: how many to keep; the best one is kept besides.
      is_chief: other workers must save along with the chief, because some
        variables are averaged over workers then; what they write is removed.
    """

    def __init__(
        self, folder: Path, checkpoint: tf.train.Checkpoint, keep: int, *, is_chief: bool
    ) -> None:
        self._checkpoint, self._is_chief = checkpoint, is_chief
        self._folder = folder if is_chief else folder / f".other_{id(self)}"
        self._shared_folder = folder
        self._manager = tf.train.CheckpointManager(checkpoint, str(self._folder), keep)
        self._best = tf.train.CheckpointManager(checkpoint, str(self._folder / BEST_FOLDER), 1)

    def save(self, step: int) -> None:
        """Writes a checkpoint of this step; the ones before stay valid meanwhile."""
        self._write(self._manager, step)

    def save_best(self, step: int) -> None:
        """Writes the best checkpoint so far."""
        self._write(self._best, step)

    def restore_last(self) -> int | None:
        """Restores the newest checkpoint that is whole.

        Returns:
          The step it was saved at, or None if there is none at all.

        Raises:
          UserError: if there are checkpoints but none can be read.
        """
        return restore_newest(self._checkpoint, self._shared_folder)

    def _write(self, manager: tf.train.CheckpointManager, step: int) -> None:
        """Saves, and removes what a worker other than the chief had to write."""
        try:
            manager.save(checkpoint_number=step)
        except (OSError, tf.errors.OpError) as error:
            raise UserError(f"cannot write the checkpoint of step {step}: {error}") from error
        finally:
            if not self._is_chief:
                shutil.rmtree(self._folder, ignore_errors=True)


def restore_newest(checkpoint: tf.train.Checkpoint, folder: Path) -> int | None:
    """Restores the newest whole checkpoint of a folder, passing over damaged ones.

    Args:
      checkpoint: the objects to fill; all their variables must exist.
      folder: holds files as `tf.train.CheckpointManager` writes them.

    Returns:
      The step in the restored file's name, or None if the folder has none.

    Raises:
      UserError: if no checkpoint of the folder can be restored.
    """
    return restore_first_whole(checkpoint, _prefixes(folder))


def restore_first_whole(
    checkpoint: tf.train.Checkpoint, prefixes: Sequence[tuple[int, str]]
) -> int | None:
    """Restores the first checkpoint that is whole, passing over damaged ones.

    Args:
      checkpoint: the objects to fill; all their variables must exist.
      prefixes: (step, prefix) of each, as `find_checkpoints` gives them.

    Returns:
      The step of the restored one, or None if there is none at all.

    Raises:
      UserError: if none of them can be restored.
    """
    reason = ""
    for step, prefix in prefixes:
        try:
            status = checkpoint.restore(prefix)
            status.assert_existing_objects_matched()
            status.expect_partial()  # a network alone takes no optimizer from a run
        except RESTORE_ERRORS as error:
            reason = str(error).strip().splitlines()[0]
            say(f"WARNING: checkpoint {prefix} is damaged or does not fit; trying the one before")
            say(f"WARNING: {reason}")
            continue
        return step
    if prefixes:
        folder = Path(prefixes[0][1]).parent
        raise UserError(
            f"none of the {len(prefixes)} checkpoints in {folder} can be restored: {reason}"
        )
    return None


def find_checkpoints(run_dir: Path, checkpoint: str) -> list[tuple[int, str]]:
    """Returns the checkpoints of a run that a name stands for, newest first.

    Args:
      run_dir: the run's folder.
      checkpoint: "best" (by held-out loss or score), "last", or a step.

    Returns:
      (step, prefix) of each; the later ones stand in for a damaged first.
      Empty if the run has none at all.

    Raises:
      UsageError: if the name is none of these.
      UserError: if there is no checkpoint of that step; lists those there are.
    """
    folder = run_dir / "checkpoints"
    if checkpoint in ("best", "last"):
        return _prefixes(checkpoint_folder(run_dir, checkpoint))
    if not checkpoint.isdecimal():
        raise UsageError(f"checkpoint {checkpoint!r}: expected best, last or a step")
    found = [*_prefixes(folder), *_prefixes(folder / BEST_FOLDER)]
    chosen = [each for each in found if each[0] == int(checkpoint)]
    if found and not chosen:
        steps = ", ".join(map(str, sorted({step for step, _ in found})))
        raise UserError(
            f"{run_dir} has no checkpoint of step {checkpoint}:"
            f" expected best, last or one of {steps}"
        )
    return chosen


def has_checkpoint(folder: Path) -> bool:
    """Tells whether a folder holds a checkpoint, whole or damaged."""
    return bool(_prefixes(folder))


def checkpoint_folder(run_dir: Path, checkpoint: str) -> Path:
    """Returns where a run keeps the checkpoint of this kind.

    Args:
      run_dir: the run's folder.
      checkpoint: "best" (by held-out loss) or "last".

    Returns:
      The folder; that of the last ones where there is no best.
    """
    folder = run_dir / "checkpoints"
    best = folder / BEST_FOLDER
    return best if checkpoint == "best" and best.is_dir() else folder


def _prefixes(folder: Path) -> list[tuple[int, str]]:
    """Returns (step, prefix) of the checkpoints of a folder, newest first."""
    found = []
    for path in folder.glob("*.index"):
        match = re.fullmatch(r"ckpt-(\d+)", path.stem)
        if match:
            found.append((int(match.group(1)), str(path.with_suffix(""))))
    return sorted(found, reverse=True)
