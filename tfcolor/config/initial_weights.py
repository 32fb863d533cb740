"""How the backbone of a new run starts: random, fitted to images, or another run's."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from tfcolor.backbones.base import Backbone, BackboneOptions
from tfcolor.backbones.chain import ChainBackbone
from tfcolor.backbones.field_of_view import WidenedBackbone
from tfcolor.config.assembly import build_backbone, build_task
from tfcolor.config.experiment import Experiment, load_experiment
from tfcolor.core.columns import WHOLE
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.progress import say
from tfcolor.core.seeds import derive_seed
from tfcolor.data.pipeline import BatchPlan
from tfcolor.models.batch_statistics import recompute_statistics
from tfcolor.models.columns import combine_columns
from tfcolor.models.kmeans import initialize_by_kmeans
from tfcolor.models.surgery import rebalance, transfer_backbone
from tfcolor.tasks.base import TRAIN_SPLIT, Task
from tfcolor.training.checkpoints import find_checkpoints, restore_first_whole

RANDOM, KMEANS = "random", "kmeans"
NUM_PIXELS, MAX_IMAGES = 2**22, 512
"""Training images that k-means and re-balancing see: about so many pixels in all."""
IMAGE_BATCH, STATISTICS_BATCH = 4, 32

_OBJECT = "network/backbone/"
_SLOT = "/.OPTIMIZER_SLOT"


@dataclasses.dataclass(frozen=True)
class OtherRun:
    """A run whose backbone is taken over.

    Args:
      folder: where it is.
      experiment: what made it.
    """

    folder: str
    experiment: Experiment


def initialize_backbone(backbone: Backbone, experiment: Experiment, task: Task) -> None:
    """Gives the backbone of a new run the weights that its options name.

    Says in one line what was done, unless nothing was asked for. Blocks above the
    base network stay random unless the other run has as many of them.

    Args:
      backbone: of a new run, with random weights; its variables change.
      experiment: of the new run.
      task: gives the training images that k-means and re-balancing look at.

    Raises:
      UserError: if the weights cannot be used; the message says what could.
    """
    run = experiment.run
    start = run.initial_weights
    if not (start or run.rebalance or run.recompute_batch_norm):
        return
    if start in ((), (RANDOM,)):
        notes = ["random weights"]
    elif start == (KMEANS,):
        notes = _start_by_kmeans(backbone, experiment, task)
    elif len(start) == 1:
        notes = _start_from_run(backbone, experiment, _load_other(start[0], experiment))
    else:
        notes = _start_from_columns(backbone, experiment)
    if run.rebalance:
        _check_one_process(experiment, "--rebalance")
        rebalance(_base_of(backbone), _training_images(task, experiment))
        notes.append("every layer is re-balanced on training images")
    if run.recompute_batch_norm:
        _check_one_process(experiment, "--recompute_batch_norm")
        images = _training_images(task, experiment, STATISTICS_BATCH)
        count = recompute_statistics(backbone, images)
        notes.append(f"batch norm has the statistics of {count} training images")
    say(f"{run.backbone} starts from {'; '.join(notes)}")


def _start_by_kmeans(backbone: Backbone, experiment: Experiment, task: Task) -> list[str]:
    """Fits the base network to training images; returns what was done, in words."""
    _check_one_process(experiment, f"--initial_weights={KMEANS}")
    images = tf.concat(list(_training_images(task, experiment)), axis=0)
    random_layers = initialize_by_kmeans(
        _base_of(backbone),
        images,
        seed=experiment.training.seed,
        convolutional=task.convolutional,
    )
    notes = [f"k-means filters of {len(images)} training images"]
    if random_layers:
        notes.append(f"{', '.join(random_layers)} random, of unit variance on them")
    return notes + _note_on_blocks(backbone)


def _start_from_run(backbone: Backbone, experiment: Experiment, other: OtherRun) -> list[str]:
    """Takes over the backbone of another run; returns what was done, in words.

    Tensors are matched by their place among the objects of the backbone, and all
    of them must have a fellow of the same shape on the other side; or else, where
    batch norm, input channels or blocks differ, layers are matched by name.
    """
    task = build_task(other.experiment, {})
    is_same = _structure(other.experiment, task.input_channels) == _structure(
        experiment, backbone.input_channels
    )
    source = backbone if is_same else build_backbone(other.experiment, task)
    step = _restore(source, experiment, other)
    notes = [f"step {step} of {other.folder}"]
    if not is_same:
        notes += _transfer(source, backbone, experiment, other)
    for batch_norm in backbone.batch_norms.values():
        # The ramp is over the steps of a run: else the statistics of the other
        # run's images would outlast hundreds of steps of this one.
        batch_norm.restart_ramp()
    return notes


def _start_from_columns(backbone: Backbone, experiment: Experiment) -> list[str]:
    """Puts the backbones of several runs side by side; returns what was done, in words."""
    run, target = experiment.run, _base_of(backbone)
    if not isinstance(target, ChainBackbone) or target.column != WHOLE:
        raise UsageError(
            f"--initial_weights={','.join(run.initial_weights)}: expected one run, since only a "
            f"whole network that is a chain of layers can have columns, and {run.backbone} is none"
        )
    sources, notes = [], []
    for index, folder in enumerate(run.initial_weights):
        other = _load_other(folder, experiment)
        _check_column(other, f"{index}/{len(run.initial_weights)}", experiment)
        source = build_backbone(other.experiment, build_task(other.experiment, {}))
        notes.append(f"step {_restore(source, experiment, other)} of {folder}")
        sources.append(_base_of(source))
    try:
        combine_columns(
            sources, target, cross_scale=run.initial_cross_scale, seed=experiment.training.seed
        )
    except ValueError as error:
        raise UserError(f"--initial_weights={','.join(run.initial_weights)}: {error}") from error
    return [f"columns: {', '.join(notes)}", *_note_on_blocks(backbone)]


def _transfer(
    source: Backbone, target: Backbone, experiment: Experiment, other: OtherRun
) -> list[str]:
    """Bridges what differs between two backbones; returns what was done, in words."""
    run_dir, name = other.folder, experiment.run.backbone
    if target.batch_norms and not source.batch_norms:
        raise UserError(
            f"--initial_weights={run_dir} has no batch norm, so no statistics to start one from:"
            f" give this run --{name}_use_batch_norm=false too"
        )
    absorbs = bool(source.batch_norms) and not target.batch_norms
    if absorbs and not isinstance(_base_of(source), ChainBackbone):
        raise UserError(
            f"--initial_weights={run_dir} has batch norm, which {name} keeps:"
            f" give this run --{name}_use_batch_norm=true"
        )
    keeps_blocks = other.experiment.run.field_of_view_blocks == experiment.run.field_of_view_blocks
    pair = (source, target) if keeps_blocks else (_base_of(source), _base_of(target))
    try:
        notes = list(transfer_backbone(*pair))
    except ValueError as error:
        differences = _differences(other, experiment.backbone)
        raise UserError(f"--initial_weights={run_dir} has other layers{differences}") from error
    return notes if keeps_blocks else notes + _note_on_blocks(target)


def _load_other(run_dir: str, experiment: Experiment) -> OtherRun:
    """Returns a run to start from, which has the same backbone."""
    if Path(run_dir).is_file():
        raise UserError(
            f"--initial_weights={run_dir} is a file; make a run of published weights first:"
            f" tfcolor convert --source={run_dir} --run_dir=RUN"
        )
    if not Path(run_dir).exists():
        raise UserError(
            f"--initial_weights={run_dir}: expected random, {KMEANS} or a run's folder,"
            " and there is no such folder"
        )
    other = load_experiment(run_dir)
    if other.run.backbone != experiment.run.backbone:
        raise UserError(
            f"--initial_weights={run_dir} is a run with --backbone={other.run.backbone}; "
            f"this one has {experiment.run.backbone}"
        )
    return OtherRun(run_dir, other)


def _restore(source: Backbone, experiment: Experiment, other: OtherRun) -> int | None:
    """Reads the weights of another run's backbone; returns their step."""
    prefixes = find_checkpoints(Path(other.folder), experiment.run.initial_checkpoint)
    if not prefixes:
        raise UserError(f"--initial_weights={other.folder} has no checkpoint yet: train it first")
    if _saved_shapes(prefixes[0][1]) != Counter(tuple(one.shape) for one in source.variables):
        differences = _differences(other, experiment.backbone)
        raise UserError(f"--initial_weights={other.folder} has other layers{differences}")
    _check_mean(other, experiment)
    holder = tf.train.Checkpoint(network=tf.train.Checkpoint(backbone=source))
    return restore_first_whole(holder, prefixes)


def _structure(experiment: Experiment, channels: int) -> tuple[int, bool, int]:
    """Returns in what two backbones may differ and yet be carried over."""
    return (
        channels,
        experiment.backbone.use_batch_norm,
        experiment.run.field_of_view_blocks,
    )


def _base_of(backbone: Backbone) -> Backbone:
    """Returns the network below the further blocks, if there are any."""
    return backbone.base if isinstance(backbone, WidenedBackbone) else backbone


def _note_on_blocks(backbone: Backbone) -> list[str]:
    """Returns that further blocks stay random, if there are any."""
    return [] if _base_of(backbone) is backbone else ["its further blocks stay random"]


def _training_images(
    task: Task, experiment: Experiment, batch_size: int = IMAGE_BATCH
) -> Iterator[tf.Tensor]:
    """Yields float32 [b, H, W, C] views of training images, as the run will see them.

    Of patches b counts those of all examples.
    """
    seed = derive_seed(experiment.training.seed, "initial images")
    views = task.make_dataset(TRAIN_SPLIT, BatchPlan(batch_size, seed))
    count = 0
    for inputs, _ in views:
        images = inputs["image"]
        images = tf.reshape(images, [-1, *images.shape[-3:]])
        yield images
        count += len(images)
        if count >= min(MAX_IMAGES, NUM_PIXELS // (images.shape[1] * images.shape[2])):
            return


def _check_one_process(experiment: Experiment, flag: str) -> None:
    """Raises UserError where several processes would have to find the same weights."""
    if experiment.distribution.strategy == "multi_worker":
        raise UserError(
            f"{flag} with --strategy=multi_worker: workers would not agree to the last digit;"
            " train one step on one device and start from that run"
        )


def _check_mean(other: OtherRun, experiment: Experiment) -> None:
    """Raises UserError if the other backbone expects images less another mean."""
    theirs, ours = other.experiment.backbone.input_mean, experiment.backbone.input_mean
    if theirs != ours:
        name, value = experiment.run.backbone, ",".join(map(str, theirs))
        raise UserError(
            f"--initial_weights={other.folder} was made with"
            f" --{name}_input_mean={value}: give this run the same"
        )


def _saved_shapes(prefix: str) -> Counter[tuple[int, ...]]:
    """Returns how often each shape occurs in the backbone of a checkpoint."""
    try:
        shapes = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise UserError(f"cannot read the checkpoint {prefix}: {error}") from error
    return Counter(
        tuple(shape)
        for key, shape in shapes.items()
        if key.startswith(_OBJECT) and _SLOT not in key
    )


def _check_column(other: OtherRun, column: str, experiment: Experiment) -> None:
    """Raises UserError unless a run's backbone is a column of that of the new run."""
    expected = dataclasses.replace(experiment.backbone, column=column)
    if other.experiment.backbone != expected:
        raise UserError(
            f"--initial_weights={other.folder} is not column {column} of this network"
            f"{_differences(other, expected)}"
        )


def _differences(other: OtherRun, options: BackboneOptions) -> str:
    """Returns the flags in which another run's backbone differs from one, in words."""
    name = other.experiment.run.backbone
    theirs, ours = (dataclasses.asdict(one) for one in (other.experiment.backbone, options))
    rows = [
        f"--{name}_{field} was {theirs[field]}, is {ours[field]}"
        for field in ours
        if theirs[field] != ours[field]
    ]
    return f": {'; '.join(rows)}" if rows else ""
