"""Which photographs the user named, and where the result of each goes."""

import dataclasses
import functools
import glob
import itertools
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.progress import say
from tfcolor.data.images import IMAGE_SUFFIXES
from tfcolor.data.video_files import is_video
from tfcolor.inference.result_files import ResultOptions, check_output_suffix, result_suffix
from tfcolor.inference.video.options import VideoOptions

COLORIZED_MARK = "_colorized"
UNCERTAINTY_MARK = "_uncertainty"
_RESULT = re.compile(rf"{COLORIZED_MARK}(_\d+)?({UNCERTAINTY_MARK})?$")
_PATTERN_MARKS = "*?["

Found = tuple[Path, Path]
"""A file, and the folder that its output path is relative to."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One photograph to color.

    Args:
      source: the file to read.
      target: the file to write, whose name the others derive from.
      num_samples: colorizations, numbered from 1 if there are several.
      has_uncertainty: whether each has an uncertainty map beside it.
      root: an existing folder that no result may leave; None for no limit.
    """

    source: Path
    target: Path
    num_samples: int = 1
    has_uncertainty: bool = False
    root: Path | None = None

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


@dataclasses.dataclass(frozen=True)
class JobList:
    """What the user named, as far as it could be found.

    Args:
      jobs: one for each photograph, sorted by source within each input.
      problems: folders that could not be read, one line for each.
      folder: where what is done can be remembered: the folder of the results,
        or else the one that all originals share; None for a single photograph.
    """

    jobs: tuple[Job, ...]
    problems: tuple[str, ...] = ()
    folder: Path | None = None


def uncertainty_path(path: Path) -> Path:
    """Returns the file of the uncertainty map of a colorization."""
    return path.with_name(f"{path.stem}{UNCERTAINTY_MARK}.png")


def collect_jobs(
    inputs: Iterable[str],
    output: str | None,
    num_samples: int = 1,
    has_uncertainty: bool = False,
    results: ResultOptions | None = None,
    video: VideoOptions | None = None,
    aside: Sequence[str] = (),
) -> JobList:
    """Finds the photographs and videos that the user named and decides where each goes.

    Folders are searched recursively, without what is hidden. Links to folders
    are passed over, which is said; links to files are followed.

    Args:
      inputs: files, folders and globs.
      output: a folder, which mirrors the tree of every given folder; a file
        name for a single photograph; or None for a file beside each original.
      num_samples: colorizations of each photograph.
      has_uncertainty: whether each has an uncertainty map beside it.
      results: the format of photographs, where `output` does not give it.
      video: the format of videos.
      aside: other folders that the results get into.

    Returns:
      One job per photograph; one that is named twice, or by a link too, is
      colored once. What an earlier call wrote beside the originals, or to an
      `output` or a folder of `aside` inside of a given folder, is passed over.

    Raises:
      UsageError: if there is no input.
      UserError: if an input does not exist or holds no photograph, several
        photographs would go to the one file `output`, or a result would
        replace an original.
    """
    search = _Search(output, aside)
    texts = list(inputs)
    found = search.run(texts)
    if not found:
        raise UsageError("no photographs given: name files, folders or globs")
    if output is not None and Path(output).suffix and not Path(output).is_dir():
        if len(found) > 1:
            raise UserError(f"--output={output} is one file but there are {len(found)} photographs")
        if not is_video(found[0][0]):
            check_output_suffix(Path(output))
        jobs = [Job(found[0][0], Path(output), num_samples, has_uncertainty)]
    else:
        root = None if output is None else Path(output)
        template = Job(Path(), Path(), num_samples, has_uncertainty, root)
        jobs = _place(found, template, results or ResultOptions(), video or VideoOptions())
    _check_originals(jobs)
    is_album = len(jobs) > 1 or any(os.path.isdir(text) for text in texts)
    folder = jobs[0].root or (_shared_folder(found) if is_album else None)
    return JobList(tuple(jobs), tuple(search.problems), folder)


def _place(
    found: list[Found], template: Job, results: ResultOptions, video: VideoOptions
) -> list[Job]:
    """Returns jobs like a template, of which no two write the same file."""
    jobs: list[Job] = []
    taken: set[str] = set()
    for source, root in found:
        suffix = _film_suffix(source, video) if is_video(source) else result_suffix(source, results)
        for target in _targets(source, root, template.root, suffix):
            job = dataclasses.replace(template, source=source, target=target)
            names = {_portable_name(path) for path in job.files}
            if taken.isdisjoint(names):
                break
        taken |= names
        jobs.append(job)
    return jobs


def _film_suffix(source: Path, video: VideoOptions) -> str:
    """Returns the suffix of a colored video; of one that is broken, what it would be."""
    # PyAV takes long to import; most jobs have no videos.
    from tfcolor.inference.video.writing import result_suffix as choose_suffix

    try:
        return choose_suffix(source, video)
    except UserError:
        return ".mp4"


def _targets(source: Path, root: Path, output: Path | None, suffix: str) -> Iterator[Path]:
    """Yields where the colored `source` may go, the first choice first."""
    folder, mark = source.parent, COLORIZED_MARK
    if output is not None:
        folder, mark = output / source.parent.relative_to(root), ""
    numbered = (f"{source.name}_{number}" for number in itertools.count(2))
    for stem in itertools.chain((source.stem, source.name), numbered):
        yield folder / f"{stem}{mark}{suffix}"


def _portable_name(path: Path) -> str:
    """Returns what two names share that are one file on some file system."""
    text = str(path)
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def _check_originals(jobs: list[Job]) -> None:
    """Raises UserError if one of the jobs would write over an original."""
    locate = _Locator()
    originals = {locate(job.source) for job in jobs} | {locate.follow(job.source) for job in jobs}
    for path in itertools.chain.from_iterable(job.files for job in jobs):
        if locate(path) in originals:
            raise UserError(f"{path} is an original; choose another --output")


def _shared_folder(found: list[Found]) -> Path:
    """Returns the deepest folder that holds all files."""
    roots = {root for _, root in found}
    if len(roots) == 1:
        return roots.pop()
    return Path(os.path.commonpath([os.path.abspath(root) for root in roots]))


class _Locator:
    """Where files really are; every folder is resolved once."""

    def __init__(self) -> None:
        self._resolve = functools.cache(os.path.realpath)

    def __call__(self, path: Path) -> str:
        """Returns the place of a file or link in its resolved folder."""
        return f"{self._resolve(str(path.parent))}{os.sep}{path.name}"

    def follow(self, path: Path) -> str:
        """Returns the place of a file, or of what a link leads to."""
        return os.path.realpath(path) if os.path.islink(path) else self(path)


class _Search:
    """A search for photographs.

    Args:
      output: where the results go; inside of a folder it is not searched.
      aside: other folders that are not searched.

    Attributes:
      problems: folders that could not be read, one line for each.
    """

    def __init__(self, output: str | None, aside: Sequence[str] = ()) -> None:
        self.problems: list[str] = []
        self._output = output
        self._aside = [os.path.realpath(folder) for folder in aside]
        self._results = None if output is None else os.path.realpath(output)

    def run(self, inputs: list[str]) -> list[Found]:
        """Returns what all inputs name, each file once."""
        locate = _Locator()
        found: dict[str, Found] = {}
        for text in inputs:
            for pair in self._find(text):
                found.setdefault(locate.follow(pair[0]), pair)
        return list(found.values())

    def _find(self, text: str) -> list[Found]:
        """Returns what one input names, at least one file."""
        path = Path(text)
        if path.is_dir():
            return self._find_below(path)
        if path.is_file():
            return [(path, path.parent)]
        if path.exists():
            raise UserError(f"{text} is neither a file nor a folder")
        if not any(mark in text for mark in _PATTERN_MARKS):
            raise UserError(f"there is no file or folder {text}")
        matches = (Path(match) for match in sorted(glob.iglob(text, recursive=True)))
        found = [(match, match.parent) for match in matches if _is_photograph(match.name)]
        found = [pair for pair in found if pair[0].is_file()]
        if not found:
            raise UserError(f"no photographs match {text}")
        return found

    def _find_below(self, folder: Path) -> list[Found]:
        """Returns the photographs in a folder and those below, at least one."""
        if os.path.realpath(folder) == self._results:
            raise UserError(
                f"--output={self._output} is the folder of the originals; choose another --output,"
                " or none for results beside them"
            )
        num_problems = len(self.problems)
        found = [(Path(path), folder) for path in self._walk(folder)]
        if found:
            return found
        if len(self.problems) > num_problems:
            raise UserError(self.problems[num_problems])
        known = " ".join(sorted(IMAGE_SUFFIXES))
        raise UserError(f"no photographs in the folder {folder}; looked for {known}")

    def _walk(self, folder: Path) -> Iterator[str]:
        """Yields the photographs below a folder in order, however deep they lie."""
        passed_over = self._passed_over(folder)
        levels = [self._entries(str(folder))]
        while levels:
            entry = next(levels[-1], None)
            if entry is None:
                levels.pop()
            elif entry.is_dir(follow_symlinks=False):
                if entry.path not in passed_over:
                    levels.append(self._entries(entry.path))
            elif _is_photograph(entry.name) and _may_be_file(entry):
                yield entry.path
            elif entry.is_symlink() and os.path.isdir(entry.path):
                say(f"passed over {entry.path}: a link to a folder")

    def _passed_over(self, folder: Path) -> set[str]:
        """Returns the paths from a folder by which the search would come to the results."""
        place = os.path.realpath(folder)
        places = [*self._aside, *([] if self._results is None else [self._results])]
        below = [each for each in places if each.startswith(os.path.join(place, ""))]
        return {os.path.join(folder, os.path.relpath(each, place)) for each in below}

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        """Returns what is in a folder by name, but nothing hidden."""
        try:
            with os.scandir(folder) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            self.problems.append(f"cannot read the folder {folder}: {error.strerror}")
            return iter(())
        return iter(sorted(visible, key=lambda entry: entry.name))


def _is_photograph(name: str) -> bool:
    """Says whether a file of this name, if found in a folder, should be colored."""
    stem, suffix = os.path.splitext(name)
    return (suffix.lower() in IMAGE_SUFFIXES or is_video(name)) and not _RESULT.search(stem)


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    """Says whether an entry is a file, or a link that leads nowhere.

    The latter fails when it is read, which names it with the reason.
    """
    return entry.is_file() if not entry.is_symlink() else not _leads_elsewhere(entry.path)


def _leads_elsewhere(link: str) -> bool:
    """Says whether a link leads to something that is no file."""
    return os.path.exists(link) and not os.path.isfile(link)
