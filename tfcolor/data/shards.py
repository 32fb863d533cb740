"""TFRecord shards of any collection of images, made by Apache Beam.

Shard k of N holds the images k, k + N, k + 2N, ... of the collection. So every
class is spread over all shards, and a shard depends on the images alone: not on
how many workers there are, nor on which of them writes it. One worker writes a
shard from its first image to its last, with one of them in memory; nothing is
shuffled between workers.
"""

import dataclasses
import functools
import hashlib
import io
import json
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from tfcolor.core.beam import BeamOptions, check_engine, count, run_pipeline
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.files import atomic_path, write_json, write_text
from tfcolor.core.options import check_options, option
from tfcolor.core.progress import say
from tfcolor.data.images import UnreadableImageError, read_rgb
from tfcolor.data.sources.base import Source
from tfcolor.data.sources.opening import open_source
from tfcolor.data.sources.tfrecord import DATASET_FILE, IMAGE_KEYS, LABEL_KEYS

NAME_KEY = "image/filename"
"""Feature with the name of an image in its collection."""

UNREADABLE_FILE = "unreadable.jsonl"
_SHARD_NAME = "images-{:05d}-of-{:05d}.tfrecord"
_REPORTS = ".reports"
_LEFTOVERS = (_REPORTS, ".images-*-of-*.tfrecord")
_LOCK = threading.Lock()


@dataclasses.dataclass(frozen=True)
class ShardOptions:
    """How images are stored in shards."""

    num_shards: int = option(
        16, "files to write; as many workers can write at a time", minimum=1, maximum=99999
    )
    max_side: int = option(0, "shrink images whose longer side is above, px; 0 for none", minimum=0)
    encoding: str = option(
        "keep",
        "keep leaves the bytes of an image that need not shrink and makes the others JPEG; jpeg"
        " has full color resolution, since colors are what is learned (lossy WebP has a quarter"
        " of it); webp and png are lossless, webp smaller but slower to write",
        choices=("keep", "jpeg", "webp", "png"),
    )
    quality: int = option(95, "of JPEG", minimum=1, maximum=100)

    def __post_init__(self) -> None:
        """Raises UsageError if a value is not accepted."""
        check_options(self)


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """All that a worker needs to know to write a shard.

    Args:
      place: the images, as `open_source` takes it.
      names_digest: of the names of all images, see `digest_names`.
      output: folder for the shards.
      options: how images are stored.
    """

    place: str
    names_digest: str
    output: str
    options: ShardOptions

    @property
    def reports(self) -> Path:
        """Returns the folder for reports of finished shards, which lasts as long as the job."""
        return Path(self.output) / _REPORTS

    def path(self, shard: int) -> Path:
        """Returns the file of a shard."""
        return Path(self.output) / _SHARD_NAME.format(shard, self.options.num_shards)


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """What a shard holds.

    Args:
      file: its name.
      num_images: records in it.
      num_bytes: its size.
      sha256: of its content.
      unreadable: index, name and reason of each image that it lacks.
    """

    file: str
    num_images: int
    num_bytes: int
    sha256: str
    unreadable: list[dict[str, Any]]


def build_shards(place: str, output: str, options: ShardOptions, beam: BeamOptions) -> None:
    """Writes the shards of a collection of images, and what is in them.

    `dataset.json` comes last and tells that all is there: images, their classes,
    and for each shard its number of images and the SHA-256 of its content. Of an
    image the class is kept, if it has one; a label map or the neighbors of a
    video's frame are not.

    Args:
      place: the images, as `open_source` takes it.
      output: folder to create. What an interrupted call with the same number of
        shards left there is replaced.
      options: how images are stored.
      beam: where the work is done.

    Raises:
      UsageError: if there are more shards than images, or the engine is unknown.
      UserError: if there are no images, if the folder holds other shards or
        cannot be written, if the pipeline fails; or, after all others are
        written, if some images could not be read. `unreadable.jsonl` names them.
    """
    # Workers may run in another folder than this process.
    seen = os.path.abspath(place) if os.path.exists(place) else place
    source = open_source(seen)
    if options.num_shards > source.num_examples:
        raise UsageError(
            f"--num_shards={options.num_shards}: expected at most {source.num_examples},"
            " the number of images"
        )
    plan = ShardPlan(seen, digest_names(source), os.path.abspath(output), options)
    _refuse_other_shards(plan)
    check_engine(beam)
    _prepare_folder(plan)
    reports = _run(plan, beam)
    unreadable = sorted(
        (entry for report in reports for entry in report.unreadable), key=lambda one: one["index"]
    )
    num_images = sum(report.num_images for report in reports)
    if unreadable:
        lines = [json.dumps(entry) + "\n" for entry in unreadable]
        write_text(Path(output) / UNREADABLE_FILE, "".join(lines))
    _write_summary(plan, place, source.class_names, reports)
    say(f"wrote {num_images} images in {len(reports)} shards to {output}")
    if unreadable:
        raise UserError(
            f"{len(unreadable)} of {source.num_examples} images could not be read:"
            f" {Path(output) / UNREADABLE_FILE} names them"
        )


def write_shard(shard: int, plan: ShardPlan) -> ShardReport:
    """Writes one shard; it gets its name when it is whole.

    Args:
      shard: its number, from 0.
      plan: what it holds.

    Returns:
      What it holds.

    Raises:
      UserError: if it cannot be written, or if the collection has changed since
        the plan was made.
    """
    source = _open_planned(plan)
    path = plan.path(shard)
    indices = range(shard, source.num_examples, plan.options.num_shards)
    with atomic_path(path) as temporary:
        unreadable = _write_records(temporary, source, indices, plan)
        with open(temporary, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        num_bytes = temporary.stat().st_size
    num_images = len(indices) - len(unreadable)
    say(f"wrote {path.name}: {num_images} images")
    return ShardReport(path.name, num_images, num_bytes, sha256, unreadable)


def _write_records(
    path: Path, source: Source, indices: Sequence[int], plan: ShardPlan
) -> list[dict[str, Any]]:
    """Writes images to a file; returns index, name and reason of those it lacks."""
    unreadable = []
    with tf.io.TFRecordWriter(str(path)) as writer:
        for index in indices:
            try:
                writer.write(_record(source, index, plan))
            except UnreadableImageError as error:
                say(f"skipped {error}")
                name = source.name_of(index)
                unreadable.append({"index": index, "name": name, "reason": error.reason})
    return unreadable


def digest_names(source: Source) -> str:
    """Returns the SHA-256 of the names of all images, in their order."""
    digest = hashlib.sha256()
    for index in range(source.num_examples):
        digest.update(source.name_of(index).encode(errors="surrogateescape") + b"\0")
    return digest.hexdigest()


def store_image(content: bytes, name: str, options: ShardOptions) -> bytes:
    """Returns an image as it is stored in a shard.

    Args:
      content: an encoded image.
      name: what messages call it.
      options: how it is stored.

    Returns:
      An encoded image of at most `options.max_side` pixels a side: `content`
      itself, or one that is upright and has 8 bits, no alpha and no metadata.

    Raises:
      UnreadableImageError: if it cannot be decoded, or not be stored so.
    """
    pixels = read_rgb(content, name)
    longer = max(pixels.shape[:2])
    must_shrink = 0 < options.max_side < longer
    if options.encoding == "keep" and not must_shrink:
        return content
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if must_shrink:
        scale = options.max_side / longer
        width, height = (max(1, round(scale * side)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    encodings: dict[str, dict[str, Any]] = {
        "jpeg": {"format": "JPEG", "quality": options.quality, "subsampling": "4:4:4"},
        "png": {"format": "PNG"},
        "webp": {"format": "WEBP", "lossless": True},
    }
    encoding = "jpeg" if options.encoding == "keep" else options.encoding
    buffer = io.BytesIO()
    try:
        image.save(buffer, **encodings[encoding])
    except (OSError, ValueError) as error:  # JPEG ends at 65,535 pixels, WebP at 16,383
        size = "x".join(map(str, image.size))
        reason = f"{size} pixels cannot be stored as {encoding}: {error}"
        raise UnreadableImageError(name, reason) from error
    return buffer.getvalue()


def _record(source: Source, index: int, plan: ShardPlan) -> bytes:
    """Returns the `tf.train.Example` of one image, the same bytes in every process."""
    name, label = source.name_of(index), source.label_of(index)
    image = store_image(source.read_bytes(index), name, plan.options)
    features = {
        IMAGE_KEYS[0]: _bytes_feature(image),
        NAME_KEY: _bytes_feature(os.fsencode(_short_name(name, plan.place))),
    }
    if label is not None:
        features[LABEL_KEYS[0]] = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _bytes_feature(value: bytes) -> Any:
    """Returns the `tf.train.Feature` of one byte string."""
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _short_name(name: str, place: str) -> str:
    """Returns the name of an image below the folder that was given, if it was one."""
    folder = os.path.join(os.path.expanduser(place), "")
    return name.removeprefix(folder)


def _open_planned(plan: ShardPlan) -> Source:
    """Opens the images of a plan, once in each worker."""
    with _LOCK:
        return _open_once(plan.place, plan.names_digest)


@functools.lru_cache(maxsize=1)
def _open_once(place: str, names_digest: str) -> Source:
    """Opens images and makes sure that they are those of the plan."""
    source = open_source(place)
    if digest_names(source) != names_digest:
        raise UserError(f"{place} holds other images here than where the job began")
    return source


def _refuse_other_shards(plan: ShardPlan) -> None:
    """Raises UserError if the folder holds what this job would not replace."""
    folder = Path(plan.output)
    if (folder / DATASET_FILE).exists():
        raise UserError(f"{folder} holds a finished data set already: choose another --output")
    ours = {plan.path(shard) for shard in range(plan.options.num_shards)}
    for path in sorted(folder.glob("[!.]*.tfrecord*")):
        if path not in ours:
            raise UserError(f"{folder} holds other shards, as {path.name}: choose another --output")


def _prepare_folder(plan: ShardPlan) -> None:
    """Creates the folder, without what an interrupted call left."""
    folder = Path(plan.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from error
    for path in (path for pattern in _LEFTOVERS for path in folder.glob(pattern)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / UNREADABLE_FILE).unlink(missing_ok=True)


def _run(plan: ShardPlan, beam: BeamOptions) -> list[ShardReport]:
    """Writes all shards on Beam and returns their reports, in order."""
    plan.reports.mkdir()
    try:
        run_pipeline(beam, functools.partial(_build, plan=plan))
        texts = [path.read_text() for path in sorted(plan.reports.glob("*.json"))]
    finally:
        shutil.rmtree(plan.reports)
    return [ShardReport(**json.loads(text)) for text in texts]


def _build(pipeline: Any, plan: ShardPlan) -> None:
    """Puts the steps into a pipeline: one element for each shard."""
    import apache_beam

    _ = (
        pipeline
        | "Shards" >> apache_beam.Create(range(plan.options.num_shards))
        | "Spread" >> apache_beam.Reshuffle()
        | "Write" >> apache_beam.Map(_write_reported, plan)
    )


def _write_reported(shard: int, plan: ShardPlan) -> None:
    """Writes a shard and its report, and counts its images for the engine.

    Reports are not left to `WriteToText`, which fails in a folder whose name has a
    bracket or an asterisk.
    """
    report = write_shard(shard, plan)
    write_json(plan.reports / f"{report.file}.json", dataclasses.asdict(report))
    count("images", report.num_images)
    count("unreadable", len(report.unreadable))


def _write_summary(
    plan: ShardPlan, place: str, class_names: Sequence[str], reports: list[ShardReport]
) -> None:
    """Writes `dataset.json`."""
    shards = [dataclasses.asdict(report) for report in reports]
    for shard in shards:
        del shard["unreadable"]
    write_json(
        Path(plan.output) / DATASET_FILE,
        {
            "images": place,
            "num_images": sum(report.num_images for report in reports),
            "num_unreadable": sum(len(report.unreadable) for report in reports),
            "class_names": class_names,
            **dataclasses.asdict(plan.options),
            "shards": shards,
        },
    )
