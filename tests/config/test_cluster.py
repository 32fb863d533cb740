import json

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.config.command import define_flags, execute
from tests.training.test_exchange import Coordinator
from tfcolor.config import cluster, training
from tfcolor.config.cluster import check_backups, check_shares, is_server
from tfcolor.config.experiment import read_experiment
from tfcolor.core.errors import UsageError
from tfcolor.train import COMMAND
from tfcolor.training.exchange import Link
from tfcolor.training.heldout import build_measurements
from tfcolor.training.options import DistributionOptions
from tfcolor.training.synchronization import Place, plan_groups
from tfcolor.training.worker_server import BatchSource

JOBS = {"chief": ["a:1"], "ps": ["b:1"], "worker": ["c:1", "d:1"]}


def experiment_of(*arguments):
    flag_values = define_flags(COMMAND)
    flag_values(["train", "--strategy=parameter_server", *arguments])
    return read_experiment(flag_values)


@pytest.fixture
def stand_in(monkeypatch):
    """Returns what makes this process one of a cluster."""

    def place(job, jobs=JOBS):
        text = json.dumps({"cluster": jobs, "task": {"type": job, "index": 0}})
        monkeypatch.setenv("TF_CONFIG", text)

    return place


@pytest.mark.parametrize(("job", "expected"), [("chief", False), ("ps", True), ("worker", True)])
def test_all_but_the_chief_serve(stand_in, job, expected):
    stand_in(job)
    assert is_server(experiment_of()) is expected


def test_other_strategies_need_no_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert is_server(experiment_of("--strategy=one_device")) is False


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--precision=mixed_float16",), "--precision=mixed_float16 with"),
        (("--task=distillation",), "--task=distillation with"),
        (
            ("--task=deep_clustering", "--batch_size=32"),
            "its targets are made anew round by round",
        ),
        (("--task=rotation,rotation", "--split_weights"), "--split_weights with"),
        (("--task=rotation,rotation", "--task_order=round_robin"), "--task_order=round_robin with"),
        (
            ("--task=rotation,rotation", "--optimizer=adam", "--task_weights=1,2"),
            "--optimizer=adam and --task_weights with",
        ),
    ],
)
def test_what_cannot_be_trained_so_is_refused(stand_in, flags, message, capsys, tmp_path):
    stand_in("chief")
    arguments = ["--strategy=parameter_server", f"--run_dir={tmp_path}/run", *flags]
    assert execute(COMMAND, arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("task", ["simclr", "exemplar"])
def test_a_worker_has_examples_to_compare(stand_in, task, capsys, tmp_path):
    stand_in("chief")
    check_shares(experiment_of(f"--task={task}", "--batch_size=4"))
    # Two workers share two examples: a loss among one is a constant.
    arguments = ["--strategy=parameter_server", f"--task={task}", "--batch_size=3"]
    assert execute(COMMAND, [*arguments, f"--run_dir={tmp_path}/run"]) == 2
    shown = capsys.readouterr().err
    assert f"--batch_size=3: --task={task} compares" in shown
    assert "of each of 2 workers with each other; expected at least 4" in shown
    assert not (tmp_path / "run").exists()


def test_workers_are_checked_before_anything_is_written(stand_in):
    stand_in("chief")
    check_shares(experiment_of("--task=rotation", "--batch_size=2"))
    with pytest.raises(UsageError, match="--batch_size=1 cannot be shared by 2 workers; use at"):
        check_shares(experiment_of("--task=rotation", "--batch_size=1"))
    of_each = "--task_flags=--batch_size=2,--batch_size=1"
    check_shares(experiment_of("--task=simclr,rotation", of_each))
    with pytest.raises(UsageError, match="--batch_size=1: --task=simclr compares"):
        check_shares(experiment_of("--task=rotation,simclr", of_each))
    with pytest.raises(UsageError, match="--num_backups=2: an update waits for 2 workers"):
        check_shares(experiment_of("--task=rotation", "--num_backups=2"))


@pytest.mark.parametrize("jobs", [{**JOBS, "ps": []}, {"worker": ["c:1"], "chief": ["a:1"]}])
def test_a_cluster_without_parameter_servers_is_refused(stand_in, jobs, capsys, tmp_path):
    stand_in("chief", jobs)
    arguments = ["--strategy=parameter_server", f"--run_dir={tmp_path}/run"]
    assert execute(COMMAND, arguments) == 1
    shown = capsys.readouterr().err
    assert '--strategy=parameter_server needs TF_CONFIG, for example {"cluster": {"chief"' in shown
    assert not (tmp_path / "run").exists()


def test_backups_leave_somebody_to_wait_for():
    groups = plan_groups("hybrid", (3, 2))
    check_backups(DistributionOptions(num_backups=1), groups)
    with pytest.raises(UsageError, match=r"waits for 2 workers of a task.*expected fewer backups"):
        check_backups(DistributionOptions(num_backups=2), groups)


@pytest.fixture
def whole_cluster(stand_in, monkeypatch):
    """Makes this process a chief that is its own workers and server; returns its runs."""
    stand_in("chief")
    runs, sources, batches = [], [], {}

    class Source(BatchSource):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            sources.append(self)

    class Reader(Coordinator):
        """Makes the batches before the graph asks, which would wait in the only thread."""

        def schedule(self, graph, args):
            step = int(args[3])
            for task in range(2):
                batches[task, step] = sources[-1].read(Place(task, 0, 1), step)
            return super().schedule(graph, args)

    def read(message):
        return batches[int(message[1]), int(message[4])]

    def ask(message, types):
        return tf.numpy_function(read, [message], types)

    def train(experiment, run, *others):
        runs.append(run)
        return train_on_cluster(experiment, run, *others)

    train_on_cluster = cluster.train_on_cluster
    monkeypatch.setattr(training, "train_on_cluster", train)
    monkeypatch.setattr(
        training, "build_strategy", lambda _: tf.distribute.OneDeviceStrategy("/cpu:0")
    )
    monkeypatch.setattr(cluster, "BatchSource", Source)
    monkeypatch.setattr(cluster, "Link", lambda flags: Link(flags, ask, "/cpu:0"))
    monkeypatch.setattr(cluster, "end_servers", lambda *_: None)
    monkeypatch.setattr(tf.distribute.coordinator, "ClusterCoordinator", lambda _: Reader())
    return runs


def test_a_run_measures_the_weights_that_it_saves(whole_cluster, tiny_flags, tmp_path):
    """Of two groups, one has not read the other's last update."""
    flags = [*tiny_flags, "--strategy=parameter_server", "--task=colorization,colorization"]
    assert execute(COMMAND, [*flags, f"--run_dir={tmp_path}"]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    (run,) = whole_cluster
    names = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(tmp_path / "checkpoints")))
    saved = {name: names.get_tensor(name) for name in names.get_variable_to_shape_map()}
    for member in run.members:
        for variable in member.network.trainable_variables:
            assert any(np.array_equal(variable, value) for value in saved.values())
        for measurement in build_measurements(member, 4):
            figures, _ = measurement.measure()
            name = f"{measurement.split}/{member.label('loss')}"
            assert result[name] == pytest.approx(figures["loss"], rel=1e-6)
