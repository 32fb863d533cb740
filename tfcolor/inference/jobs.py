"""Which photographs the user named, and where the result of each goes."""

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.images import IMAGE_SUFFIXES
from tfcolor.inference.result_files import check_output_suffix

COLORIZED_MARK = "_colorized"
UNCERTAINTY_MARK = "_uncertainty"
_RESULT = re.compile(rf"{COLORIZED_MARK}(_\d+)?({UNCERTAINTY_MARK})?$")


@dataclasses.dataclass(frozen=True)
class Job:
    """One photograph to color.

    Args:
      source: the file to read.
      target: the file to write, whose name the others derive from.
      num_samples: colorizations, numbered from 1 if there are several.
      has_uncertainty: whether each has an uncertainty map beside it.
    """

    source: Path
    target: Path
    num_samples: int = 1
    has_uncertainty: bool = False

    @property
    def colored(self) -> list[Path]:
        """Returns the file of each colorization."""
        if self.num_samples == 1:
            return [self.target]
        stem, suffix = self.target.stem, self.target.suffix
        numbers = range(1, self.num_samples + 1)
        return [self.target.with_name(f"{stem}_{number}{suffix}") for number in numbers]

    @property
    def files(self) -> list[Path]:
        """Returns all files to write."""
        maps = [uncertainty_path(path) for path in self.colored]
        return self.colored + (maps if self.has_uncertainty else [])


def uncertainty_path(path: Path) -> Path:
    """Returns the file of the uncertainty map of a colorization."""
    return path.with_name(f"{path.stem}{UNCERTAINTY_MARK}.png")


def collect_jobs(
    inputs: Iterable[str],
    output: str | None,
    num_samples: int = 1,
    has_uncertainty: bool = False,
) -> list[Job]:
    """Finds the photographs that the user named and decides where each goes.

    Args:
      inputs: files, folders (searched recursively) and globs.
      output: a folder, which mirrors the tree of every given folder; a file
        name for a single photograph; or None for a file beside each original.
      num_samples: colorizations of each photograph.
      has_uncertainty: whether each has an uncertainty map beside it.

    Returns:
      One job per photograph, sorted by source within each input; a photograph
      named twice is colored once. What an earlier call wrote beside the
      originals, or to an `output` inside of a given folder, is passed over.

    Raises:
      UsageError: if there is no input.
      UserError: if an input does not exist or holds no photograph, several
        photographs would go to the one file `output`, or a result would
        replace an original.
    """
    pairs = (pair for text in inputs for pair in _find(text) if not _is_result(*pair, output))
    found = list({source.resolve(): (source, root) for source, root in pairs}.values())
    if not found:
        raise UsageError("no photographs given: name files, folders or globs")
    if output is not None and Path(output).suffix and not Path(output).is_dir():
        if len(found) > 1:
            raise UserError(f"--output={output} is one file but there are {len(found)} photographs")
        check_output_suffix(Path(output))
        job = Job(found[0][0], Path(output), num_samples, has_uncertainty)
        return _without_replacing_originals([job])
    jobs: list[Job] = []
    taken: set[Path] = set()
    for source, root in found:
        candidates = (
            Job(source, target, num_samples, has_uncertainty)
            for target in _targets(source, root, output)
        )
        job = next(job for job in candidates if taken.isdisjoint(job.files))
        taken.update(job.files)
        jobs.append(job)
    return _without_replacing_originals(jobs)


def _targets(source: Path, root: Path, output: str | None) -> Iterator[Path]:
    """Yields where the colored `source` may go, the first choice first."""
    folder, mark = source.parent, COLORIZED_MARK
    if output is not None:
        folder, mark = Path(output) / source.parent.relative_to(root), ""
    numbered = (f"{source.name}_{number}" for number in itertools.count(2))
    for stem in itertools.chain((source.stem, source.name), numbered):
        yield folder / f"{stem}{mark}.png"


def _is_result(source: Path, root: Path, output: str | None) -> bool:
    """Says whether a file lies in an output folder inside of the input folder."""
    if output is None:
        return False
    folder = Path(output).resolve()
    return root.resolve() in folder.parents and folder in source.resolve().parents


def _without_replacing_originals(jobs: list[Job]) -> list[Job]:
    """Returns the jobs, or raises UserError if one would write over an original."""
    originals = {job.source.resolve() for job in jobs}
    for path in itertools.chain.from_iterable(job.files for job in jobs):
        if path.resolve() in originals:
            raise UserError(f"{path} is an original; choose another --output")
    return jobs


def _find(text: str) -> list[tuple[Path, Path]]:
    """Returns (file, folder that its output path is relative to) of one input."""
    path = Path(text)
    if path.is_dir():
        sources = sorted(entry for entry in path.rglob("*") if _is_photograph(entry, path))
        if not sources:
            known = " ".join(sorted(IMAGE_SUFFIXES))
            raise UserError(f"no photographs in the folder {text}; looked for {known}")
        return [(source, path) for source in sources]
    if path.exists():
        return [(path, path.parent)]
    if any(mark in text for mark in "*?["):
        anchor = Path(path.anchor) if path.is_absolute() else Path()
        pattern = str(path.relative_to(anchor))
        sources = sorted(
            found for found in anchor.glob(pattern) if _is_photograph(found, found.parent)
        )
        if sources:
            return [(source, source.parent) for source in sources]
        raise UserError(f"no photographs match {text}")
    raise UserError(f"there is no file or folder {text}")


def _is_photograph(path: Path, root: Path) -> bool:
    """Says whether a file found below `root` should be colored."""
    is_hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    is_image = path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    return is_image and not is_hidden and not _RESULT.search(path.stem)
