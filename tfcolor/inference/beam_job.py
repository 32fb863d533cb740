"""Coloring an archive by Apache Beam: the work of one machine, spread over many.

A photograph passes the stations of `stations.py`, as in a job of this process, and
gives the same files. Workers load the network themselves. All of them see the
photographs, the results and the model under the same paths: a shared file system.
Addresses of object stores (gs://, s3://) are no paths; mount the bucket.

What became of the photographs is written in shards beside the manifest,

  tfcolor_manifest-00000-of-00004.jsonl         those that are done,
  tfcolor_manifest_failed-00000-of-00001.jsonl  the dead letters, if there are any,

when the pipeline has come to its end. While it runs, each worker adds lines to a
journal of its own in a hidden folder. From there they get into the manifest itself,
also after a pipeline has broken off, so the next job, on Beam or not, goes on.
"""

import contextlib
import dataclasses
import functools
import glob
import os
import pickle
import shutil
import threading
import uuid
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tfcolor.core.beam import BeamOptions, check_engine, count, run_pipeline
from tfcolor.core.errors import UsageError
from tfcolor.core.files import write_bytes, write_text
from tfcolor.core.progress import say
from tfcolor.inference.batch import (
    JobOptions,
    check_complete,
    make_room,
    manifest_path,
    open_manifest,
)
from tfcolor.inference.conveyor import Early
from tfcolor.inference.gallery import Gallery
from tfcolor.inference.jobs import Job, JobList
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.manifest import (
    DONE,
    FAILED,
    MANIFEST_FILE,
    Manifest,
    Outcome,
    format_outcome,
    parse_outcome,
    read_manifest,
)
from tfcolor.inference.one_photograph import Settings
from tfcolor.inference.stations import ColoringStations, Task

MIN_SHARDS, LINES_PER_SHARD = 4, 25_000
_TASKS_PER_FILE = 1000
_LOCK = threading.Lock()
_WORKER = uuid.uuid4().hex


@dataclasses.dataclass(frozen=True)
class ModelLoader:
    """How each worker gets a colorizer, once; the network itself is not sent.

    Args:
      load: a function that workers can import.
      arguments: what it is called with; paths among them hold on every worker.

    Example:
      >>> ModelLoader(complex, (3, 4))()
      (3+4j)
    """

    load: Callable[..., GrayToColor]
    arguments: tuple[Hashable, ...]

    def __call__(self) -> GrayToColor:
        """Returns the colorizer, the same for all threads of this process."""
        with _LOCK:
            return _load_once(self)


@functools.lru_cache(maxsize=1)
def _load_once(loader: ModelLoader) -> GrayToColor:
    """Loads a colorizer and keeps it as long as no other is asked for."""
    return loader.load(*loader.arguments)


@dataclasses.dataclass(frozen=True)
class ManifestShards:
    """Where the lines of one job go.

    Args:
      manifest: the file of all jobs.
      num_shards: files for the photographs that are done.
    """

    manifest: Path
    num_shards: int

    def files(self, status: str) -> list[Path]:
        """Returns the shards for the photographs that are `DONE` or `FAILED`."""
        stem = self.manifest.stem if status == DONE else f"{self.manifest.stem}_failed"
        total = self.num_shards if status == DONE else 1
        names = (f"{stem}-{shard:05d}-of-{total:05d}.jsonl" for shard in range(total))
        return [self.manifest.with_name(name) for name in names]

    def existing(self) -> list[Path]:
        """Returns the shards that are there, also those of an earlier job."""
        stem = glob.escape(self.manifest.stem)
        names = (f"{stem}-*-of-*.jsonl", f"{stem}_failed-*-of-*.jsonl")
        return [path for name in names for path in sorted(self.manifest.parent.glob(name))]


def color_on_beam(
    loader: ModelLoader,
    jobs: JobList,
    settings: Settings,
    beam: BeamOptions,
    options: JobOptions | None = None,
    galleries: Sequence[Gallery] = (),
) -> None:
    """Colors files on an engine of Apache Beam, and remembers what is done.

    As `batch.color_files`, of whose options `manifest` and `overwrite` hold.

    Args:
      loader: gives every worker its colorizer.
      jobs: what to read and where to write.
      settings: with as many decodings as the jobs have samples.
      beam: where the work is done.
      options: how it is remembered.
      galleries: that learn what became of the photographs without seeing them.

    Raises:
      UsageError: if the engine is unknown, or a gallery must see photographs.
      UserError: at once, if the results cannot be written or the colorizer
        cannot do what is asked for; if the pipeline fails; after all others are
        done, if some could not be colored.
    """
    options = options or JobOptions()
    check_engine(beam)
    if any(gallery.needs(job) for gallery in galleries for job in jobs.jobs):
        raise UsageError(f"--runner={beam.runner} has no pictures to show: no sheet, no report")
    settings.wishes.check(loader())
    make_room(jobs)
    path = manifest_path(jobs, options) or jobs.jobs[0].target.with_name(MANIFEST_FILE)
    with open_manifest(Path(os.path.abspath(path)), jobs) as manifest:
        _absorb(manifest)
        stations = ColoringStations(loader(), settings, manifest, galleries)
        tasks = stations.plan(jobs.jobs, options.overwrite)
        for problem in jobs.problems:
            say(problem)
        outcomes = _run(tasks, loader, settings, beam, manifest)
        job_of = {os.path.abspath(task.job.target): task.job for task in tasks}
        for outcome in outcomes:
            for gallery in galleries:
                gallery.conclude(job_of[os.path.normpath(outcome.target)], outcome)
        for gallery in galleries:
            gallery.write()
        manifest.compact()
    _report(jobs, outcomes, len(tasks))


def _spool_of(manifest: Path) -> Path:
    """Returns the hidden folder for the tasks of a pipeline and the journals of workers."""
    return manifest.with_name(f".{manifest.stem}_beam")


def _absorb(manifest: Manifest) -> None:
    """Adds to a manifest what journals tell, and removes them."""
    spool = _spool_of(manifest.path)
    for path in sorted(spool.glob("*.jsonl")):
        # Relative to the folder of the manifest, not to their own.
        with contextlib.suppress(ValueError):  # a torn line is the last one
            for line in path.read_bytes().splitlines():
                manifest.add(parse_outcome(line, manifest.path.parent))
    shutil.rmtree(spool, ignore_errors=True)


def _run(
    tasks: Sequence[Task],
    loader: ModelLoader,
    settings: Settings,
    beam: BeamOptions,
    manifest: Manifest,
) -> list[Outcome]:
    """Colors photographs on Beam; leaves the shards and returns what is in them."""
    if not tasks:
        return []
    shards = ManifestShards(manifest.path, max(MIN_SHARDS, -(-len(tasks) // LINES_PER_SHARD)))
    for path in shards.existing():
        path.unlink()
    spool = _spool_of(manifest.path)
    try:
        spool.mkdir()
        steps = _Steps(_spool(tasks, spool), loader, settings, shards)
        run_pipeline(beam, steps.build)
    finally:
        _absorb(manifest)
    for path in shards.files(DONE):
        path.touch()  # one that got no line
    return [outcome for path in shards.existing() for outcome in read_manifest(path)]


def _spool(tasks: Sequence[Task], folder: Path) -> list[str]:
    """Writes tasks to files, since engines limit the size of a pipeline to some megabytes."""
    files = []
    for start in range(0, len(tasks), _TASKS_PER_FILE):
        path = folder / f"{start}.pickle"
        part = [
            dataclasses.replace(task, job=_from_anywhere(task.job))
            for task in tasks[start : start + _TASKS_PER_FILE]
        ]
        write_bytes(path, pickle.dumps(part))
        files.append(str(path))
    return files


def _from_anywhere(job: Job) -> Job:
    """Returns a job whose paths hold in any working folder."""
    return dataclasses.replace(
        job,
        source=job.source.absolute(),
        target=job.target.absolute(),
        root=job.root and job.root.absolute(),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Steps:
    """What the pipeline does.

    Args:
      files: with tasks.
      loader: gives every worker its colorizer.
      settings: of the job.
      shards: where the lines go.
    """

    files: list[str]
    loader: ModelLoader
    settings: Settings
    shards: ManifestShards

    def build(self, pipeline: Any) -> None:
        """Puts the steps into a pipeline."""
        import apache_beam

        lines = (
            pipeline
            | "Files" >> apache_beam.Create(self.files)
            | "SpreadFiles" >> apache_beam.Reshuffle()
            | "Tasks" >> apache_beam.FlatMap(_read_tasks)
            | "Spread" >> apache_beam.Reshuffle()
            | "Color" >> apache_beam.Map(_color, self)
            | "Lines" >> apache_beam.FlatMap(_to_line, self.shards).with_outputs(FAILED, main=DONE)
        )
        # Not `WriteToText`, which fails in a folder whose name has a bracket or an asterisk.
        for status in (DONE, FAILED):
            files = self.shards.files(status)
            _ = (
                lines[status]
                | f"Choose {status}" >> apache_beam.Map(_choose_file, files)
                | f"Gather {status}" >> apache_beam.GroupByKey()
                | f"Write {status}" >> apache_beam.MapTuple(_write_lines)
            )


def _read_tasks(file: str) -> list[Task]:
    """Returns the tasks in a file."""
    return pickle.loads(Path(file).read_bytes())


def _color(task: Task, steps: _Steps) -> Outcome:
    """Takes a photograph through the stations, one after the other, and journals it."""
    stations = ColoringStations(steps.loader(), steps.settings, root=task.job.root)
    try:
        loaded = stations.load(task)
        if isinstance(loaded, Early):
            outcome = loaded.result
        else:
            (predicted,) = stations.predict([loaded])
            outcome = stations.finish(task, loaded, predicted)
    except Exception as error:
        outcome = stations.fail(task, error)
    manifest = steps.shards.manifest
    journal = _spool_of(manifest) / f"{_WORKER}-{os.getpid()}.jsonl"
    with journal.open("ab", buffering=0) as file:
        file.write(format_outcome(outcome, manifest.parent).encode())
    count(outcome.status)
    count("milliseconds", round(1000 * outcome.seconds))
    return outcome


def _to_line(outcome: Outcome, shards: ManifestShards) -> Iterator[Any]:
    """Yields the line of a photograph, tagged as a dead letter if it failed."""
    import apache_beam

    line = format_outcome(outcome, shards.manifest.parent)
    yield line if outcome.status == DONE else apache_beam.pvalue.TaggedOutput(FAILED, line)


def _choose_file(line: str, files: Sequence[Path]) -> tuple[str, str]:
    """Returns the shard for a line, and the line."""
    return str(files[zlib.crc32(line.encode()) % len(files)]), line


def _write_lines(file: str, lines: Iterable[str]) -> None:
    """Writes a shard, sorted by photograph."""
    write_text(file, "".join(sorted(lines)))


def _report(jobs: JobList, outcomes: Sequence[Outcome], num_tasks: int) -> None:
    """Says what was done; raises UserError if that is not all."""
    total = len(jobs.jobs)
    num_done = sum(outcome.status == DONE for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    earlier = f", {total - num_tasks} were done already" if num_tasks < total else ""
    say(f"colored {num_done} of {total} photographs in {seconds:.0f} s of work{earlier}")
    check_complete(jobs, num_tasks - num_done)
