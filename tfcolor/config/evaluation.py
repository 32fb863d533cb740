"""An evaluation from its flags to its figures."""

import dataclasses
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import flags

from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import (
    build_network,
    build_task,
    load_colorizer,
    load_network,
)
from tfcolor.config.experiment import load_experiment
from tfcolor.config.flags import read_options
from tfcolor.config.parts_runs import is_parts_run, load_fitted_network
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.data.reading import ExampleReader
from tfcolor.evaluation.protocols import PROTOCOLS
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.subjects import COLORIZER, TrainedNetwork
from tfcolor.inference.loading import GrayToColor, is_saved_model
from tfcolor.inference.painting import SizeOptions
from tfcolor.models.network import Network
from tfcolor.parts.scorer import ScorerHead
from tfcolor_client.address import is_address

BASELINES = {
    "none": tuple(PROTOCOLS),
    "gray": ("colorization",),
    "random": ("voc_detection", "few_label", "linear_evaluation", "linear_svm", "retrieval"),
}
"""The protocols of each baseline."""


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """What is measured."""

    protocol: str = option("colorization", "how to measure", choices=tuple(PROTOCOLS))
    model: tuple[str, ...] = option(
        (), "a run's folder, or several for an ensemble; colorization takes a SavedModel too"
    )
    checkpoint: str = option("best", "which of a run's checkpoints: best, last or a step")
    baseline: str = option(
        "none",
        "measures gray instead of a model, or features of a run's network with random weights",
        choices=tuple(BASELINES),
    )
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
    _check_choice(chosen)
    options = read_options(protocol.Options, f"{chosen.protocol}_", flag_values)
    data = read_options(DataOptions, "", flag_values)
    reader = open_readers(dataclasses.replace(data, heldout_fraction=0.0))["train"]
    if protocol.subject == COLORIZER:
        return _measure_colorizer(chosen, options, reader, flag_values)
    networks = [load_trained_network(run, chosen) for run in chosen.model]
    return protocol(options).evaluate(networks, reader, _reports(chosen))


def load_trained_network(run: str, chosen: EvaluateOptions) -> TrainedNetwork:
    """Returns the network of a run for a protocol.

    Args:
      run: the run's folder.
      chosen: the protocol, the checkpoint, and whether random weights take the
        place of the trained ones.

    Returns:
      The network with its task's options.

    Raises:
      UserError: if this is no run, or one of a task that the protocol does not
        measure.
    """
    if is_parts_run(run):
        return _load_parts(run, chosen)
    wanted = PROTOCOLS[chosen.protocol].task
    experiment = load_experiment(run).select(wanted)
    task = experiment.member.name
    if wanted and task != wanted:
        raise UserError(
            f"{run} is a run of the task {task}; {chosen.protocol} measures runs of the task "
            f"{wanted}: train one with --task={wanted} --initial_weights={run}"
        )
    if chosen.baseline == "random":
        tf.keras.mixed_precision.set_global_policy(experiment.training.precision)
        network = build_network(experiment, build_task(experiment, {}))
        origin = {"run": run, "task": task, "backbone": experiment.run.backbone, "step": 0}
    else:
        network, origin = load_network(run, chosen.checkpoint, task=wanted)
    names = _training_classes(experiment.data) if wanted else ()
    return TrainedNetwork(network, experiment.task, origin, names)


def _load_parts(run: str, chosen: EvaluateOptions) -> TrainedNetwork:
    """Returns the network of a run of `fit_parts` for a protocol."""
    wanted, fitted = PROTOCOLS[chosen.protocol].task, load_fitted_network(run)
    is_classifier = wanted == "classification" and fitted.scorer is not None
    if wanted and not is_classifier:
        raise UserError(
            f"{run} is a run of fit_parts: few_label measures it, and image_classification if it "
            "has a classifier"
        )
    if chosen.baseline == "random":
        raise UsageError(f"--baseline=random: {run} is a run of fit_parts, fitted without weights")
    network = Network(fitted.network, ScorerHead(fitted.scorer), convolutional=False)
    origin = {"run": run, "task": "fit_parts", "backbone": "parts", "step": 0}
    names = _training_classes(fitted.experiment.data) if wanted else ()
    return TrainedNetwork(network, fitted.view, origin, names)


def _training_classes(data: DataOptions) -> tuple[str, ...]:
    """Returns the classes of the training images, none if these are out of reach."""
    data = dataclasses.replace(data, heldout_images="", heldout_fraction=0.0)
    try:
        return open_readers(data)["train"].class_names
    except UserError:
        return ()


def _check_choice(chosen: EvaluateOptions) -> None:
    """Raises UsageError where protocol, model and baseline do not fit each other."""
    protocol, models = PROTOCOLS[chosen.protocol], chosen.model
    if chosen.protocol not in BASELINES[chosen.baseline]:
        raise UsageError(
            f"--baseline={chosen.baseline}: expected none with --protocol={chosen.protocol}"
        )
    takes_one = protocol.subject == COLORIZER or not protocol.takes_several
    if takes_one and len(models) > 1:
        raise UsageError(
            f"--model={','.join(models)}: expected one, as {chosen.protocol} has no ensembles"
        )
    if protocol.subject == COLORIZER:
        return
    if not models:
        raise UsageError("--model is not given: name a run's folder")
    for model in models:
        if is_address(model) or is_saved_model(model):
            raise UsageError(f"--model={model}: {chosen.protocol} measures runs, not exports")
        if not Path(model).exists():
            raise UserError(f"--model={model}: there is no such folder")


def _measure_colorizer(
    chosen: EvaluateOptions, options: Any, reader: ExampleReader, flag_values: flags.FlagValues
) -> dict[str, Any]:
    """Returns the figures of a colorizer."""
    decoding = read_options(DecodingOptions, "decoding_", flag_values)
    model = ",".join(chosen.model)
    # An export has a decoding of its own, which holds unless the flags give another.
    is_export = bool(model) and is_saved_model(model)
    uses_own = is_export and decoding == DecodingOptions()
    protocol = PROTOCOLS[chosen.protocol](options, None if uses_own else decoding)
    colorizer: GrayToColor | None = None
    if chosen.baseline == "none":
        size = read_options(SizeOptions, "network_", flag_values)
        colorizer = load_colorizer(model, chosen.checkpoint, decoding, size)
    return protocol.evaluate(colorizer, reader, _reports(chosen))


def _reports(chosen: EvaluateOptions) -> Reports:
    """Returns where to write more than the figures."""
    return Reports(table=chosen.output_csv, figures=chosen.figures)
