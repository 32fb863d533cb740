"""An analysis from its flags to its files."""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import flags

from tfcolor.analysis import (
    class_mixtures,
    divergence_shapes,
    feature_shift,
    feature_transformation,
    first_filters,
    gradient_norm,
    heldout_curves,
    learning_curve,
    loss_curves,
    mixture_weights,
    part_pictures,
    permutations,
    synchronization_speed,
    top_activations,
    utility,
    variations,
)
from tfcolor.analysis.divergence_shapes import DivergenceShapesOptions, show_divergence_shapes
from tfcolor.analysis.feature_shift import FeatureShiftOptions, measure_feature_shift
from tfcolor.analysis.findings import Findings, check_folder, write_findings
from tfcolor.analysis.first_filters import show_first_filters
from tfcolor.analysis.gradient_norm import trace_gradient
from tfcolor.analysis.heldout_curves import trace_looks
from tfcolor.analysis.learning_curve import LearningCurveOptions, read_log, trace_learning
from tfcolor.analysis.loss_curves import LossCurvesOptions, compare_losses
from tfcolor.analysis.mixture_weights import (
    MixedHead,
    MixtureWeightsOptions,
    show_mixture_weights,
)
from tfcolor.analysis.observation import ObservedNetwork, PhotographOptions, Views
from tfcolor.analysis.synchronization_speed import (
    SynchronizationSpeedOptions,
    read_step_times,
    show_synchronization_speed,
)
from tfcolor.analysis.titles import read_titles
from tfcolor.analysis.top_activations import TopActivationsOptions, show_top_activations
from tfcolor.analysis.utility import UtilityOptions, measure_utility
from tfcolor.config.assembly import build_networks, build_task, joint_network, load_network
from tfcolor.config.experiment import load_experiment
from tfcolor.config.flags import read_options
from tfcolor.config.parts_analyzing import (
    PARTS_ANALYSES,
    PARTS_ANALYZE_OPTIONS,
    Subjects,
    open_all,
    open_set_aside,
)
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.files import check_writable, write_json
from tfcolor.core.options import option
from tfcolor.core.progress import say
from tfcolor.data.options import open_readers
from tfcolor.evaluation.subjects import TrainedNetwork
from tfcolor.inference.painting import SizeOptions
from tfcolor.training.checkpoints import find_checkpoints, restore_first_whole

NUM_RUNS = {
    feature_shift.NAME: (2, 2),
    top_activations.NAME: (1, 2),
    first_filters.NAME: (1, 1),
    learning_curve.NAME: (1, 1),
    loss_curves.NAME: (0, 0),
    heldout_curves.NAME: (0, 0),
    utility.NAME: (0, 0),
    variations.NAME: (0, 0),
    part_pictures.NAME: (1, 2),
    feature_transformation.NAME: (1, 1),
    class_mixtures.NAME: (1, 2),
    permutations.NAME: (0, 0),
    gradient_norm.NAME: (1, 1),
    divergence_shapes.NAME: (0, 0),
    synchronization_speed.NAME: (0, 0),
    mixture_weights.NAME: (0, 0),
}
"""How many runs each analysis looks at, at least and at most."""

ANALYSES = tuple(NUM_RUNS)
NUM_SLOW_STEPS = 5
"""Steps at the start of a run that also build its graphs."""


@dataclasses.dataclass(frozen=True)
class AnalyzeOptions:
    """What is analyzed."""

    analysis: str = option(ANALYSES[0], "what to find out", choices=ANALYSES)
    model: str = option("", "a run's folder; for feature_shift the run before fine-tuning")
    checkpoint: str = option(
        "best", "which checkpoint of --model, or of the --mixtures: best, last or a step"
    )
    other_model: str = option(
        "",
        "a second run, the one after fine-tuning; top_activations shows the same features of it"
        " beside those of --model, parts and class_mixtures what it learned",
    )
    other_checkpoint: str = option("best", "the same of --other_model")
    images: str = option(
        "",
        "images to look at, in any form that train takes; empty takes those that the run of"
        " --model set aside; variations shows a row for each place between commas, and"
        " mixture_weights measures units on them if they are given",
    )
    output: str = option("", "folder for the figure, the JSON file and TensorBoard's events")
    output_json: str = option("", "file for a copy of the JSON file")


ANALYZE_OPTIONS: tuple[tuple[type, str], ...] = (
    (AnalyzeOptions, ""),
    (FeatureShiftOptions, ""),
    (TopActivationsOptions, ""),
    (LearningCurveOptions, ""),
    (LossCurvesOptions, ""),
    (MixtureWeightsOptions, ""),
    (UtilityOptions, utility.PREFIX),
    (DivergenceShapesOptions, "divergence_shapes_"),
    (SynchronizationSpeedOptions, "synchronization_"),
    (PhotographOptions, ""),
    (SizeOptions, "network_"),
    *PARTS_ANALYZE_OPTIONS,
)
"""Options dataclasses of `analyze` with the prefix of their flags."""


def run_analysis(flag_values: flags.FlagValues) -> Findings:
    """Analyzes what the flags describe and writes what is found.

    Args:
      flag_values: with the flags of `ANALYZE_OPTIONS`.

    Returns:
      What was written.

    Raises:
      UserError: if something the flags name cannot be used.
    """
    chosen = read_options(AnalyzeOptions, "", flag_values)
    _check(chosen)
    check_folder(chosen.output)
    if chosen.output_json:
        check_writable(chosen.output_json)
    findings = _analyze(chosen, flag_values)
    paths = write_findings(findings, chosen.output)
    if chosen.output_json:
        write_json(chosen.output_json, dict(findings.numbers))
    say(f"{findings.headline}; see {paths['figure']} and {paths['json']}")
    return findings


def _check(chosen: AnalyzeOptions) -> None:
    """Raises UsageError where a flag is missing or has no use."""
    at_least, at_most = NUM_RUNS[chosen.analysis]
    if at_least and not chosen.model:
        raise UsageError("--model is not given: name a run's folder")
    if not chosen.output:
        raise UsageError("--output is not given: name a folder for what is found")
    if at_least == 2 and not chosen.other_model:
        raise UsageError(
            f"--other_model is not given: {chosen.analysis} compares --model with a second run"
        )
    if chosen.model and not at_most:
        raise UsageError(f"--model={chosen.model}: {chosen.analysis} takes no run")
    if chosen.other_model and at_most < 2:
        takers = [name for name, (_, most) in NUM_RUNS.items() if most == 2]
        raise UsageError(
            f"--other_model={chosen.other_model}: {chosen.analysis} takes"
            f" {'one' if at_most else 'no'} run; {', '.join(takers)} take two"
        )


def _analyze(chosen: AnalyzeOptions, flag_values: flags.FlagValues) -> Findings:
    """Runs the chosen analysis."""
    if chosen.analysis in PARTS_ANALYSES:
        models = tuple(filter(None, (chosen.model, chosen.other_model)))
        return PARTS_ANALYSES[chosen.analysis](Subjects(models, chosen.images), flag_values)
    if chosen.analysis == learning_curve.NAME:
        options = read_options(LearningCurveOptions, "", flag_values)
        return trace_learning(chosen.model, options, _steps_per_epoch(chosen.model, options))
    if chosen.analysis == loss_curves.NAME:
        return compare_losses(_curves(flag_values), flag_values.smoothing)
    if chosen.analysis == heldout_curves.NAME:
        return trace_looks(_curves(flag_values))
    if chosen.analysis == utility.NAME:
        return measure_utility(read_options(UtilityOptions, utility.PREFIX, flag_values))
    if chosen.analysis == gradient_norm.NAME:
        return trace_gradient(chosen.model, flag_values.smoothing)
    if chosen.analysis == divergence_shapes.NAME:
        shapes = read_options(DivergenceShapesOptions, "divergence_shapes_", flag_values)
        return show_divergence_shapes(shapes)
    if chosen.analysis == synchronization_speed.NAME:
        clusters = read_options(SynchronizationSpeedOptions, "synchronization_", flag_values)
        measured = [measured_step_times(path) for path in clusters.step_times]
        return show_synchronization_speed(clusters, measured)
    if chosen.analysis == mixture_weights.NAME:
        mixtures = read_options(MixtureWeightsOptions, "", flag_values).mixtures
        heads = [
            head
            for title, folder in read_titles(mixtures, "mixtures").items()
            for head in load_mixed_heads(title, folder, chosen.checkpoint)
        ]
        views = _open_views(chosen, flag_values) if chosen.images else None
        return show_mixture_weights(heads, views)
    shift = read_options(FeatureShiftOptions, "", flag_values)
    top = read_options(TopActivationsOptions, "", flag_values)
    networks = [load_observed_network(chosen.model, chosen.checkpoint)]
    if chosen.analysis == first_filters.NAME:
        return show_first_filters(networks[0])
    if chosen.other_model:
        networks.append(load_observed_network(chosen.other_model, chosen.other_checkpoint))
    views = _open_views(chosen, flag_values)
    if chosen.analysis == feature_shift.NAME:
        return measure_feature_shift(networks[0], networks[1], views, shift)
    return show_top_activations(networks, views, top)


def _curves(flag_values: flags.FlagValues) -> dict[str, str]:
    """Returns the folders of the runs that are drawn together, by title."""
    return read_titles(read_options(LossCurvesOptions, "", flag_values).curves, "curves")


def measured_step_times(path: str) -> np.ndarray:
    """Returns how long steps took.

    Args:
      path: a file, as `read_step_times` takes it; or the folder of a run of one task
        that logged every step, whose first `NUM_SLOW_STEPS` are left out.

    Returns:
      float64 [N], seconds.

    Raises:
      UserError: if there is neither at this path.
    """
    if not Path(path).is_dir():
        return read_step_times(path)
    experiment, log = load_experiment(path), read_log(path)
    if len(experiment.members) > 1 or experiment.training.log_every_steps > 1:
        raise UserError(
            f"{path} does not tell how long every step of a task took: expected a run of one task"
            " with --log_every_steps=1"
        )
    if len(log.speeds) <= NUM_SLOW_STEPS:
        raise UserError(f"{path} has {len(log.speeds)} steps: expected more than {NUM_SLOW_STEPS}")
    return experiment.member.batch_size / log.speeds[NUM_SLOW_STEPS:]


def load_observed_network(run_dir: str, checkpoint: str) -> ObservedNetwork:
    """Returns the base network of a run, in float32.

    Args:
      run_dir: the run's folder.
      checkpoint: "best" or "last".

    Returns:
      The network, which is fed gray or color as it was trained.

    Raises:
      UserError: if the folder is not a run or has no whole checkpoint.
    """
    network, origin = load_network(run_dir, checkpoint, policy="float32")
    trained = TrainedNetwork(network, load_experiment(run_dir).select("").task, origin)
    return ObservedNetwork(run_dir, network.backbone, trained.inputs)


def load_mixed_heads(title: str, run_dir: str, checkpoint: str) -> list[MixedHead]:
    """Returns what the head of each task of a run reads, in float32.

    Args:
      title: of the run; may be empty.
      run_dir: the run's folder.
      checkpoint: "best", "last" or a step.

    Returns:
      The tasks in their order, called "TITLE, TASK" where there are several, and
      TASK without a title.

    Raises:
      UserError: if the folder is not a run, has no whole checkpoint, or its
        tasks mix nothing.
    """
    experiment = load_experiment(run_dir)
    tf.keras.mixed_precision.set_global_policy("float32")
    tasks = [
        build_task(dataclasses.replace(experiment, selected=index), {})
        for index in range(len(experiment.members))
    ]
    networks = build_networks(experiment, tasks)
    holder = tf.train.Checkpoint(network=joint_network(networks) if len(tasks) > 1 else networks[0])
    step = restore_first_whole(holder, find_checkpoints(Path(run_dir), checkpoint))
    if step is None:
        raise UserError(f"{run_dir} has no checkpoint yet: train it first")
    observed: dict[str, ObservedNetwork] = {}
    heads = []
    for member, label, network in zip(experiment.members, experiment.labels, networks, strict=True):
        head_input = network.head_input
        if head_input is None or head_input.mixture is None:
            raise UserError(f"{run_dir} mixes no units: train it with --mixed_taps=all")
        trained = TrainedNetwork(network, member.options, {})
        seen = ObservedNetwork(run_dir, network.backbone, trained.inputs)
        heads.append(
            MixedHead(
                title=", ".join(filter(None, (title, label))) or member.name,
                task=member.name,
                step=step,
                network=observed.setdefault(getattr(member.options, "input", "gray"), seen),
                units=head_input.mixed,
                weights=head_input.mixture.weights_of_units.numpy(),
            )
        )
    return heads


def _open_views(chosen: AnalyzeOptions, flag_values: flags.FlagValues) -> Views:
    """Opens the photographs that are given, or those the run set aside."""
    if chosen.images:
        reader = open_all(chosen.images)
    else:
        reader = open_set_aside(load_experiment(chosen.model).data, chosen.model)
    return Views(
        reader,
        read_options(PhotographOptions, "", flag_values),
        read_options(SizeOptions, "network_", flag_values),
    )


def _steps_per_epoch(run_dir: str, options: LearningCurveOptions) -> float | None:
    """Returns how many steps a run takes for an epoch, None where that is not known."""
    try:
        experiment = load_experiment(run_dir)
        num_images = options.images_per_epoch or open_readers(experiment.data)["train"].num_examples
    except UserError as error:
        say(f"the length of an epoch is not known (--images_per_epoch): {error}")
        return None
    return num_images / experiment.training.batch_size
