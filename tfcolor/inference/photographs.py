"""Photograph files in, colored photograph files out."""

import dataclasses
import io
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tfcolor import __version__
from tfcolor.color.lightness import quantize_rgb
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.files import atomic_path
from tfcolor.data.images import IMAGE_SUFFIXES, Photograph
from tfcolor.inference.loading import GrayToColor

OUTPUT_FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF"}
"""Lossless formats by suffix: others would not keep the lightness."""

PROVENANCE = f"tfcolor {__version__}, colors predicted from the lightness"
"""The text `Software` of a PNG file."""

COLORIZED_MARK = "_colorized"
UNCERTAINTY_MARK = "_uncertainty"
_RESULT = re.compile(rf"{COLORIZED_MARK}(_\d+)?({UNCERTAINTY_MARK})?$")


@dataclasses.dataclass(frozen=True)
class ColoredPhotograph:
    """A colored photograph beside what it was made from.

    Args:
      gray: float32 [H, W], lightness in [0, 1].
      rgb: uint8 [H, W, 3].
      uncertainty: float32 [H, W] in [0, 1].
      alpha: uint8 [H, W], or None for an opaque photograph.
      icc_profile: the photograph's own, which holds for `rgb` too, or None.
      exif: the photograph's EXIF block, without an orientation, or None.
    """

    gray: np.ndarray
    rgb: np.ndarray
    uncertainty: np.ndarray
    alpha: np.ndarray | None = None
    icc_profile: bytes | None = None
    exif: bytes | None = None


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


def gray_batch(photograph: Photograph) -> np.ndarray:
    """Returns the lightness of a photograph, float32 [1, H, W, 1] in [0, 1]."""
    return photograph.rgb.mean(axis=-1, dtype=np.float32)[None, ..., None]


def assemble(
    photograph: Photograph, gray: tf.Tensor, outputs: Mapping[str, tf.Tensor]
) -> ColoredPhotograph:
    """Returns a photograph with the colors that a colorizer found.

    Args:
      photograph: what was colored; gives alpha and metadata.
      gray: float32 [1, H, W, 1], its lightness in [0, 1].
      outputs: `rgb` float32 [1, H, W, 3] and `uncertainty` float32 [1, H, W].

    Returns:
      The colors in whole steps of 1/255, which keep the lightness to within 1/6
      of a step.
    """
    alpha = photograph.alpha
    return ColoredPhotograph(
        gray=np.asarray(gray)[0, ..., 0],
        rgb=quantize_rgb(outputs["rgb"][0]).numpy(),
        uncertainty=outputs["uncertainty"][0].numpy(),
        alpha=None if alpha is None else np.round(255 * alpha).astype(np.uint8),
        icc_profile=photograph.icc_profile,
        exif=photograph.exif,
    )


def color_photograph(colorizer: GrayToColor, photograph: Photograph) -> ColoredPhotograph:
    """Colors one photograph at its own size.

    Args:
      colorizer: a network or a SavedModel.
      photograph: gray or color; only its lightness is used.

    Returns:
      The colors, whose mean over the channels is the photograph's lightness to
      within 1/6 of a step of 1/255.
    """
    gray = gray_batch(photograph)
    return assemble(photograph, gray, colorizer.colorize(tf.constant(gray)))


def write_photograph(colored: ColoredPhotograph, path: str | os.PathLike[str]) -> None:
    """Writes a colored photograph, atomically.

    Args:
      colored: what to write.
      path: the file; its suffix says the format.

    Raises:
      UserError: if the suffix is not that of a lossless format or the file
        cannot be written.
    """
    target = Path(path)
    check_output_suffix(target)
    _write(encode_photograph(colored, OUTPUT_FORMATS[target.suffix.lower()]), target)


def encode_photograph(colored: ColoredPhotograph, file_format: str = "PNG") -> bytes:
    """Returns the file of a colored photograph.

    Args:
      colored: what it holds; alpha, color profile and EXIF are kept.
      file_format: "PNG" or "TIFF". PNG also tells where the colors come from.

    Returns:
      The content of the file.
    """
    pixels = colored.rgb
    if colored.alpha is not None:
        pixels = np.concatenate([pixels, colored.alpha[..., None]], axis=-1)
    metadata = {"icc_profile": colored.icc_profile, "exif": colored.exif}
    return _encode(pixels, file_format, {k: v for k, v in metadata.items() if v})


def write_uncertainty(uncertainty: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Writes an uncertainty map as a gray picture, atomically.

    Args:
      uncertainty: float32 [H, W] in [0, 1], which become black and white.
      path: the PNG file.

    Raises:
      UserError: if the file cannot be written.
    """
    pixels = np.round(255 * uncertainty).astype(np.uint8)
    _write(_encode(pixels, "PNG", {}), Path(path))


def _encode(pixels: np.ndarray, file_format: str, metadata: dict[str, bytes]) -> bytes:
    """Returns the file of uint8 [H, W] or [H, W, C] pixels."""
    buffer = io.BytesIO()
    options: dict[str, Any] = dict(metadata)
    if file_format == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Software", PROVENANCE)
    Image.fromarray(pixels).save(buffer, format=file_format, **options)
    return buffer.getvalue()


def _write(content: bytes, target: Path) -> None:
    """Writes a file, atomically."""
    with atomic_path(target) as temporary:
        try:
            temporary.write_bytes(content)
        except OSError as error:
            raise UserError(f"cannot write {target}: {error}") from error


def check_output_suffix(path: Path) -> None:
    """Raises UserError unless a path ends as a lossless image does."""
    if path.suffix.lower() not in OUTPUT_FORMATS:
        raise UserError(
            f"cannot write {path}: expected a name that ends in {', '.join(OUTPUT_FORMATS)} "
            "(lossless, so that the lightness stays as it was)"
        )


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
