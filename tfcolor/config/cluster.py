"""Runs upon parameter servers: what each process of the cluster does, from its flags."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from absl import flags

from tfcolor.config.assembly import build_network, build_task, open_experiment_readers
from tfcolor.config.completion import complete_experiment
from tfcolor.config.experiment import UNRECORDED, Experiment
from tfcolor.config.flags import resolved_flags
from tfcolor.config.found_schedule import follow_schedule
from tfcolor.core.errors import UsageError
from tfcolor.models.freezing import freeze_through
from tfcolor.ops.implementation import default_implementation
from tfcolor.tasks import TASKS
from tfcolor.tasks.base import RoundTask, Task, check_share
from tfcolor.tasks.distillation import DistillationOptions
from tfcolor.training.cluster_loop import (
    Cluster,
    ClusterTrainer,
    end_servers,
    report_lost_servers,
)
from tfcolor.training.distribution import check_cluster, configure_runtime
from tfcolor.training.exchange import Crew, Exchange, Link
from tfcolor.training.joint import weights_of_tasks
from tfcolor.training.loop import Run
from tfcolor.training.members import Member
from tfcolor.training.optimizers import SharedNetwork, Update
from tfcolor.training.options import DistributionOptions, JointOptions
from tfcolor.training.signals import StopRequest
from tfcolor.training.synchronization import (
    Group,
    fewest_workers,
    plan_groups,
    share_workers,
)
from tfcolor.training.worker_server import BatchSource, ClusterServer, fingerprint

STRATEGY = "parameter_server"


def is_server(experiment: Experiment) -> bool:
    """Tells whether this process is a parameter server or a worker of one.

    Args:
      experiment: its strategy.

    Returns:
      False in the chief, and without parameter servers.

    Raises:
      UserError: if `TF_CONFIG` describes no cluster with parameter servers.
    """
    return experiment.distribution.strategy == STRATEGY and check_cluster(STRATEGY) != "chief"


def check_shares(experiment: Experiment) -> None:
    """Checks that a run can be trained as it is shared out, and has batches large enough.

    The workers of parameter servers compute their losses apart. A task whose
    losses compare examples then compares those of a worker's share: its loss is
    not that of the same batch elsewhere, and changes with the number of workers.

    Args:
      experiment: as the flags say; before anything is written.

    Raises:
      UsageError: if a task has examples to compare and gets too few; or, upon
        parameter servers, if the experiment cannot be trained so, or there are too
        few workers for the tasks, no fewer backups, or more workers of a task than
        examples in its batch.
      UserError: if `TF_CONFIG` describes no cluster with parameter servers.
    """
    options, workers = experiment.distribution, (1,) * len(experiment.members)
    if options.strategy == STRATEGY:
        _check(experiment)
        check_cluster(STRATEGY)
        workers = share_workers(options.task_workers, len(workers), _count_processes("worker"))
        check_backups(options, plan_groups(options.synchronization, workers))
    for member, count in zip(experiment.members, workers, strict=True):
        if member.batch_size < count:
            raise UsageError(
                f"--batch_size={member.batch_size} cannot be shared by {count} workers;"
                f" use at least {count}"
            )
        check_share(TASKS[member.name], member.batch_size, count)


def serve_cluster(experiment: Experiment, flag_values: flags.FlagValues) -> None:
    """Serves variables, or computes gradients, until the run is over.

    Args:
      experiment: as the flags say.
      flag_values: the parsed flags; a worker needs the same as the chief.

    Raises:
      UserError: if something the flags name cannot be used.
    """
    configure_runtime(experiment.training, experiment.distribution)
    server = ClusterServer()
    if check_cluster(STRATEGY) == "ps":
        server.serve()
        return
    readers = open_experiment_readers(experiment)
    experiment = complete_experiment(experiment, readers, flag_values)
    experiment = follow_schedule(experiment, flag_values)
    tasks = [
        build_task(dataclasses.replace(experiment, selected=index), own)
        for index, own in enumerate(readers)
    ]
    # The chief's graphs may call the native op here, which no model of this
    # process would load.
    default_implementation()
    server.serve(_source(experiment, tasks), _fingerprint(flag_values))


def train_on_cluster(
    experiment: Experiment, run: Run, request: StopRequest, flag_values: flags.FlagValues
) -> dict[str, Any]:
    """Trains as the chief of a cluster, and ends its other processes when all is done.

    Args:
      experiment: completed.
      run: with the networks that are trained, made in the strategy's scope.
      request: a signal ends the run early; the other processes go on then.
      flag_values: the parsed flags.

    Returns:
      What `result.json` holds.

    Raises:
      UserError: if a parameter server is lost.
      StoppedError: after a signal, once everything is saved.
    """
    with report_lost_servers():
        cluster = build_cluster(experiment, run, flag_values)
        result = ClusterTrainer(run, request, cluster).train()
    end_servers(_count_processes("worker"), _count_processes("ps"))
    return result


def build_cluster(experiment: Experiment, run: Run, flag_values: flags.FlagValues) -> Cluster:
    """Returns what a run has besides on parameter servers.

    Every group of workers gets a copy of the networks of its tasks, to compute
    its gradients at. What the run measures, like what it saves, are the networks
    that are trained.

    Args:
      experiment: completed.
      run: with the networks that are trained, made in the strategy's scope.
      flag_values: the parsed flags.

    Returns:
      Its groups of workers, which have read the parameters as they are now.
    """
    options = experiment.distribution
    workers = share_workers(options.task_workers, len(run.members), _count_processes("worker"))
    weights = weights_of_tasks(run.joint, len(run.members))
    with run.strategy.scope():
        updates = tuple(
            Update(
                SharedNetwork(run.backbone, (member.network,), (member.name,)),
                run.optimization,
                JointOptions(task_weights=(weight,)),
                use_loss_scaling=False,
                num_peers=len(run.members),
            )
            for member, weight in zip(run.members, weights, strict=True)
        )
    source = _source(experiment, [member.task for member in run.members])
    link = Link(_fingerprint(flag_values))
    exchanges: list[Exchange] = []
    crews: list[Crew] = []
    for group in plan_groups(options.synchronization, workers):
        own = {
            task: Crew(
                _copy_member(experiment, run, task),
                run.members[task].network,
                updates[task],
                source.specification(task),
            )
            for task in group.tasks
        }
        exchanges.append(Exchange(run.strategy, group, own, link, options.num_backups))
        exchanges[-1].read()
        crews += own.values()
    coordinator = tf.distribute.coordinator.ClusterCoordinator(run.strategy)
    return Cluster(coordinator, tuple(exchanges), tuple(crews), updates)


def check_backups(options: DistributionOptions, groups: Sequence[Group]) -> None:
    """Checks that every update waits for somebody.

    Args:
      options: the number of backup workers.
      groups: who waits for whom.

    Raises:
      UsageError: if there are as many backups as workers.
    """
    if options.num_backups >= (fewest := fewest_workers(groups)):
        raise UsageError(
            f"--num_backups={options.num_backups}: an update waits for {fewest} workers of a task"
            f" by --synchronization={options.synchronization}; expected fewer backups"
        )


def _count_processes(job: str) -> int:
    """Returns how many processes of the cluster do a job."""
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    return int(resolver.cluster_spec().num_tasks(job))


def _copy_member(experiment: Experiment, run: Run, task: int) -> Member:
    """Returns a task with a network of its own, which has other weights still."""
    member = run.members[task]
    with run.strategy.scope():
        network = build_network(dataclasses.replace(experiment, selected=task), member.task)
    if experiment.run.frozen_through:
        freeze_through(network.backbone, experiment.run.frozen_through)
    for trained, copy in zip(member.network.variables, network.variables, strict=True):
        copy.assign(trained)
    return dataclasses.replace(member, network=network)


def _source(experiment: Experiment, tasks: Sequence[Task]) -> BatchSource:
    """Returns what makes the batches of all tasks."""
    sizes = [member.batch_size for member in experiment.members]
    return BatchSource(tasks, sizes, experiment.seeds)


def _fingerprint(flag_values: flags.FlagValues) -> int:
    """Returns the number that the flags of chief and workers share."""
    return fingerprint(resolved_flags(flag_values, UNRECORDED))


def _check(experiment: Experiment) -> None:
    """Raises UsageError for what cannot be trained upon parameter servers."""
    reasons = {
        "--task=distillation": isinstance(experiment.task, DistillationOptions)
        or any(isinstance(one.options, DistillationOptions) for one in experiment.members),
        "--precision=mixed_float16": experiment.training.precision == "mixed_float16",
        "--split_weights": experiment.joint.split_weights,
        "--task_order=round_robin": experiment.joint.task_order == "round_robin",
        # Each task has an Adam of its own here, which divides the weight out.
        "--optimizer=adam and --task_weights": experiment.optimization.optimizer == "adam"
        and bool(experiment.joint.task_weights),
    }
    for flag, is_given in reasons.items():
        if is_given:
            raise UsageError(f"{flag} with --strategy={STRATEGY}: expected another strategy")
    for member in experiment.members:
        if isinstance(TASKS[member.name](member.options, {}), RoundTask):
            raise UsageError(
                f"--task={member.name}: its targets are made anew round by round, which"
                f" --strategy={STRATEGY} cannot do"
            )
