"""Coloring many files: several in one request, one bad file stops no other."""

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from tfcolor_client.client import Client
from tfcolor_client.errors import ServingError
from tfcolor_client.photographs import (
    SUFFIXES,
    Photograph,
    finish,
    read_photograph,
    write_atomically,
)

MARK = "_colorized"
"""At the end of the names of results that lie beside their originals."""

MAX_BATCH_BYTES, MAX_BATCH_PHOTOGRAPHS = 32 * 2**20, 16

_OF_THE_REQUEST = ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")
"""Codes after which another request may succeed."""


@dataclasses.dataclass(frozen=True)
class Work:
    """One photograph to color.

    Args:
      source: the file to read.
      target: the file to write; of several samples, NAME_SEED.png each.
    """

    source: Path
    target: Path

    def sample(self, seed: int) -> Path:
        """Returns the file of one sample."""
        return self.target.with_name(f"{self.target.stem}_{seed}.png")


@dataclasses.dataclass(frozen=True)
class ColoringOptions:
    """How photographs are sent.

    Args:
      max_side: they are shrunk to this many pixels at the longer side; 0 for
        their own size. Results have the original's size in any case.
      seeds: one sample is drawn for each; none for the most likely colors.
      temperature: of samples; 0 for that of the export.
      max_batch_bytes: of a request and its answer together, about.
    """

    max_side: int = 0
    seeds: tuple[int, ...] = ()
    temperature: float = 0.0
    max_batch_bytes: int = MAX_BATCH_BYTES


def find_work(inputs: Sequence[str], output: str = "") -> list[Work]:
    """Finds the photographs that a user named and where each goes.

    Args:
      inputs: files, and folders, which are searched recursively.
      output: a folder, which mirrors that of every given folder; empty for
        NAME_colorized.png beside each original.

    Returns:
      One entry for each photograph, none twice. What earlier calls wrote
      beside the originals is passed over.

    Raises:
      ServingError: if there is no such file or folder, or it has no photographs.
    """
    found: dict[Path, Work] = {}
    taken: set[Path] = set()
    for source, root in (pair for text in inputs for pair in _find(text)):
        if source.resolve() in found:
            continue
        folder = Path(output) / source.parent.relative_to(root) if output else source.parent
        mark = "" if output else MARK
        names = (f"{stem}{mark}.png" for stem in (source.stem, source.name))
        free = [folder / name for name in names if folder / name not in taken]
        if not free or free[0].resolve() == source.resolve():
            reason = f"{source} has no free name in {folder}"
            raise ServingError("INVALID_ARGUMENT", reason, "another --output")
        taken.add(free[0])
        found[source.resolve()] = Work(source, free[0])
    return list(found.values())


def color_all(
    client: Client, work: Sequence[Work], options: ColoringOptions
) -> Iterator[tuple[Work, ServingError | None]]:
    """Colors files, several in one request.

    Args:
      client: of an exported colorizer.
      work: what to read and where to write.
      options: how.

    Yields:
      Each file once it is written, or with the reason why it is not.

    Raises:
      ServingError: at once, if the model is not there or is no colorizer; later,
        if the server cannot be asked any more. What was written until then
        stays.
    """
    signature = "sample" if options.seeds else "serving_default"
    if "image_bytes" not in _outputs(client, signature):
        reason = f"{client.address} has no signature {signature} that gives image_bytes"
        raise ServingError("INVALID_ARGUMENT", reason, "a colorizer that tfcolor exported")
    batch: list[tuple[Work, Photograph]] = []
    weight = 0
    for item in work:
        try:
            photograph = read_photograph(item.source, options.max_side)
        except ServingError as error:
            yield item, error
            continue
        is_full = weight + photograph.weight > options.max_batch_bytes
        if batch and (is_full or len(batch) == MAX_BATCH_PHOTOGRAPHS):
            yield from _color(client, batch, options)
            batch, weight = [], 0
        batch.append((item, photograph))
        weight += photograph.weight
    yield from _color(client, batch, options)


def _outputs(client: Client, signature: str) -> Collection[str]:
    """Returns the names of what a signature gives; none if there is no such one."""
    found = client.metadata().signatures.get(signature)
    return found.outputs if found else ()


def _color(
    client: Client, batch: Sequence[tuple[Work, Photograph]], options: ColoringOptions
) -> Iterator[tuple[Work, ServingError | None]]:
    """Colors a batch; where it is refused as a whole, one by one."""
    try:
        answers = _ask(client, [photograph.encoded for _, photograph in batch], options)
    except ServingError as error:
        if error.code not in _OF_THE_REQUEST:
            raise
        if len(batch) > 1:
            for single in batch:
                yield from _color(client, [single], options)
            return
        item, reason = batch[0][0], f"{batch[0][0].source}: {error.message}"
        # The server's own words say best what is wrong with one image.
        expected = "" if error.code == "INVALID_ARGUMENT" else error.expected
        yield item, ServingError(error.code, reason, expected)
        return
    for (item, photograph), images in zip(batch, answers, strict=True):
        yield item, _write(item, photograph, images, options.seeds)


def _ask(client: Client, images: Sequence[bytes], options: ColoringOptions) -> list[list[bytes]]:
    """Returns the answers for each image: one, or one for each seed."""
    if not options.seeds:
        return [[answer] for answer in client.colorize_bytes(images)]
    number = len(images)
    drawn = [
        client.sample(images, [seed] * number, [options.temperature] * number)
        for seed in options.seeds
    ]
    return [list(answers) for answers in zip(*drawn, strict=True)]


def _write(
    item: Work, photograph: Photograph, images: Sequence[bytes], seeds: Sequence[int]
) -> ServingError | None:
    """Writes the results of one photograph; returns why it cannot be, or None."""
    targets = [item.sample(seed) for seed in seeds] or [item.target]
    try:
        for target, image in zip(targets, images, strict=True):
            write_atomically(target, finish(photograph, image))
    except ServingError as error:
        return error
    return None


def _find(text: str) -> Iterator[tuple[Path, Path]]:
    """Yields (file, folder that its result's path is relative to) of one input."""
    path = Path(text)
    if path.is_file():
        yield path, path.parent
        return
    if not path.is_dir():
        raise ServingError("NOT_FOUND", f"there is no file or folder {text}", "")
    sources = [entry for entry in sorted(path.rglob("*")) if _is_photograph(entry)]
    if not sources:
        raise ServingError(
            "NOT_FOUND", f"no photographs in {text}", f"files *{' *'.join(SUFFIXES)}"
        )
    yield from ((source, path) for source in sources)


def _is_photograph(path: Path) -> bool:
    is_original = MARK not in path.stem and not path.name.startswith(".")
    return is_original and path.suffix.lower() in SUFFIXES and path.is_file()
