"""Coloring of photographs from the flags of `colorize`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import load_colorizer
from tfcolor.config.flags import read_options
from tfcolor.config.model_identity import hash_model
from tfcolor.core.beam import BeamOptions
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options, option
from tfcolor.core.progress import say
from tfcolor.data.images import read_photograph
from tfcolor.data.video_files import is_video
from tfcolor.inference.batch import JobOptions, color_files
from tfcolor.inference.beam_job import ModelLoader, color_on_beam
from tfcolor.inference.doubt_folder import DoubtGallery, DoubtOptions
from tfcolor.inference.gallery import Gallery, SheetGallery
from tfcolor.inference.hint_field import HintOptions
from tfcolor.inference.hints import Hints, read_hint_image, read_hints
from tfcolor.inference.histogram_file import read_histograms, write_histograms
from tfcolor.inference.histogram_transfer import require_histograms, target_histograms
from tfcolor.inference.jobs import JobList, collect_jobs
from tfcolor.inference.loading import GrayToColor, SavedColorizer
from tfcolor.inference.one_photograph import Settings
from tfcolor.inference.painting import Painter, SizeOptions
from tfcolor.inference.photographs import BlendOptions
from tfcolor.inference.provenance import SOFTWARE, Provenance
from tfcolor.inference.remote import RemoteColorizer
from tfcolor.inference.report import ReportOptions
from tfcolor.inference.report_gallery import ReportGallery
from tfcolor.inference.result_files import ResultOptions
from tfcolor.inference.variations import SampleOptions, Wishes, vary_decoding
from tfcolor.inference.video.options import VideoOptions
from tfcolor.training.signals import listen_for_stop


@dataclasses.dataclass(frozen=True)
class ColorizeOptions:
    """With what to color, and where the results go."""

    model: str = option(
        "",
        "a run's folder, a SavedModel, or a model server as grpc://HOST:8500/NAME or"
        " http://HOST:8501/v1/models/NAME (grpcs:// and https:// for TLS)",
    )
    checkpoint: str = option("best", "which of a run's checkpoints: best, last or a step")
    output: str = option("", "folder for the results, or a file name for one photograph")
    sheet: str = option("", "PNG file for a sheet of input, output and uncertainty")
    uncertainty: bool = option(
        False, "whether to write how unsure each pixel is, as NAME_uncertainty.png: 0 is sure"
    )
    hints: str = option(
        "",
        'JSON file of known colors in one photograph: [{"row": 9, "column": 7, "rgb": "#c81e28"},'
        " ...], in pixels from the top left",
    )
    hint_image: str = option(
        "", "the same as an image of the photograph's size, transparent where nothing is known"
    )


@dataclasses.dataclass(frozen=True)
class TransferOptions:
    """Coloring after the colors of another photograph."""

    reference: str = option("", "photograph whose distribution of colors the results take")
    histogram: str = option("", "file of --write_histogram, instead of --reference")
    transfer: str = option(
        "energy",
        "energy moves the predicted histograms, quantile the colors that result",
        choices=("energy", "quantile"),
    )
    transfer_weight: float = option(
        10.0, "energy: weight of the reference against the prediction", minimum=0
    )
    write_histogram: str = option("", "JSON file for the histograms of --reference")

    def __post_init__(self) -> None:
        """Raises UsageError if the flags contradict each other."""
        check_options(self)
        if self.reference and self.histogram:
            raise UsageError("--reference and --histogram are both given: expected one of them")
        if self.histogram and self.transfer == "quantile":
            raise UsageError("--transfer=quantile needs the pixels of a photograph: --reference")
        if self.write_histogram and not self.reference:
            raise UsageError("--write_histogram writes the histograms of --reference: give it too")


COLORIZE_OPTIONS: tuple[tuple[type, str], ...] = (
    (ColorizeOptions, ""),
    (ResultOptions, ""),
    (BlendOptions, ""),
    (SampleOptions, ""),
    (TransferOptions, ""),
    (HintOptions, "hint_"),
    (DecodingOptions, "decoding_"),
    (SizeOptions, "network_"),
    (JobOptions, ""),
    (ReportOptions, ""),
    (DoubtOptions, ""),
    (VideoOptions, "video_"),
    (BeamOptions, ""),
)
"""Options dataclasses of `colorize` with the prefix of their flags."""

_LOOKS: tuple[tuple[type, str], ...] = COLORIZE_OPTIONS[2:8]
"""Those that decide the colors."""


def run_coloring(flag_values: flags.FlagValues, inputs: Sequence[str]) -> None:
    """Colors what the flags describe.

    Args:
      flag_values: with the flags of `COLORIZE_OPTIONS`.
      inputs: photographs, videos, folders and globs; may be empty where only a
        histogram is written.

    Raises:
      UserError: if something the flags name cannot be used, or, after all others
        are done, if some photographs or videos could not be colored.
    """
    chosen = read_options(ColorizeOptions, "", flag_values)
    transfer = read_options(TransferOptions, "", flag_values)
    decoding = read_options(DecodingOptions, "decoding_", flag_values)
    size = read_options(SizeOptions, "network_", flag_values)
    samples = read_options(SampleOptions, "", flag_values)
    num_samples = len(vary_decoding(decoding, samples))
    is_coloring = bool(inputs) or not transfer.write_histogram
    jobs = _collect(flag_values, inputs, num_samples) if is_coloring else JobList(())
    hints = _read_hints(chosen, len(jobs.jobs))
    colorizer = load_colorizer(chosen.model, chosen.checkpoint, decoding, size)
    targets, reference_rgb = _read_reference(transfer, colorizer.painter)
    if not is_coloring:
        return
    if isinstance(colorizer, SavedColorizer | RemoteColorizer) and decoding == DecodingOptions():
        # An export has a decoding of its own, which holds unless the flags give another.
        decoding = colorizer.decoding
    wishes = Wishes(
        vary_decoding(decoding, samples),
        targets,
        transfer.transfer_weight,
        reference_rgb,
        hints,
        read_options(HintOptions, "hint_", flag_values),
        read_options(BlendOptions, "", flag_values),
    )
    provenance = Provenance(
        model=chosen.model,
        checkpoint_sha256=hash_model(chosen.model, chosen.checkpoint),
        flags=_describe_looks(flag_values),
    )
    results = read_options(ResultOptions, "", flag_values)
    settings = Settings(wishes, results, provenance, colorizer.painter.size)
    loader = ModelLoader(load_colorizer, (chosen.model, chosen.checkpoint, decoding, size))
    _color(flag_values, jobs, settings, colorizer, loader)


def _collect(flag_values: flags.FlagValues, inputs: Sequence[str], num_samples: int) -> JobList:
    """Returns what there is to color."""
    chosen = read_options(ColorizeOptions, "", flag_values)
    results = read_options(ResultOptions, "", flag_values)
    video = read_options(VideoOptions, "video_", flag_values)
    output = chosen.output or None
    doubt = read_options(DoubtOptions, "", flag_values).doubt_folder
    aside = [doubt] if doubt else []
    return collect_jobs(inputs, output, num_samples, chosen.uncertainty, results, video, aside)


def _color(
    flag_values: flags.FlagValues,
    jobs: JobList,
    settings: Settings,
    colorizer: GrayToColor,
    loader: ModelLoader,
) -> None:
    """Colors photographs and videos, here or on an engine of Beam."""
    beam = read_options(BeamOptions, "", flag_values)
    options = read_options(JobOptions, "", flag_values)
    galleries = _build_galleries(flag_values, jobs, settings)
    if beam.runner:
        if any(is_video(job.source) for job in jobs.jobs):
            raise UsageError(f"--runner={beam.runner} is for photographs: color videos without it")
        color_on_beam(loader, jobs, settings, beam, options, galleries)
        return
    video = read_options(VideoOptions, "video_", flag_values)
    with listen_for_stop() as request:
        color_files(
            colorizer, jobs, settings, options, galleries, video, lambda: request.exit_status
        )


def _build_galleries(
    flag_values: flags.FlagValues, jobs: JobList, settings: Settings
) -> list[Gallery]:
    """Returns what shows the photographs, as far as the flags ask for it."""
    chosen = read_options(ColorizeOptions, "", flag_values)
    report = read_options(ReportOptions, "", flag_values)
    doubt = read_options(DoubtOptions, "", flag_values)
    photographs = [job for job in jobs.jobs if not is_video(job.source)]
    galleries: list[Gallery] = []
    if chosen.sheet:
        galleries.append(SheetGallery(Path(chosen.sheet), photographs))
    if report.report:
        provenance = settings.provenance
        facts = {
            "Program": SOFTWARE,
            "Model": provenance.model,
            "Checkpoint, SHA-256": provenance.checkpoint_sha256,
            "Flags": provenance.flags,
        }
        facts = {title: fact for title, fact in facts.items() if fact}
        is_layer = settings.wishes.blend.layer == "ab"
        galleries.append(ReportGallery(report, photographs, facts, is_layer))
    if doubt.doubt_folder:
        galleries.append(DoubtGallery(doubt.doubt_folder))
    return galleries


def _describe_looks(flag_values: flags.FlagValues) -> str:
    """Returns the flags that decide the colors, where they are not the default."""
    given = []
    for options, prefix in _LOOKS:
        for field in dataclasses.fields(options):
            value = getattr(read_options(options, prefix, flag_values), field.name)
            if value != field.default:
                given.append(f"--{prefix}{field.name}={value}")
    return " ".join(given)


def _read_hints(chosen: ColorizeOptions, num_photographs: int) -> Hints | None:
    """Returns the hints that the flags name, for one photograph."""
    if not chosen.hints and not chosen.hint_image:
        return None
    if chosen.hints and chosen.hint_image:
        raise UsageError("--hints and --hint_image are both given: expected one of them")
    if num_photographs > 1:
        raise UsageError(f"hints are for one photograph, but there are {num_photographs}")
    return read_hints(chosen.hints) if chosen.hints else read_hint_image(chosen.hint_image)


def _read_reference(
    options: TransferOptions, painter: Painter
) -> tuple[dict[str, np.ndarray] | None, np.ndarray | None]:
    """Returns (histograms [K] by name, RGB [H, W, 3]) to color after, at most one."""
    if options.histogram:
        require_histograms(painter.space)
        return read_histograms(options.histogram, painter.space), None
    if not options.reference:
        return None, None
    reference_rgb = read_photograph(options.reference).rgb
    if options.write_histogram:
        require_histograms(painter.space)
        write_histograms(options.write_histogram, target_histograms(painter, reference_rgb[None]))
        say(f"wrote {options.write_histogram}")
    if options.transfer == "quantile":
        return None, reference_rgb
    require_histograms(painter.space)
    return target_histograms(painter, reference_rgb[None]), None
