"""Devices: one, several of one machine, or several machines."""

import contextlib
import json
import os
import socket
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from concurrent import futures

import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.core.progress import say
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.service import keep_free
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

_SEVERAL_GPUS = (
    "a worker has several GPUs; expected one process for each GPU, each with its own"
    " CUDA_VISIBLE_DEVICES and its own place in TF_CONFIG"
)

CONNECT_SECS = 2.0
"""How long another process of the cluster may take to answer."""

MAX_ASKED = 32
"""How many are asked at the same time."""

POLL_SECS = 0.5
REMIND_SECS = 30.0
"""After which those that do not answer yet are named again."""


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
      One device, all devices of this machine, or all workers of `TF_CONFIG`, for
      which a chief of parameter servers waits.

    Raises:
      UserError: if `multi_worker` or `parameter_server` is asked for without a
        usable `TF_CONFIG`; if the chief's own address cannot be listened on;
        or if a worker has several GPUs.
    """
    kind = distribution.strategy
    if kind == "parameter_server":
        check_cluster(kind)
        return _connect_to_servers()
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


def wait_for_processes(addresses: Mapping[str, str]) -> None:
    """Waits until other processes of a cluster can be reached, and says for which.

    TensorFlow waits for them without a word. However long they take to start, this
    goes on; a signal ends it.

    Args:
      addresses: "HOST:PORT" of each by what messages call it, "worker 0".

    Raises:
      UserError: if one of them is no address.
    """
    for address in addresses.values():
        _host_and_port(address)
    listed = ", ".join(f"{name} at {address}" for name, address in addresses.items())
    say(f"waiting for {len(addresses)} processes of the cluster: {listed}")
    told = time.monotonic()
    while silent := _silent(addresses):
        if time.monotonic() - told >= REMIND_SECS:
            told = time.monotonic()
            say(f"still waiting: nothing answers as {', '.join(silent)}; start what is missing")
        time.sleep(POLL_SECS)


def _connect_to_servers() -> tf.distribute.Strategy:
    """Returns the strategy of a chief, once its port is free and the others answer."""
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    cluster = resolver.cluster_spec()
    own = cluster.task_address(resolver.task_type, resolver.task_id)
    others = {
        f"{job} {number}": cluster.task_address(job, number)
        for job in ("ps", "worker")
        for number in cluster.task_indices(job)
    }
    # TensorFlow ends the process where it cannot listen, and a second chief might wait as well.
    with keep_free(_host_and_port(own)[1], f"the chief's address {own} in TF_CONFIG"):
        wait_for_processes(others)
    try:
        strategy = tf.distribute.experimental.ParameterServerStrategy(resolver)
    except ValueError as error:
        if not str(error).startswith("Mismatched number of GPUs"):
            raise
        raise UserError(_SEVERAL_GPUS) from error
    if strategy.num_replicas_in_sync > 1:  # of one worker
        raise UserError(_SEVERAL_GPUS)
    return strategy


def _silent(addresses: Mapping[str, str]) -> list[str]:
    """Returns which processes do not answer, with their addresses."""
    with futures.ThreadPoolExecutor(MAX_ASKED) as pool:
        are_there = pool.map(_answers, addresses.values())
        return [
            f"{name} at {address}"
            for (name, address), is_there in zip(addresses.items(), are_there, strict=True)
            if not is_there
        ]


def _answers(address: str) -> bool:
    """Tells whether somebody listens at an address; a host without one may still get it."""
    try:
        socket.create_connection(_host_and_port(address), CONNECT_SECS).close()
    except (OSError, UnicodeError):
        return False
    return True


def _host_and_port(address: str) -> tuple[str, int]:
    """Returns the two parts of an address in `TF_CONFIG`, or raises UserError."""
    with contextlib.suppress(ValueError):
        parts = urllib.parse.urlsplit(f"//{address}")
        if parts.hostname and parts.port:
            return parts.hostname, parts.port
    raise UserError(f"the address {address!r} in TF_CONFIG: expected HOST:PORT")


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
