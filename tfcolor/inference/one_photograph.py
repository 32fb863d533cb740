"""One photograph of a job from its file to its results, in three steps.

The steps share nothing but their arguments, so they may run in three threads, or
one after the other on any machine. They give the same files either way.
"""

import dataclasses
import functools
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.core.files import write_bytes
from tfcolor.data.images import Photograph, read_file, read_photograph
from tfcolor.inference.gallery import Gallery
from tfcolor.inference.jobs import Job, uncertainty_path
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.manifest import DONE, FAILED, Outcome, ResultFile, SourceState
from tfcolor.inference.painting import SizeOptions
from tfcolor.inference.photographs import ColoredPhotograph, measure_deviation
from tfcolor.inference.provenance import Provenance
from tfcolor.inference.remote import RefusedError, ServerError
from tfcolor.inference.result_files import (
    ResultOptions,
    encode_result,
    encode_uncertainty,
    loses_pixels,
)
from tfcolor.inference.variations import (
    PredictedColors,
    Wishes,
    favor_targets,
    paint_variations,
    predict_colors,
    see,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Settings:
    """What holds for all photographs of a job.

    Args:
      wishes: which colors are asked for, with as many decodings as jobs have
        samples.
      results: how they are stored.
      provenance: what the files say of where their colors come from, but for what
        is of each photograph.
      size: at which the network looks at photographs.
    """

    wishes: Wishes
    results: ResultOptions
    provenance: Provenance
    size: SizeOptions

    @functools.cached_property
    def digest(self) -> str:
        """Returns what two jobs share that give the same files.

        64 hexadecimal digits. They depend on the content of the model and on every
        setting, but not on the version of tfcolor.
        """
        model = self.provenance.checkpoint_sha256 or self.provenance.model
        plain = _to_plain([model, self.size, self.wishes, self.results])
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """A photograph that was read.

    Args:
      photograph: what it shows.
      state: of its file.
      seconds: that it took.
    """

    photograph: Photograph
    state: SourceState
    seconds: float = 0.0


def read_job(job: Job) -> Reading:
    """Reads the photograph of a job.

    Args:
      job: what to read.

    Returns:
      The photograph, and the state of its file before it was read.

    Raises:
      UnreadableImageError: if it is not a photograph.
    """
    return decode(job, *read_source(job))


def read_source(job: Job) -> tuple[bytes, SourceState]:
    """Returns the content of a job's file, and the state that it had before.

    Args:
      job: what to read.

    Returns:
      (content, state): the file, at least one byte, and what identifies it.

    Raises:
      UnreadableImageError: if it cannot be read.
    """
    try:
        status = os.stat(job.source)
    except (OSError, ValueError):
        read_file(job.source)  # which says why
        raise
    content = read_file(job.source)
    digest = hashlib.sha256(content).hexdigest()
    return content, SourceState(status.st_size, status.st_mtime_ns, digest)


def decode(job: Job, content: bytes, state: SourceState) -> Reading:
    """Decodes what `read_source` has read.

    Args:
      job: that it is from.
      content: of its file.
      state: of its file.

    Returns:
      The photograph.

    Raises:
      UnreadableImageError: if it is not a photograph.
    """
    start = time.perf_counter()
    photograph = read_photograph(content, str(job.source))
    return Reading(photograph, state, time.perf_counter() - start)


def predict_jobs(
    colorizer: GrayToColor, readings: Sequence[Reading], seen: Sequence[tf.Tensor], wishes: Wishes
) -> list[PredictedColors]:
    """Lets a network look at photographs.

    Args:
      colorizer: a network or a SavedModel.
      readings: photographs that it sees at one size.
      seen: float32 [1, h, w, 1], each of them as `variations.see` gives it.
      wishes: which colors are asked for.

    Returns:
      What `finish_job` needs of each.
    """
    if wishes.hints is not None:
        return [predict_colors(colorizer, reading.photograph, wishes) for reading in readings]
    batch = seen[0] if len(seen) == 1 else tf.concat(seen, axis=0)
    predictions = colorizer.histograms(batch)
    if len(seen) == 1:
        return [PredictedColors(colorizer.painter, predictions)]
    return [
        PredictedColors(
            colorizer.painter,
            {name: value[index : index + 1] for name, value in predictions.items()},
        )
        for index in range(len(seen))
    ]


def finish_job(
    job: Job,
    reading: Reading,
    predicted: PredictedColors,
    settings: Settings,
    galleries: Sequence[Gallery] = (),
) -> Outcome:
    """Paints a photograph and writes its results, each of them atomically.

    Args:
      job: where they go.
      reading: the photograph.
      predicted: from `predict_jobs`.
      settings: of the job.
      galleries: that see it.

    Returns:
      A record of what was done.

    Raises:
      OSError: if a file cannot be written.
      UserError: if the photograph cannot be colored so.
    """
    start = time.perf_counter()
    wishes, photograph = settings.wishes, reading.photograph
    if wishes.hints is None:
        predicted = favor_targets(predicted, wishes)
    make_folder(job)
    files: list[ResultFile] = []
    deviations: list[float] = []
    doubt = 0.0
    variations = paint_variations(predicted, photograph, wishes)
    targets = zip(job.colored, wishes.decodings, variations, strict=True)
    for index, (path, decoding, colored) in enumerate(targets):
        provenance = dataclasses.replace(
            settings.provenance,
            seed=None if decoding.sampling == "none" else decoding.seed,
            source_sha256=reading.state.sha256,
        )
        content = encode_result(colored, path, settings.results, provenance)
        files.append(_write(path, content))
        if job.has_uncertainty:
            files.append(_write(uncertainty_path(path), encode_uncertainty(colored.uncertainty)))
        if colored.lightness_deviation is not None:
            deviations.append(_stored_deviation(colored, path, content))
        doubt = doubt if index else colored.doubt
        for gallery in galleries:
            gallery.show(job, index, colored)
    return Outcome(
        source=job.source,
        target=job.target,
        status=DONE,
        seconds=reading.seconds + time.perf_counter() - start,
        settings=settings.digest,
        state=reading.state,
        results=tuple(files),
        lightness_deviation=max(deviations, default=None),
        doubt=doubt,
    )


def color_job(colorizer: GrayToColor, job: Job, settings: Settings) -> Outcome:
    """Colors the photograph of a job, all steps one after the other.

    Args:
      colorizer: a network or a SavedModel.
      job: what to read and where to write.
      settings: of the job.

    Returns:
      A record of what was done, or of why it failed.

    Raises:
      UserError: if no other photograph could be colored either, see
        `explain_failure`.
      OSError: for the same reason.
    """
    try:
        reading = read_job(job)
        seen = [see(colorizer.painter, reading.photograph)]
        (predicted,) = predict_jobs(colorizer, [reading], seen, settings.wishes)
        return finish_job(job, reading, predicted, settings)
    except Exception as error:
        return failed_outcome(job, error, settings)


def failed_outcome(job: Job, error: Exception, settings: Settings) -> Outcome:
    """Returns the record of a photograph that failed.

    Args:
      job: what was to be done.
      error: what was raised.
      settings: of the job.

    Returns:
      The record.

    Raises:
      Exception: `error` itself, if it is of those that concern all photographs: a
        server that is gone.
    """
    if isinstance(error, ServerError):
        raise error
    return Outcome(job.source, job.target, FAILED, 0.0, settings.digest, explain(job, error))


def explain(job: Job, error: Exception) -> str:
    """Returns why a photograph failed, in one line that names it.

    Args:
      job: what was to be done.
      error: what was raised.

    Returns:
      The line.
    """
    if isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)):
        return f"{job.source}: too large for the memory of this machine"
    if isinstance(error, OSError):
        return f"cannot write {error.filename or job.target}: {error.strerror or error}"
    text = str(error)
    if not isinstance(error, UserError):
        text = f"internal error: {type(error).__name__}: {text}"
    is_named = isinstance(error, UserError) and not isinstance(error, RefusedError)
    return text if is_named else f"{job.source}: {text}"


def make_folder(job: Job) -> None:
    """Makes the folder of a job's results, but never the one that all share.

    Args:
      job: where its results go.

    Raises:
      OSError: if it cannot be made, or the one that all share is gone.
      UserError: if a link leads out of that.
    """
    folder = job.target.parent
    if job.root is None:
        folder.mkdir(parents=True, exist_ok=True)
        return
    missing = []
    while folder != job.root and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    root = os.path.realpath(job.root, strict=True)
    if os.path.commonpath([root, os.path.realpath(folder)]) != root:
        raise UserError(f"{job.source}: {folder} is a link that leads out of {job.root}")
    for path in reversed(missing):
        path.mkdir(exist_ok=True)


def _stored_deviation(colored: ColoredPhotograph, path: Path, content: bytes) -> float:
    """Returns the deviation of the lightness as stored, also by a lossy format."""
    deviation = colored.lightness_deviation or 0.0
    if loses_pixels(path, colored.photograph.bits):
        return measure_deviation(colored.photograph, read_photograph(content, str(path)))
    return deviation


def _write(path: Path, content: bytes) -> ResultFile:
    """Writes a result and returns its record."""
    write_bytes(path, content)
    return ResultFile(path, len(content), hashlib.sha256(content).hexdigest())


def _to_plain(value: Any) -> Any:
    """Returns settings as values that JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: _to_plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return [str(value.dtype), list(value.shape), content]
    if isinstance(value, Mapping):
        return {str(key): _to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_plain(item) for item in value]
    return value
