"""The one training loop."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.progress import ProgressReport, say
from tfcolor.models.network import JointNetwork
from tfcolor.tasks.base import HELDOUT_SPLIT, DepictedTask
from tfcolor.training.checkpoints import Checkpoints
from tfcolor.training.data_service import DataService
from tfcolor.training.distribution import has_workers, is_chief, plan_batches
from tfcolor.training.early_stopping import EarlyStopping
from tfcolor.training.events import Events
from tfcolor.training.example_sheet import depict_examples
from tfcolor.training.heldout import Metrics, SplitMeasurement, build_measurements
from tfcolor.training.joint import build_task_order, norm_freeze_step
from tfcolor.training.members import Member, shared_network
from tfcolor.training.optimizers import Update
from tfcolor.training.options import JointOptions, OptimizationOptions, TrainingOptions
from tfcolor.training.parking import ParkedSlots
from tfcolor.training.rounds import Rounds
from tfcolor.training.run_directory import RunDirectory
from tfcolor.training.schedules import scheduled_rate
from tfcolor.training.signals import StoppedError, StopRequest
from tfcolor.training.step import TrainStep
from tfcolor.training.synchronization import Place

Evaluator = Callable[[], Iterable[tuple[str, Any]]]

NEVER = 2**62
"""Looks to wait for where given steps decide."""


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything that a training loop works on.

    Args:
      members: the tasks, each with its network.
      network: what the checkpoints hold as "network": that of the only task, or
        the backbone and the heads of all.
      backbone: the part of it that all tasks share.
      strategy: where.
      training: length and records.
      optimization: rates.
      joint: how the tasks share the network.
      directory: where the records go.
      flags: the resolved flags, for TensorBoard.
      evaluators: called at every look; each yields (name, number or picture).
      service: whose workers make the batches; None makes them here.
    """

    members: tuple[Member, ...]
    network: tf.keras.Model
    backbone: tf.keras.Model
    strategy: tf.distribute.Strategy
    training: TrainingOptions
    optimization: OptimizationOptions
    joint: JointOptions
    directory: RunDirectory
    flags: Mapping[str, str]
    evaluators: Sequence[Evaluator] = ()
    service: DataService | None = None


class Trainer:
    """Trains a network, from its last checkpoint on if there is one.

    Args:
      run: network, task, options and folder.
      request: read after every step; a signal ends the run early.
    """

    def __init__(self, run: Run, request: StopRequest) -> None:
        self._run, self._request = run, request
        self._is_chief = is_chief(run.strategy)
        self._has_workers = has_workers(run.strategy)
        options = run.training
        self._freeze_step = norm_freeze_step(run.optimization, options.num_steps)
        self._rounds = Rounds(run.members)
        tracked = self._build_updates()
        self._round_figures: dict[str, float] = {}
        self._batches: dict[int, Iterator[Any]] = {}
        self._stopping = _build_stopping(run)
        self._step_variable = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._checkpoints = Checkpoints(
            run.directory.checkpoints,
            tf.train.Checkpoint(
                network=run.network,
                **tracked,
                **({"rounds": self._rounds} if self._rounds.states else {}),
                early_stopping=self._stopping,
                step=self._step_variable,
            ),
            options.keep_checkpoints,
            is_chief=self._is_chief,
        )
        self._events = Events(run.directory.events, is_active=self._is_chief)
        self._measurements = [
            build_measurements(member, options.evaluate_num_examples) for member in run.members
        ]
        self._saved_step: int | None = None
        self._seconds, self._num_examples = 0.0, 0
        self._last_loss = tf.constant(0.0)

    def _build_updates(self) -> dict[str, Any]:
        """Makes what changes the network; returns what of it a checkpoint holds."""
        run = self._run
        with run.strategy.scope():
            self._update = Update(
                shared_network(run.backbone, run.members),
                run.optimization,
                run.joint,
                use_loss_scaling=run.training.precision == "mixed_float16",
            )
        self._train_step = TrainStep(run.strategy, run.members, self._update)
        self._order = build_task_order(run.joint, len(run.members))
        self._parked: ParkedSlots | None = None
        if not self._order.takes_turns or run.joint.share_momentum:
            return {"optimizer": self._update}
        self._parked = ParkedSlots(self._update.slots_of_backbone(), len(run.members))
        return {"optimizer": self._update, "parked": self._parked}

    @property
    def step(self) -> int:
        """Number of updates made."""
        return int(self._step_variable)

    def train(self) -> dict[str, Any]:
        """Runs until the last step, the last plateau or a signal.

        Returns:
          What `result.json` holds: steps, seconds and the last measurement.

        Raises:
          StoppedError: after a signal, once everything is saved.
          UserError: if the loss stops being finite, or nothing can be read.
        """
        started = time.monotonic()
        self._begin()
        finished = self._run.directory.read_result()
        if finished is not None and self._is_last:
            say(f"{self._run.directory.path} is already finished; nothing to do")
            return finished
        figures: Mapping[str, float] = {}
        if self.step == 0:
            self._begin_rounds(range(len(self._run.members)))
            figures = self._look()
        if not self._is_last:
            figures = self._run_steps()
        self._save()
        return self._finish(figures or self._look_figures(), time.monotonic() - started)

    def _begin(self) -> None:
        """Restores the last checkpoint and cuts the log after it."""
        restored = self._saved_step = self._checkpoints.restore_last()
        if self._is_chief:
            self._run.directory.forget_after(self.step)
        if restored is None:
            self._events.write_flags(self._run.flags)
        else:
            say(f"resuming {self._run.directory.path} from step {self.step}")

    def _run_steps(self) -> Mapping[str, float]:
        """Runs all steps left and returns the figures of the last look."""
        options = self._run.training
        figures: Mapping[str, float] = {}
        with ProgressReport("training", options.num_steps, "steps", done=self.step) as report:
            while not self._is_last:
                note, is_asked_to_stop = self._advance()
                report.advance(note=note)
                if self.step % options.evaluate_every_steps == 0 or self._is_last:
                    figures = self._look()
                # After the log and the look, which a resumed run does not repeat.
                if is_asked_to_stop:
                    self._stop()
                if self.step % options.checkpoint_every_steps == 0:
                    self._save()
        return figures

    @property
    def _is_last(self) -> bool:
        """Whether no step follows."""
        return self.step >= self._run.training.num_steps or self._is_on_last_plateau

    @property
    def _is_on_last_plateau(self) -> bool:
        """Whether the held-out figure ends this run; given steps run to their end."""
        return self._stopping.is_over

    def _next_batch(self, task: int) -> Any:
        """Returns a task's next distributed batch, from the current step on."""
        if task not in self._batches:
            self._batches[task] = self._read_batches(task)
        return next(self._batches[task])

    def _read_batches(self, task: int) -> Iterator[Any]:
        """Returns a task's distributed batches, made here or by a service."""
        run, service = self._run, self._run.service
        first_batch = self._order.steps_before(self.step, task)
        member, replicas = run.members[task], run.strategy.num_replicas_in_sync

        def make(context: tf.distribute.InputContext) -> tf.data.Dataset:
            plan = plan_batches(member, first_batch, replicas, context)
            local = member.task.make_dataset(member.task.splits[0], plan)
            if service is None:
                return local
            place = Place(task, context.input_pipeline_id, context.num_input_pipelines)
            return service.make_dataset(place, plan, local.element_spec)

        batches = run.strategy.distribute_datasets_from_function(make)
        return iter(batches) if service is None else service.watch(batches)

    def _begin_rounds(self, tasks: Iterable[int]) -> None:
        """Begins the rounds whose first step this is, with new batches."""
        for task in tasks:
            step = self._order.steps_before(self.step, task)
            if not self._rounds.is_due(task, step):
                continue
            self._check_loss()  # the targets of a round come from the network
            figures, redrawn = self._rounds.begin(task, step)
            self._events.write("train", figures, self.step)
            self._round_figures |= figures
            self._update.forget(task, redrawn)
            self._batches.pop(task, None)
            for measurement in self._measurements[task]:
                measurement.forget_examples()

    def _advance(self) -> tuple[str, bool]:
        """Makes one step; returns a note if it was logged, and whether to stop."""
        step, options = self.step, self._run.training
        active = self._order.active(step)
        self._begin_rounds(active)
        if self._parked is not None:
            self._parked.switch_to(active[0])
        drops = self._stopping.drops
        rate = scheduled_rate(self._run.optimization, step, drops, options.num_steps)
        self._update.set_rate(rate)
        batches = {task: self._next_batch(task) for task in active}
        started = time.monotonic()
        asked = self._request.signal_number is not None
        is_logged = (step + 1) % options.log_every_steps == 0
        figures = self._train_step(
            batches,
            tf.constant(float(asked)),
            tf.constant(self._order.is_frozen(step, self._freeze_step)),
            compares=is_logged and len(active) > 1,
        )
        self._last_loss = figures["loss"]
        if self._has_workers:
            asked = float(figures["stop"]) > 0
        self._seconds += time.monotonic() - started
        self._num_examples += sum(self._run.members[task].batch_size for task in active)
        self._step_variable.assign_add(1)
        return self._log(figures, rate) if is_logged else "", asked

    def _log(self, figures: Mapping[str, tf.Tensor], rate: float) -> str:
        """Records the figures of the step just made and returns a short note."""
        values = {name: float(value) for name, value in figures.items() if name != "stop"}
        self._check_loss()
        speed = self._num_examples / max(self._seconds, 1e-9)
        self._seconds, self._num_examples = 0.0, 0
        values |= {"learning_rate": rate, "images_per_second": speed}
        if self._is_chief:
            self._run.directory.log_step({"step": self.step, **values, **self._round_figures})
        self._round_figures = {}
        self._events.write("train", values, self.step)
        return f"loss {values['loss']:.4f}, {speed:.1f} images/s"

    def _look(self) -> Mapping[str, float]:
        """Measures every split, keeps the best weights and calls the evaluators."""
        self._merge_statistics()
        figures = self._look_figures()
        if self._stopping.observe(self._watched(figures), self.step):
            self._checkpoints.save_best(self.step)
        # Every worker calls them, though only the chief records: reading the
        # statistics of a batch normalization averages them over the workers.
        for evaluator in self._run.evaluators:
            self._events.write("eval", dict(evaluator()), self.step)
        networks = {member.name: member.network for member in self._run.members}
        self._events.write_weights(networks, self.step)
        self._events.flush()
        return figures

    def _merge_statistics(self) -> None:
        """Gives a backbone of several tasks statistics for whoever loads it alone."""
        if isinstance(self._run.network, JointNetwork):
            self._run.network.average_statistics()

    def _watched(self, figures: Mapping[str, float]) -> float:
        """Returns the watched figure of a look, higher for better: the mean over tasks."""
        watched = []
        for member in self._run.members:
            splits = member.task.splits
            split = HELDOUT_SPLIT if HELDOUT_SPLIT in splits else splits[0]
            is_score = self._run.optimization.watch == "score"
            name = member.label(str(member.task.score) if is_score else "loss")
            watched.append(figures[f"{split}/{name}"] * (1 if is_score else -1))
        return sum(watched) / len(watched)

    def _look_figures(self) -> Mapping[str, float]:
        """Measures every split of every task and records the figures."""
        figures: dict[str, float] = {}
        for measurements in self._measurements:
            fitted: Metrics | None = None
            for measurement in measurements:
                values, metrics = measurement.measure(fitted)
                fitted = fitted or metrics
                figures |= self._record_look(measurement, values)
        summary = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        say(f"step {self.step}: {summary}")
        return figures

    def _record_look(
        self, measurement: SplitMeasurement, values: Mapping[str, float]
    ) -> dict[str, float]:
        """Records the figures of one split of one task and returns them by full name."""
        split, label = measurement.split, measurement.member.label
        curve, task = "eval" if split == HELDOUT_SPLIT else "eval_train", measurement.member.task
        if split == task.splits[-1] and isinstance(task, DepictedTask) and measurement.sample:
            picture = depict_examples(task, *measurement.sample)
            self._events.write(curve, {label("examples"): picture}, self.step)
        losses = {label(tag): value for tag, value in values.items() if tag != "constant_loss"}
        self._events.write(curve, losses, self.step)
        if "constant_loss" in values:
            constant = {label("loss"): values["constant_loss"]}
            self._events.write(f"{curve}_constant", constant, self.step)
        return {f"{split}/{label(name)}": value for name, value in values.items()}

    def _save(self) -> None:
        """Writes a checkpoint, unless there is one or the weights are spoiled."""
        self._check_loss()
        self._merge_statistics()
        if self.step != self._saved_step:
            self._checkpoints.save(self.step)
            self._saved_step = self.step

    def _check_loss(self) -> None:
        """Raises UserError if the loss of the last step is not finite."""
        loss = float(self._last_loss)
        if not math.isfinite(loss):
            raise UserError(
                f"the loss is {loss} at step {self.step}; "
                "the last checkpoint is from before; try a lower --learning_rate"
            )

    def _stop(self) -> None:
        """Saves and leaves, after a signal to this process or another worker."""
        self._save()
        self._events.flush()
        say(f"stopped by a signal; step {self.step} is saved, run again to go on")
        raise StoppedError(self._request.exit_status or 143, self.step)

    def _finish(self, figures: Mapping[str, float], seconds: float) -> dict[str, Any]:
        """Writes the result."""
        watch, best = self._run.optimization.watch, self._stopping.best_score
        result: dict[str, Any] = {
            "steps": self.step,
            "best_step": self._stopping.best_step,
            f"best_{watch}": -best if watch == "loss" else best,
            "stopped_on_plateau": self._is_on_last_plateau,
            "wall_seconds": seconds,
            **figures,
        }
        if self._is_on_last_plateau:
            found = self._stopping.found_schedule()
            drops = list(found.rate_drops)
            result["found_schedule"] = {**dataclasses.asdict(found), "rate_drops": drops}
        if self._is_chief:
            self._run.directory.write_result(result)
        return result


def _build_stopping(run: Run) -> EarlyStopping:
    """Returns what decides on rate drops and on the end, if the schedule leaves it to that."""
    options = run.optimization
    for member in run.members if options.watch == "score" else ():
        if member.task.score is None:
            raise UsageError(
                f"--watch=score: the task {member.task.name} has no score, only a loss:"
                " --watch=loss"
            )
    return EarlyStopping(
        options.plateau_patience if options.schedule == "plateau" else NEVER,
        options.plateau_drops,
        window=options.plateau_window,
        min_steps=options.plateau_min_steps,
    )
