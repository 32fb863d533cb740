"""A folder of links to the results, the most doubtful first."""

import dataclasses
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from tfcolor.core.errors import UserError
from tfcolor.core.options import option
from tfcolor.core.progress import say
from tfcolor.inference.gallery import Gallery
from tfcolor.inference.jobs import Job
from tfcolor.inference.manifest import Outcome

_LINK = re.compile(r"\d{4,}_\d\.\d\d_.")
_MAX_NAME_BYTES = 240
"""File systems take 255."""


@dataclasses.dataclass(frozen=True)
class DoubtOptions:
    """Results in the order in which they need a look."""

    doubt_folder: str = option(
        "",
        "folder for links to all results, named by rank and doubt, the most doubtful first; it is"
        " made anew at the end of each job; empty for none",
    )


class DoubtGallery(Gallery):
    """The folder of links as something that watches a job.

    Args:
      folder: that is made anew at the end of the job.

    Raises:
      UserError: if there is anything else in its place.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        check_doubt_folder(folder)
        self._folder = Path(folder)
        self._doubts: list[tuple[Path, float]] = []

    def conclude(self, job: Job, outcome: Outcome) -> None:
        """Notes the doubt of the first colorization of a photograph."""
        if outcome.doubt is not None:
            self._doubts.append((job.colored[0], outcome.doubt))

    def write(self) -> None:
        """Makes the folder.

        Raises:
          UserError: if it cannot be written.
        """
        write_doubt_folder(self._folder, self._doubts)
        say(f"wrote {self._folder}")


def check_doubt_folder(folder: str | os.PathLike[str]) -> None:
    """Makes sure that a folder may be replaced, before hours go into the results.

    Args:
      folder: the folder of links; missing, empty, or from an earlier job.

    Raises:
      UserError: if there is anything else in its place.
    """
    path = Path(folder)
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise UserError(f"--doubt_folder={path}: there is something else of that name")
    foreign = (
        [entry.name for entry in path.iterdir() if not _is_own(entry)] if path.exists() else []
    )
    if foreign:
        raise UserError(
            f"--doubt_folder={path}: it holds {min(foreign)}; expected a new or an empty folder,"
            " or one from an earlier job"
        )


def write_doubt_folder(
    folder: str | os.PathLike[str], doubts: Iterable[tuple[Path, float]]
) -> None:
    """Makes the folder of links anew; it is never seen half made.

    Args:
      folder: the folder, which `check_doubt_folder` accepts.
      doubts: each result, with its mean uncertainty in [0, 1].

    Raises:
      UserError: if the folder may not be replaced, or cannot be written.
    """
    path = Path(os.path.abspath(folder))
    check_doubt_folder(path)
    made, replaced = (path.with_name(f".{path.name}.{mark}") for mark in ("made", "replaced"))
    try:
        for leftover in (made, replaced):  # of a killed job
            shutil.rmtree(leftover, ignore_errors=True)
        made.mkdir(parents=True)
        ranked = sorted(doubts, key=lambda pair: (-pair[1], pair[0]))
        num_digits = max(4, len(str(len(ranked))))
        for rank, (result, doubt) in enumerate(ranked, start=1):
            name = _shorten(f"{rank:0{num_digits}}_{doubt:.2f}_{result.name}")
            _link(result, made / name, path)
        if path.exists():
            path.rename(replaced)
        made.rename(path)
        shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def _is_own(entry: Path) -> bool:
    """Says whether an entry of the folder is one that an earlier job made."""
    return bool(_LINK.match(entry.name)) and (entry.is_symlink() or entry.is_file())


def _link(result: Path, link: Path, folder: Path) -> None:
    """Links to a result as seen from `folder`, or copies it where there are no links."""
    try:
        target = os.path.relpath(result, folder)
    except ValueError:  # another drive
        target = os.path.abspath(result)
    try:
        link.symlink_to(target)
    except (OSError, NotImplementedError):
        shutil.copyfile(result, link)


def _shorten(name: str) -> str:
    """Cuts a name in its middle where a file system would refuse its length."""
    content = os.fsencode(name)
    if len(content) <= _MAX_NAME_BYTES:
        return name
    suffix = os.fsencode(Path(name).suffix)
    kept = content[: _MAX_NAME_BYTES - len(suffix)].decode("utf-8", "ignore")
    return kept + os.fsdecode(suffix)
