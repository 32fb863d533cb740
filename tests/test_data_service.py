"""The processes of a service, and runs that read from them: bit by bit what a run reads itself."""

import dataclasses
import itertools
import json
import signal
import time

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.config.command import define_flags, execute
from tests.loopback import free_addresses
from tfcolor.config.assembly import build_task, open_experiment_readers
from tfcolor.config.completion import complete_experiment
from tfcolor.config.data_service import open_service
from tfcolor.config.experiment import read_experiment
from tfcolor.core.errors import UserError
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.service import find_workers
from tfcolor.data_service import COMMAND
from tfcolor.train import COMMAND as TRAIN
from tfcolor.training import data_service
from tfcolor.training.synchronization import Place

TASKS = ("--task=colorization,rotation", "--batch_size=5")
LONGER = ("--num_steps=12", "--evaluate_every_steps=12", "--checkpoint_every_steps=4")


def wait_for(holds, *processes):
    """Waits until a condition holds, as long as the processes run."""
    deadline = time.monotonic() + 100
    while not holds():
        assert all(one.returncode is None for one in processes), [one.shown() for one in processes]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def start_workers(start_command, dispatcher, flags, count):
    """Starts workers and waits until they serve."""
    arguments = ["--role=worker", f"--dispatcher={dispatcher}", *flags]
    workers = [start_command("data_service", arguments) for _ in range(count)]
    wait_for(lambda: all("worker serves" in one.shown() for one in workers), *workers)
    return workers


@pytest.fixture(scope="module")
def dispatcher(start_command):
    """The address of a dispatcher in a process of its own."""
    (address,) = free_addresses(1)
    port = address.rpartition(":")[2]
    process = start_command("data_service", ["--role=dispatcher", f"--port={port}"])
    wait_for(lambda: "dispatcher serves" in process.shown(), process)
    yield address
    process.send_signal(signal.SIGTERM)
    assert "stopped" in process.wait()
    assert process.returncode == 143


@pytest.fixture(scope="module")
def flags(tiny_flags):
    return [*tiny_flags, *TASKS, *LONGER]


@pytest.fixture(scope="module")
def workers(start_command, dispatcher, flags):
    """Two workers in processes of their own."""
    workers = start_workers(start_command, dispatcher, flags, 2)
    yield workers
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
        worker.wait()
        assert worker.returncode == 143


def open_run(*arguments):
    """Returns the tasks of a run, its seeds and its service."""
    flag_values = define_flags(TRAIN)
    flag_values(["train", *arguments])
    experiment = read_experiment(flag_values)
    readers = open_experiment_readers(experiment)
    experiment = complete_experiment(experiment, readers, flag_values)
    tasks = [
        build_task(dataclasses.replace(experiment, selected=index), own)
        for index, own in enumerate(readers)
    ]
    return tasks, experiment.seeds, open_service(experiment)


def test_help_teaches(capsys):
    assert execute(COMMAND, ["--help"]) == 0
    shown = capsys.readouterr().out
    assert "tfcolor train --data_service=HOST:5050" in shown
    assert "--role=worker" in shown
    assert "--batch_size=8" in shown


def test_mistake_is_one_line(capsys):
    assert execute(COMMAND, ["--role=server"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tfcolor data_service: ")
    assert "dispatcher" in line


def test_two_workers_make_the_examples_of_a_local_pipeline(dispatcher, workers, flags):
    assert len(find_workers(dispatcher, 2)) == len(workers)
    address = f"--data_service=grpc://{dispatcher}"
    tasks, seeds, service = open_run(*flags, address, "--data_service_workers=2")
    cases = [
        (Place(0, 0, 1), ((0, 2), (2, 5)), 0),
        (Place(0, 1, 2), ((2, 5),), 3),  # resumed, and the second process of two
        (Place(1, 0, 1), ((0, 5),), 7),
    ]
    for place, shards, first in cases:
        plan = BatchPlan(5, seeds[place.task], first_batch=first, shards=shards)
        local = tasks[place.task].make_dataset("train", plan)
        dataset = service.make_dataset(place, plan, local.element_spec)
        assert dataset.options().autotune.enabled is False
        served = service.watch(dataset)
        pairs = zip(local, served, strict=False)
        for one, other in itertools.islice(pairs, 5):
            tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def test_workers_of_other_examples_are_refused(dispatcher, workers, flags, monkeypatch):
    assert workers
    monkeypatch.setattr(data_service, "_hold", list)
    tasks, seeds, service = open_run(*flags, "--seed=1", f"--data_service={dispatcher}")
    plan = BatchPlan(5, seeds[0])
    specification = tasks[0].make_dataset("train", plan).element_spec
    with pytest.raises(UserError, match="started with other flags"):
        next(service.watch(service.make_dataset(Place(0, 0, 1), plan, specification)))


def steps_of(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{**line, "images_per_second": 0} for line in lines]


@pytest.mark.slow
def test_runs_learn_the_same_killed_in_the_middle_and_with_another_worker(
    start_command, dispatcher, workers, flags, tmp_path
):
    assert workers
    alone, served = tmp_path / "alone", tmp_path / "served"
    assert execute(TRAIN, [*flags, f"--run_dir={alone}"]) == 0
    arguments = [*flags, f"--run_dir={served}", f"--data_service={dispatcher}"]
    trained = start_command("train", arguments)
    log = served / "metrics.jsonl"
    wait_for(lambda: log.exists() and len(log.read_text().splitlines()) >= 5, trained)
    trained.send_signal(signal.SIGKILL)
    trained.wait()
    start_workers(start_command, dispatcher, flags, 1)
    shown = start_command("train", [*arguments, "--data_service_workers=3"]).wait()
    assert "resuming" in shown
    assert "3 workers of the data service" in shown
    assert steps_of(served) == steps_of(alone)
    assert len(steps_of(served)) == 12


@pytest.mark.slow
def test_a_lost_worker_ends_the_run_and_its_command_goes_on(
    start_command, dispatcher, workers, flags, tmp_path
):
    assert workers
    (worker,) = start_workers(start_command, dispatcher, flags, 1)
    arguments = [*flags, f"--run_dir={tmp_path}/run", f"--data_service={dispatcher}"]
    longer = [*arguments, "--num_steps=100000", "--evaluate_every_steps=100000"]
    trained = start_command("train", longer)
    log = tmp_path / "run/metrics.jsonl"
    wait_for(lambda: log.exists() and len(log.read_text().splitlines()) >= 6, trained)
    worker.send_signal(signal.SIGKILL)
    assert "start this command again to go on" in trained.wait(60).splitlines()[-1]
    assert trained.returncode == 1
    steps = len(log.read_text().splitlines())
    trained = start_command("train", longer)
    wait_for(lambda: len(log.read_text().splitlines()) > steps, trained)
    assert "resuming" in trained.shown()
    trained.kill()
