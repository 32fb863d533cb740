import copy
import dataclasses
import functools
import json
import math

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError, UserError
from tfcolor.training.checkpoints import restore_newest
from tfcolor.training.early_stopping import FoundSchedule
from tfcolor.training.loop import Run, Trainer
from tfcolor.training.members import Member
from tfcolor.training.options import JointOptions, OptimizationOptions, TrainingOptions
from tfcolor.training.run_directory import RunDirectory
from tfcolor.training.schedules import scheduled_rate
from tfcolor.training.signals import StoppedError, StopRequest

TRAINING = TrainingOptions(
    num_steps=12,
    batch_size=5,
    seed=1,
    checkpoint_every_steps=4,
    log_every_steps=2,
    evaluate_every_steps=3,
    evaluate_num_examples=10,
)
OPTIMIZATION = OptimizationOptions(learning_rate=0.05, rate_drops=(6,), weight_decay=0.0)


class _KilledError(BaseException):
    """Stands for a process that is killed: nothing catches it."""


@pytest.fixture(scope="module", autouse=True)
def eager_steps():
    """Tracing takes longer than so few steps; the commands' tests run graphs."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def build_trainer(line_task, build_line_network):
    """Returns what builds a trainer on a folder, as of a new process."""

    def build(
        folder, *, request=None, strategy=None, evaluators=(), optimization=OPTIMIZATION, **changes
    ):
        strategy = strategy or tf.distribute.OneDeviceStrategy("/cpu:0")
        with strategy.scope():
            network = build_line_network()
        task = changes.pop("task", line_task)
        training = dataclasses.replace(TRAINING, **changes)
        run = Run(
            members=(Member(task, network, training.batch_size, training.seed),),
            network=network,
            backbone=network,
            strategy=strategy,
            training=training,
            optimization=optimization,
            joint=JointOptions(),
            directory=RunDirectory(folder),
            flags={"seed": "1"},
            evaluators=evaluators,
        )
        return Trainer(run, request or StopRequest())

    return build


@pytest.fixture
def trainer(build_trainer, tmp_path):
    """Returns what builds a trainer on the folder of this test."""
    return functools.partial(build_trainer, tmp_path)


@pytest.fixture(scope="module")
def whole(build_trainer, tmp_path_factory):
    """An uninterrupted run: its folder and its result."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, build_trainer(folder).train()


def _logged(folder):
    """Returns the logged steps of a run, without their speed."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert all(line.pop("images_per_second") > 0 for line in lines)
    return lines


def _weights(folder):
    """Returns the kernel and bias of the last checkpoint."""
    kernel, bias = tf.Variable(tf.zeros([3, 1])), tf.Variable(tf.zeros([1]))
    dense = tf.train.Checkpoint(kernel=kernel, bias=bias)
    network = tf.train.Checkpoint(dense=dense)
    restore_newest(tf.train.Checkpoint(network=network), folder / "checkpoints")
    return np.append(kernel, bias)


def _assert_ends_alike(folder, result, whole):
    """Compares a run bit for bit with the uninterrupted one."""
    whole_folder, whole_result = whole
    np.testing.assert_array_equal(_weights(folder), _weights(whole_folder))
    assert _logged(folder) == _logged(whole_folder)
    assert {**result, "wall_seconds": 0} == {**whole_result, "wall_seconds": 0}


def _killer(when):
    """Returns an evaluator that kills the process at one of its calls."""
    calls = iter(range(100))

    def evaluate():
        if next(calls) == when:
            raise _KilledError
        return []

    return evaluate


def test_a_cosine_ends_with_the_run(build_trainer, tmp_path):
    optimization = dataclasses.replace(OPTIMIZATION, schedule="cosine")
    build_trainer(tmp_path, optimization=optimization, num_steps=4).train()
    rates = [line["learning_rate"] for line in _logged(tmp_path)]
    np.testing.assert_allclose(rates, [0.05 * (1 + np.cos(np.pi * at)) / 2 for at in (0.25, 0.75)])


def test_a_run_learns_and_leaves_its_records(whole):
    folder, result = whole
    lines = _logged(folder)
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 10, 12]
    assert lines[-1]["loss"] < lines[0]["loss"]
    for line in lines:
        assert line["loss"] == pytest.approx(line["loss_squared"] + line["loss_bend"], rel=1e-5)
        assert line["learning_rate"] == scheduled_rate(OPTIMIZATION, line["step"] - 1)
        assert line["gradient_norm"] > 0
    assert json.loads((folder / "result.json").read_text()) == result
    assert result["steps"] == 12
    assert result["heldout/loss"] >= result["best_loss"]
    assert {"train/loss", "heldout/largest", "wall_seconds"} <= set(result)
    assert result["stopped_on_plateau"] is False
    folders = {path.name for path in (folder / "events").iterdir()}
    assert folders == {"train", "eval", "eval_train", "eval_constant", "eval_train_constant"}
    steps = {path.stem for path in (folder / "checkpoints").glob("*.index")}
    assert steps == {"ckpt-4", "ckpt-8", "ckpt-12"}


def test_heldout_baselines_are_fitted_to_the_training_split(whole):
    _, result = whole
    largest = max(result["train/largest"], result["heldout/largest"])
    assert result["heldout/constant_loss"] == largest
    assert result["train/constant_loss"] == result["train/largest"]


def test_best_weights_are_those_of_the_best_look(whole):
    folder, result = whole
    (path,) = (folder / "checkpoints/best").glob("*.index")
    assert path.stem == f"ckpt-{result['best_step']}"


@pytest.mark.parametrize("step", [3, 11])
def test_a_stopped_run_ends_as_the_uninterrupted_one(trainer, stop_after, whole, tmp_path, step):
    with pytest.raises(StoppedError) as caught:
        trainer(request=stop_after(step)).train()
    assert (caught.value.exit_status, caught.value.step) == (143, step)
    assert (tmp_path / f"checkpoints/ckpt-{step}.index").exists()
    _assert_ends_alike(tmp_path, trainer().train(), whole)


def test_a_killed_run_ends_as_the_uninterrupted_one(trainer, whole, tmp_path):
    with pytest.raises(_KilledError):
        trainer(evaluators=[_killer(3)]).train()  # at step 9; the last checkpoint has 8
    assert _logged(tmp_path)[-1]["step"] == 8
    _assert_ends_alike(tmp_path, trainer().train(), whole)


def test_a_finished_run_is_left_alone(build_trainer, whole):
    folder, result = whole
    assert build_trainer(folder, evaluators=[_killer(0)]).train() == result


def test_two_devices_give_the_losses_of_one(trainer, whole, tmp_path, two_devices):
    trainer(strategy=two_devices).train()
    for one, other in zip(_logged(whole[0]), _logged(tmp_path), strict=True):
        assert other == pytest.approx(one, rel=1e-5)


def test_a_loss_that_is_not_finite_ends_the_run_with_a_good_checkpoint(trainer, tmp_path):
    diverging = OptimizationOptions(learning_rate=1e30)
    with pytest.raises(UserError, match=r"the loss is .* at step .*; try a lower --learning_rate"):
        trainer(optimization=diverging, checkpoint_every_steps=1).train()
    assert np.all(np.isfinite(_weights(tmp_path)))


def test_a_plateau_lowers_the_rate_and_ends_the_run(trainer, tmp_path):
    stuck = OptimizationOptions(
        learning_rate=1e-30, schedule="plateau", plateau_patience=1, plateau_drops=1
    )
    result = trainer(optimization=stuck, log_every_steps=1).train()
    assert result["stopped_on_plateau"]
    assert (result["steps"], result["best_step"]) == (6, 0)
    # Looks at 0 (the best), 3 and 6; the rate falls for the steps after a look.
    rates = [line["learning_rate"] for line in _logged(tmp_path)]
    np.testing.assert_allclose(rates, [1e-30] * 3 + [1e-31] * 3, rtol=1e-6)
    assert trainer(optimization=stuck, log_every_steps=1).train() == result


EARLY = OptimizationOptions(
    learning_rate=0.05,
    schedule="plateau",
    watch="score",
    plateau_patience=1,
    plateau_drops=2,
    plateau_window=2,
)


@pytest.fixture(scope="module")
def stopped_early(build_trainer, tmp_path_factory):
    """An uninterrupted run that a held-out score has ended: its folder and its result."""
    folder = tmp_path_factory.mktemp("stopped_early")
    trainer = build_trainer(folder, optimization=EARLY, num_steps=500, log_every_steps=1)
    return folder, trainer.train()


def test_a_score_that_stops_rising_ends_the_run(stopped_early):
    folder, result = stopped_early
    found = result["found_schedule"]
    assert result["stopped_on_plateau"]
    assert found["num_steps"] == result["steps"] < 500
    assert found["best_step"] == result["best_step"]
    assert result["best_score"] >= result["heldout/nearness"] / 2
    rates = [line["learning_rate"] for line in _logged(folder)]
    drops = [step for step in range(1, len(rates)) if rates[step] < rates[step - 1]]
    # `rate_drops` name the last update, from 0, with the old rate.
    assert [step - 1 for step in drops] == found["rate_drops"]


@pytest.mark.parametrize("call", [1, 3])
def test_early_stopping_survives_a_kill(build_trainer, stopped_early, tmp_path, call):
    changes = {"optimization": EARLY, "num_steps": 500, "log_every_steps": 1}
    with pytest.raises(_KilledError):
        build_trainer(tmp_path, evaluators=[_killer(call)], **changes).train()
    result = build_trainer(tmp_path, **changes).train()
    _assert_ends_alike(tmp_path, result, stopped_early)


def test_a_found_schedule_gives_the_same_rates_without_looking(trainer, stopped_early, tmp_path):
    folder, result = stopped_early
    found = FoundSchedule(**result["found_schedule"])
    replayed = found.replay(EARLY)
    again = trainer(optimization=replayed, num_steps=found.num_steps, log_every_steps=1).train()
    assert not again["stopped_on_plateau"]
    assert _logged(tmp_path) == _logged(folder)


def test_a_task_without_a_score_is_judged_by_its_loss_only(trainer, line_task):
    task = copy.copy(line_task)
    task.score = None
    with pytest.raises(UsageError, match="--watch=score: the task line has no score"):
        trainer(task=task, optimization=EARLY)


def test_evaluators_are_called_at_every_look(trainer):
    calls = []

    def evaluate():
        calls.append(len(calls))
        return [("calls", float(len(calls)))]

    trainer(evaluators=[evaluate], num_steps=7).train()
    assert len(calls) == 4  # at 0, 3, 6 and the last step


def test_a_run_without_a_heldout_split_watches_the_training_split(trainer, line_task):
    task = copy.copy(line_task)
    task.splits = ("train",)
    result = trainer(task=task, num_steps=1).train()
    assert "heldout/loss" not in result
    assert result["best_loss"] <= result["train/loss"] < math.inf


class RoundTask:
    """The line task, whose targets move up with every round of five steps."""

    def __init__(self, task):
        self._task = task
        self.state = tf.Module()
        self.state.shift = tf.Variable(0.0, trainable=False)

    def __getattr__(self, name):
        return getattr(self._task, name)

    def steps_per_round(self, batch_size):
        return 25 // batch_size

    def begin_round(self, network, number, batch_size):
        self.state.shift.assign(float(number))
        return {"kernel": float(network.dense.kernel[0, 0]), "shift": float(number)}

    def redrawn_variables(self, network):
        return network.dense.trainable_variables

    def make_dataset(self, split, plan):
        shift = self.state.shift.numpy()
        examples = self._task.make_dataset(split, plan)
        return examples.map(lambda inputs, targets: (inputs, {"y": targets["y"] + shift}))


class DivergingTask(RoundTask):
    """The line task whose fifth batch, just before the second round, has no finite loss."""

    rounds = 0

    def begin_round(self, network, number, batch_size):
        self.rounds += 1
        return super().begin_round(network, number, batch_size)

    def make_dataset(self, split, plan):
        def spoil(index, example):
            inputs, targets = example
            factor = tf.where(index + plan.first_batch == 4, math.nan, 1.0)
            return inputs, {"y": factor * targets["y"]}

        return super().make_dataset(split, plan).enumerate().map(spoil)


def test_no_round_begins_on_a_network_that_has_diverged(trainer, line_task):
    task = DivergingTask(line_task)
    with pytest.raises(UserError, match=r"the loss is nan at step 5; .* lower --learning_rate"):
        trainer(task=task, evaluate_every_steps=100, checkpoint_every_steps=100).train()
    assert task.rounds == 1


def logged(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_rounds_begin_in_time_and_go_on_after_a_stop(
    build_trainer, line_task, stop_after, tmp_path
):
    whole = build_trainer(tmp_path / "whole", task=RoundTask(line_task)).train()
    lines = logged(tmp_path / "whole")
    assert {line["step"]: line["shift"] for line in lines if "shift" in line} == {2: 0, 6: 1, 12: 2}
    for step in (5, 7):  # before the first step of a round, and within one
        folder = tmp_path / str(step)
        with pytest.raises(StoppedError):
            request = stop_after(step)
            build_trainer(folder, task=RoundTask(line_task), request=request).train()
        resumed = build_trainer(folder, task=RoundTask(line_task)).train()
        assert {**resumed, "wall_seconds": 0} == {**whole, "wall_seconds": 0}
        losses = [(line["step"], line["loss"]) for line in logged(folder)]
        assert losses == [(line["step"], line["loss"]) for line in lines]
