"""A tf.data service in front of training: its processes, and runs that read from it."""

import dataclasses
import os
import time
from typing import Any

from absl import flags

from tfcolor.config.assembly import build_task, open_experiment_readers
from tfcolor.config.completion import complete_experiment
from tfcolor.config.experiment import TRAIN_OPTIONS, Experiment, read_experiment
from tfcolor.config.flags import read_options
from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.progress import say
from tfcolor.data.service import parse_service_address, start_dispatcher
from tfcolor.tasks import TASKS
from tfcolor.tasks.base import RoundTask
from tfcolor.tasks.distillation import DistillationOptions
from tfcolor.training.data_service import DataService
from tfcolor.training.data_worker import DataWorker
from tfcolor.training.distribution import configure_runtime
from tfcolor.training.options import DistributionOptions
from tfcolor.training.signals import StopRequest
from tfcolor.training.worker_server import BatchSource, fingerprint

POLL_SECS = 0.1


@dataclasses.dataclass(frozen=True)
class ServiceOptions:
    """Which process of the service this is."""

    role: str = option(
        "worker",
        "the dispatcher, which knows the workers, or one of the workers, which make the batches",
        choices=("dispatcher", "worker"),
    )
    port: int = option(0, "port to listen on; 0 takes a free one", minimum=0, maximum=65535)
    dispatcher: str = option("", "HOST:PORT of the dispatcher (role=worker)")
    host: str = option("localhost", "name by which runs reach this machine (role=worker)")


SERVICE_OPTIONS: tuple[tuple[type, str], ...] = ((ServiceOptions, ""), *TRAIN_OPTIONS)
"""Options dataclasses of `data_service` with the prefix of their flags."""


def serve_data(flag_values: flags.FlagValues, request: StopRequest) -> int:
    """Is a process of the service until a signal.

    Args:
      flag_values: with the flags of `SERVICE_OPTIONS`.
      request: notes the signal.

    Returns:
      The exit status: 143 after SIGTERM, 130 after SIGINT. A worker ends the
      process with it instead.

    Raises:
      UsageError: if the flags do not fit the role, or the examples cannot be made
        apart from training.
      UserError: if the dispatcher does not answer, or the port is taken.
    """
    options = read_options(ServiceOptions, "", flag_values)
    if options.role == "dispatcher":
        if options.dispatcher:
            raise UsageError(f"--dispatcher={options.dispatcher}: expected --role=worker with it")
        server = start_dispatcher(options.port)
        say(f"dispatcher serves {server.target}")
    else:
        address, server = _start_worker(options, flag_values)
        say(f"worker serves {address} for the dispatcher at {options.dispatcher}")
    while request.signal_number is None:
        time.sleep(POLL_SECS)
    say("stopped")
    if options.role == "worker":
        # A server that is stopped or collected waits, with Python's lock held, for
        # the batch that is being made, which needs the lock.
        os._exit(request.exit_status)
    server.stop()
    return request.exit_status


def open_service(experiment: Experiment) -> DataService | None:
    """Returns the service that makes the batches of a run, if its flags name one.

    Args:
      experiment: completed.

    Returns:
      The service, or None without an address.

    Raises:
      UsageError: if the address is none, or the examples cannot be made apart
        from training.
      UserError: if there is no such service, or it has too few workers.
    """
    options = experiment.distribution
    if not options.data_service:
        return None
    return DataService(options.data_service, _fingerprint(experiment), options.data_service_workers)


def check_service(experiment: Experiment) -> None:
    """Checks that a service can make the examples of an experiment, if one is to.

    Args:
      experiment: as the flags say.

    Raises:
      UsageError: if it cannot.
    """
    options = experiment.distribution
    if not options.data_service:
        return
    parse_service_address(options.data_service, "--data_service")
    if options.strategy == "parameter_server":
        raise UsageError(
            "--data_service with --strategy=parameter_server, whose workers read their own"
            " images: expected another strategy"
        )
    _check_tasks(experiment, "--data_service")


def _start_worker(options: ServiceOptions, flag_values: flags.FlagValues) -> tuple[str, Any]:
    """Starts a worker; returns its address, and what serves as long as it is kept."""
    dispatcher = parse_service_address(options.dispatcher, "--dispatcher")
    experiment = read_experiment(flag_values)
    _check_tasks(experiment, "--role=worker")
    configure_runtime(experiment.training, DistributionOptions())
    worker = DataWorker()
    readers = open_experiment_readers(experiment)
    experiment = complete_experiment(experiment, readers, flag_values)
    tasks = [
        build_task(dataclasses.replace(experiment, selected=index), own)
        for index, own in enumerate(readers)
    ]
    sizes = [member.batch_size for member in experiment.members]
    source = BatchSource(tasks, sizes, experiment.seeds)
    return worker.start(dispatcher, options.host, options.port, source, _fingerprint(experiment))


def _check_tasks(experiment: Experiment, flag: str) -> None:
    """Raises UsageError for tasks whose targets come from a network."""
    for member in experiment.members:
        is_distillation = isinstance(member.options, DistillationOptions)
        if is_distillation or isinstance(TASKS[member.name](member.options, {}), RoundTask):
            raise UsageError(
                f"--task={member.name} with {flag}: its targets come from a network, which only"
                " the training process has"
            )


def _fingerprint(experiment: Experiment) -> int:
    """Returns the number that a run and the workers share: of all that fixes the examples."""
    members = {str(index): repr(member) for index, member in enumerate(experiment.members)}
    return fingerprint(members | {"seeds": repr(experiment.seeds)})
