"""An evaluation from its flags to its figures."""

import dataclasses
from typing import Any

from absl import flags

from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import CHECKPOINTS, load_colorizer
from tfcolor.config.flags import read_options
from tfcolor.core.options import option
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.evaluation import PROTOCOLS
from tfcolor.evaluation.reports import Reports
from tfcolor.inference.loading import GrayToColor, is_saved_model
from tfcolor.inference.painting import SizeOptions


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """What is measured."""

    protocol: str = option("colorization", "how to measure", choices=tuple(PROTOCOLS))
    model: str = option("", "a run's folder or a SavedModel")
    checkpoint: str = option("best", "which of a run's checkpoints", choices=CHECKPOINTS)
    baseline: str = option("none", "measures gray instead of a model", choices=("none", "gray"))
    output_json: str = option("", "file for the figures, besides standard output")
    output_csv: str = option("", "file for a table with the scores of every image")
    figures: str = option("", "folder for pictures of the results")


EVALUATE_OPTIONS: tuple[tuple[type, str], ...] = (
    (EvaluateOptions, ""),
    *((protocol.Options, f"{name}_") for name, protocol in PROTOCOLS.items()),
    (DataOptions, ""),
    (DecodingOptions, "decoding_"),
    (SizeOptions, "network_"),
)
"""Options dataclasses of `evaluate` with the prefix of their flags."""


def run_evaluation(flag_values: flags.FlagValues) -> dict[str, Any]:
    """Measures what the flags describe.

    Args:
      flag_values: with the flags of `EVALUATE_OPTIONS`.

    Returns:
      The protocol's figures by name.

    Raises:
      UserError: if something the flags name cannot be used.
    """
    chosen = read_options(EvaluateOptions, "", flag_values)
    protocol = PROTOCOLS[chosen.protocol]
    options = read_options(protocol.Options, f"{chosen.protocol}_", flag_values)
    data = read_options(DataOptions, "", flag_values)
    reader = open_readers(dataclasses.replace(data, heldout_fraction=0.0))["train"]
    decoding = read_options(DecodingOptions, "decoding_", flag_values)
    colorizer = _build_colorizer(chosen, decoding, flag_values)
    reports = Reports(table=chosen.output_csv, figures=chosen.figures)
    # An export has a decoding of its own, which holds unless the flags give another.
    is_export = bool(chosen.model) and is_saved_model(chosen.model)
    uses_own = is_export and decoding == DecodingOptions()
    return protocol(options, None if uses_own else decoding).evaluate(colorizer, reader, reports)


def _build_colorizer(
    chosen: EvaluateOptions, decoding: DecodingOptions, flag_values: flags.FlagValues
) -> GrayToColor | None:
    """Returns what to measure, None for the gray baseline."""
    size = read_options(SizeOptions, "network_", flag_values)
    if chosen.baseline == "gray":
        return None
    return load_colorizer(chosen.model, chosen.checkpoint, decoding, size)
