"""Devices: one, several of one machine, or several machines."""

import contextlib
import json
import os
from collections.abc import Iterator

import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.data.pipeline import BatchPlan
from tfcolor.training.members import Member
from tfcolor.training.options import DistributionOptions, TrainingOptions

_EXAMPLES = {
    "multi_worker": {"worker": ["host0:2222", "host1:2222"]},
    "parameter_server": {
        "chief": ["host0:2222"],
        "ps": ["host1:2222"],
        "worker": ["host2:2222", "host3:2222"],
    },
}
"""The jobs that each strategy of several processes needs."""


def configure_runtime(training: TrainingOptions, distribution: DistributionOptions) -> None:
    """Sets what TensorFlow fixes at its first operation: determinism, devices, precision.

    Args:
      training: seed, determinism and precision.
      distribution: virtual devices.

    Raises:
      UserError: if TensorFlow has already started in this process with
        another number of devices.
    """
    if training.deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(training.seed)
    tf.keras.mixed_precision.set_global_policy(training.precision)
    wanted = distribution.num_virtual_devices
    if wanted:
        _split_processor(wanted)


def build_strategy(distribution: DistributionOptions) -> tf.distribute.Strategy:
    """Returns the strategy that the options name.

    Args:
      distribution: strategy and virtual devices.

    Returns:
      One device, all devices of this machine, or all workers of `TF_CONFIG`.

    Raises:
      UserError: if `multi_worker` or `parameter_server` is asked for without a
        usable `TF_CONFIG`.
    """
    kind = distribution.strategy
    if kind == "parameter_server":
        check_cluster(kind)
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        return tf.distribute.experimental.ParameterServerStrategy(resolver)
    if kind == "multi_worker":
        check_cluster(kind)
        # Before anything asks for the logical devices: that starts TensorFlow,
        # which then refuses to configure collective operations.
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    if kind == "mirrored" or (kind == "auto" and len(gpus) > 1):
        # Collective operations on the CPU take a second strategy of the process
        # for the first and fail on its shapes; on GPUs the default is NCCL.
        reduction = None if gpus else tf.distribute.ReductionToOneDevice()
        return tf.distribute.MirroredStrategy(devices, cross_device_ops=reduction)
    return tf.distribute.OneDeviceStrategy(devices[0].name)


@contextlib.contextmanager
def report_lost_workers() -> Iterator[None]:
    """Turns the errors of a collective operation into one that says what to do.

    Raises:
      UserError: if another worker died or cannot be reached any more.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise UserError(
            "another worker has died or cannot be reached; "
            "start all workers again to go on from the last checkpoint"
        ) from error


def has_workers(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether several processes train together."""
    resolver = strategy.cluster_resolver
    return resolver is not None and len(resolver.cluster_spec().as_dict()) > 0


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process writes the run's shared files."""
    if not has_workers(strategy):
        return True
    resolver = strategy.cluster_resolver
    return resolver.task_type == "chief" or (
        resolver.task_type == "worker"
        and resolver.task_id == 0
        and "chief" not in resolver.cluster_spec().jobs
    )


def plan_batches(
    member: Member, first_batch: int, replicas: int, context: tf.distribute.InputContext
) -> BatchPlan:
    """Returns which slices of each global batch this worker's replicas take.

    The global batch is cut into contiguous slices, one per replica, whose sizes
    differ by at most one, so the examples of a step do not depend on how many
    replicas share them.

    Args:
      member: the task; its batch size and seed count.
      first_batch: the batch to go on from.
      replicas: number of replicas over all workers.
      context: this worker's place among them.

    Returns:
      The plan of an endless training pipeline.

    Raises:
      UserError: if there are more replicas than examples in a batch.
    """
    batch_size = member.batch_size
    if batch_size < replicas:
        raise UserError(
            f"--batch_size={batch_size} cannot be shared by {replicas} replicas; "
            f"use at least {replicas}"
        )
    edges = shard_edges(batch_size, replicas)
    local = replicas // context.num_input_pipelines
    first = context.input_pipeline_id * local
    shards = tuple((edges[first + i], edges[first + i + 1]) for i in range(local))
    return BatchPlan(batch_size, member.seed, first_batch=first_batch, shards=shards)


def shard_edges(batch_size: int, count: int) -> list[int]:
    """Returns where shares of a batch begin and end, whose sizes differ by at most one.

    Example:
      >>> shard_edges(7, 2)
      [0, 3, 7]
    """
    return [batch_size * share // count for share in range(count + 1)]


def _split_processor(wanted: int) -> None:
    """Makes `wanted` logical devices of the CPU."""
    processors = tf.config.list_physical_devices("CPU")
    devices = [tf.config.LogicalDeviceConfiguration() for _ in range(wanted)]
    try:
        tf.config.set_logical_device_configuration(processors[0], devices)
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) != wanted:
            raise UserError(
                f"--num_virtual_devices={wanted}: TensorFlow already runs with other devices"
            ) from error


def check_cluster(strategy: str) -> str:
    """Returns this process's job, if `TF_CONFIG` describes a cluster and a place in it.

    Args:
      strategy: "multi_worker" or "parameter_server".

    Returns:
      "chief", "worker" or "ps".

    Raises:
      UserError: if it does not, or lacks a job that the strategy needs.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        cluster = json.loads(text)
        jobs, task = cluster["cluster"], cluster["task"]
        jobs[task["type"]][task["index"]]
        missing = [job for job in _EXAMPLES[strategy] if not jobs.get(job)]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise _no_cluster(strategy, text or "not set") from error
    if missing:
        raise _no_cluster(strategy, text)
    return str(task["type"])


def _no_cluster(strategy: str, found: str) -> UserError:
    """Returns the error that shows what `TF_CONFIG` should look like."""
    example = {"cluster": _EXAMPLES[strategy], "task": {"type": "worker", "index": 0}}
    return UserError(
        f"--strategy={strategy} needs TF_CONFIG, for example {json.dumps(example)}; it is {found}"
    )
