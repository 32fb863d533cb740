"""Runs of several tasks through the real loop, on one device and on two."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.training.loop import Run, Trainer
from tfcolor.training.members import Member
from tfcolor.training.options import JointOptions, OptimizationOptions, TrainingOptions
from tfcolor.training.run_directory import RunDirectory
from tfcolor.training.signals import StoppedError, StopRequest

TRAINING = TrainingOptions(
    num_steps=12,
    seed=1,
    checkpoint_every_steps=50,
    log_every_steps=4,
    evaluate_every_steps=50,
    evaluate_num_examples=3,
)
OPTIMIZATION = OptimizationOptions(learning_rate=0.05, rate_drops=(), weight_decay=0.01)
TURNS = JointOptions(task_order="round_robin", task_quantum=2)
NAMES, BATCH_SIZES = ("near", "far"), (5, 3)


class _Recorder:
    """A task that notes which examples it was asked for, and scales its losses."""

    def __init__(self, task, factor, splits):
        self._task, self._factor, self.splits = task, factor, splits
        self.seen = []

    def __getattr__(self, name):
        return getattr(self._task, name)

    def make_dataset(self, split, plan):
        dataset = self._task.make_dataset(split, plan)
        if plan.num_batches is not None:
            return dataset

        def note(inputs, targets):
            examples = [inputs["x"], targets["y"]]
            tf.numpy_function(lambda *xy: self.seen.append(np.hstack(xy)), examples, [])
            return inputs, targets

        return dataset.map(note).with_options(dataset.options())

    def compute_losses(self, targets, outputs):
        losses = self._task.compute_losses(targets, outputs)
        return {name: self._factor * loss for name, loss in losses.items()}


class _Trunk(tf.keras.Model):
    """A dense layer that all tasks share."""

    def __init__(self):
        super().__init__(name="trunk")
        initializer = tf.keras.initializers.RandomNormal(seed=3)
        self.dense = tf.keras.layers.Dense(4, kernel_initializer=initializer)
        self.dense.build([None, 3])

    def call(self, x):
        return self.dense(x)


class _Branch(tf.keras.Model):
    """The trunk and one more layer."""

    def __init__(self, trunk, seed):
        super().__init__(name=f"branch_{seed}")
        self.trunk = trunk
        initializer = tf.keras.initializers.RandomNormal(seed=seed)
        self.head = tf.keras.layers.Dense(1, kernel_initializer=initializer)
        self.head.build([None, 4])

    def call(self, inputs, training=False):
        return {"y": self.head(self.trunk(inputs["x"]))}


class _Both(tf.keras.Model):
    """What a checkpoint holds."""

    def __init__(self, trunk, branches):
        super().__init__()
        self.trunk = trunk
        self.heads = [branch.head for branch in branches]


@pytest.fixture(scope="module", autouse=True)
def eager_steps():
    """Tracing takes longer than so few steps; the commands' tests run graphs."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def build(line_task, tmp_path):
    """Returns what builds a trainer of two tasks: (trainer, tasks, trunk)."""

    def build(
        name="run",
        joint=None,
        *,
        optimizer="momentum",
        factors=(1.0, 1.0),
        strategy=None,
        request=None,
        splits=("train",),
        **changes,
    ):
        strategy = strategy or tf.distribute.OneDeviceStrategy("/cpu:0")
        tasks = [_Recorder(line_task, factor, splits) for factor in factors]
        with strategy.scope():
            trunk = _Trunk()
            branches = [_Branch(trunk, seed) for seed in (7, 8)]
            both = _Both(trunk, branches)
        members = tuple(
            Member(task, branch, size, seed, label)
            for task, branch, size, seed, label in zip(
                tasks, branches, BATCH_SIZES, (11, 12), NAMES, strict=True
            )
        )
        watch, weight_decay = changes.pop("watch", "loss"), changes.pop("weight_decay", 0.01)
        rate = 0.002 if optimizer == "norm_sgd" else 0.05
        run = Run(
            members=members,
            network=both,
            backbone=trunk,
            strategy=strategy,
            training=dataclasses.replace(TRAINING, **changes),
            optimization=dataclasses.replace(
                OPTIMIZATION,
                optimizer=optimizer,
                learning_rate=rate,
                watch=watch,
                weight_decay=weight_decay,
            ),
            joint=joint or JointOptions(),
            directory=RunDirectory(tmp_path / name),
            flags={},
        )
        return Trainer(run, request or StopRequest()), tasks, both

    return build


def _logged(folder):
    """Returns the logged steps of a run, without their speed."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert all(line.pop("images_per_second") > 0 for line in lines)
    return lines


def _values(model):
    return [variable.numpy() for variable in model.trainable_variables]


def test_each_task_has_its_figures(build, tmp_path):
    trainer, _, _ = build(splits=("train", "heldout"))
    result = trainer.train()
    first, _, last = _logged(tmp_path / "run")
    assert first["near/loss"] == pytest.approx(
        first["near/loss_squared"] + first["near/loss_bend"], rel=1e-5
    )
    assert first["loss"] == pytest.approx((first["near/loss"] + first["far/loss"]) / 2, rel=1e-5)
    assert last["loss"] < first["loss"]
    shares = [last[f"update_share_{name}"] for name in NAMES]
    assert sum(shares) == pytest.approx(1, rel=1e-4)
    assert -1 <= last["gradient_cosine_near_far"] <= 1
    assert min(last[f"gradient_norm_{name}"] for name in NAMES) > 0
    both = [result[f"heldout/{name}/loss"] for name in NAMES]
    assert result["best_loss"] <= sum(both) / 2 + 1e-6
    assert {f"train/{name}/largest" for name in NAMES} <= set(result)


def test_a_score_is_the_mean_over_tasks(build):
    trainer, _, _ = build(watch="score", splits=("train", "heldout"), num_steps=3)
    result = trainer.train()
    scores = [result[f"heldout/{name}/nearness"] for name in NAMES]
    assert result["best_score"] == pytest.approx(sum(scores) / 2)


@pytest.mark.parametrize(
    ("joint", "optimizer"),
    [(JointOptions(), "multi_adam"), (TURNS, "norm_sgd"), (TURNS, "adam"), (TURNS, "rmsprop")],
    ids=["together-multi_adam", "turns-norm_sgd", "turns-adam", "turns-rmsprop"],
)
def test_stopped_within_a_turn_it_ends_the_same(build, stop_after, tmp_path, joint, optimizer):
    options = {"optimizer": optimizer, "num_steps": 9, "log_every_steps": 3}
    trainer, _, whole = build("whole", joint, **options)
    expected = trainer.train()
    stopped, _, _ = build("stopped", joint, request=stop_after(7), **options)
    with pytest.raises(StoppedError):
        stopped.train()
    trainer, _, resumed = build("stopped", joint, **options)
    assert trainer.step == 0
    result = trainer.train()
    for one, other in zip(_values(whole), _values(resumed), strict=True):
        np.testing.assert_array_equal(other, one)
    assert _logged(tmp_path / "stopped") == _logged(tmp_path / "whole")
    assert {**result, "wall_seconds": 0} == {**expected, "wall_seconds": 0}


def test_taking_turns_of_one_step_shows_the_same_examples(build):
    trainer, together, _ = build("together", num_steps=4)
    trainer.train()
    turns = JointOptions(task_order="round_robin", task_quantum=1)
    trainer, apart, _ = build("turns", turns, num_steps=8)
    trainer.train()
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_array_equal(np.concatenate(one.seen[:4]), np.concatenate(other.seen[:4]))


def test_turns_have_their_own_momentum(build):
    kernels = []
    for share_momentum in (False, True):
        joint = dataclasses.replace(TURNS, share_momentum=share_momentum)
        trainer, _, both = build(f"run_{share_momentum}", joint, num_steps=6)
        trainer.train()
        kernels.append(_values(both)[0])
    assert not np.allclose(*kernels)
    # By hand: each task's velocity stays as it was while the other's turn lasts.
    np.testing.assert_allclose(kernels[0], _descend_by_hand(build), rtol=1e-4, atol=1e-5)


def _descend_by_hand(build):
    """Returns the trunk's kernel after six steps in turns of two, in float64."""
    trainer, tasks, both = build("by_hand", TURNS, num_steps=6)
    start = [value.astype(np.float64) for value in _values(both)]
    trainer.train()
    trunk, heads = start[:2], [start[2:4], start[4:6]]
    assert both.trainable_variables[0] is both.trunk.dense.kernel
    velocities = [[np.zeros_like(one) for one in (*trunk, *heads[task])] for task in range(2)]
    places = [0, 0]
    for task in (0, 0, 1, 1, 0, 0):
        examples = tasks[task].seen[places[task]].astype(np.float64)
        places[task] += 1
        values = [*trunk, *heads[task]]
        gradients = _line_gradients(values, examples[:, :3], examples[:, 3:])
        for index, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
            total = gradient + 0.01 * value if index % 2 == 0 else 2 * gradient
            velocity = velocities[task][index]
            velocity[...] = 0.9 * velocity - 0.05 * total
            value += velocity
    return trunk[0]


def _line_gradients(values, x, y):
    """Returns the gradients of the line task's mean loss by kernels and biases."""
    kernel, bias, head, head_bias = values
    features = x @ kernel + bias
    error = y - (features @ head + head_bias)
    slope = (-2 * error - 0.1 / (1 + np.exp(-error))) / len(x)
    back = slope @ head.T
    return [x.T @ back, back.sum(axis=0), features.T @ slope, slope.sum(axis=0)]


@pytest.mark.parametrize("joint", [JointOptions(), TURNS], ids=["together", "turns"])
def test_two_devices_train_as_one(build, two_devices, joint):
    options = {"optimizer": "norm_sgd", "num_steps": 6}
    trainer, _, one = build("one", joint, **options)
    trainer.train()
    trainer, _, two = build("two", joint, strategy=two_devices, **options)
    trainer.train()
    for left, right in zip(_values(one), _values(two), strict=True):
        np.testing.assert_allclose(right, left, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["norm_sgd", "multi_adam", "momentum"])
def test_scale_of_a_loss_matters_to_plain_descent_only(build, optimizer):
    options = {"optimizer": optimizer, "weight_decay": 0.0, "num_steps": 2, "log_every_steps": 9}
    plain, *scaled = [_train_scaled(build, factor, options) for factor in (1.0, 1e-4, 1e4)]
    for kernel in scaled:
        is_same = np.allclose(kernel, plain, rtol=1e-3, atol=1e-5)
        assert is_same == (optimizer != "momentum")


def _train_scaled(build, factor, options):
    """Returns the trunk's kernel after a run with one task's losses scaled."""
    trainer, _, both = build(f"run_{factor}", factors=(factor, 1.0), **options)
    trainer.train()
    return both.trunk.dense.kernel.numpy()


def test_a_weight_for_each_task_is_needed(build):
    with pytest.raises(UsageError, match="--task_weights=2: expected 2 weights"):
        build(joint=JointOptions(task_weights=(2.0,)))
