"""The one training loop."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.progress import ProgressReport, say
from tfcolor.tasks.base import HELDOUT_SPLIT, Task
from tfcolor.training.checkpoints import Checkpoints
from tfcolor.training.distribution import has_workers, is_chief, plan_batches
from tfcolor.training.early_stopping import EarlyStopping
from tfcolor.training.events import Events
from tfcolor.training.heldout import Metrics, SplitMeasurement
from tfcolor.training.optimizers import Update
from tfcolor.training.options import OptimizationOptions, TrainingOptions
from tfcolor.training.run_directory import RunDirectory
from tfcolor.training.schedules import scheduled_rate
from tfcolor.training.signals import StoppedError, StopRequest
from tfcolor.training.step import TrainStep

Evaluator = Callable[[], Iterable[tuple[str, Any]]]

NEVER = 2**62
"""Looks to wait for where given steps decide."""


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything that a training loop works on.

    Args:
      task: what is learned.
      network: built inside `strategy.scope()`, with all its variables made.
      strategy: where.
      training: length, batch and records.
      optimization: rates.
      directory: where the records go.
      flags: the resolved flags, for TensorBoard.
      evaluators: called at every look; each yields (name, number or picture).
    """

    task: Task
    network: tf.keras.Model
    strategy: tf.distribute.Strategy
    training: TrainingOptions
    optimization: OptimizationOptions
    directory: RunDirectory
    flags: Mapping[str, str]
    evaluators: Sequence[Evaluator] = ()


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
        with run.strategy.scope():
            self._update = Update(
                run.network,
                run.optimization,
                use_loss_scaling=options.precision == "mixed_float16",
            )
        self._stopping = _build_stopping(run)
        self._step_variable = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._checkpoints = Checkpoints(
            run.directory.checkpoints,
            tf.train.Checkpoint(
                network=run.network,
                optimizer=self._update.optimizer,
                early_stopping=self._stopping,
                step=self._step_variable,
            ),
            options.keep_checkpoints,
            is_chief=self._is_chief,
        )
        self._events = Events(run.directory.events, is_active=self._is_chief)
        self._train_step = TrainStep(run.strategy, run.network, run.task, self._update)
        self._measurements = [self._measurement(split) for split in run.task.splits]
        self._saved_step: int | None = None
        self._seconds = 0.0
        self._last_loss = tf.constant(0.0)

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
            for batch in self._batches():
                note, is_asked_to_stop = self._advance(batch)
                report.advance(note=note)
                if self.step % options.evaluate_every_steps == 0 or self._is_last:
                    figures = self._look()
                # After the log and the look, which a resumed run does not repeat.
                if is_asked_to_stop:
                    self._stop()
                if self.step % options.checkpoint_every_steps == 0:
                    self._save()
                if self._is_last:
                    break
        return figures

    @property
    def _is_last(self) -> bool:
        """Whether no step follows."""
        return self.step >= self._run.training.num_steps or self._is_on_last_plateau

    @property
    def _is_on_last_plateau(self) -> bool:
        """Whether the held-out figure ends this run; given steps run to their end."""
        return self._stopping.is_over

    def _batches(self) -> Any:
        """Returns the distributed batches from the current step on."""
        run, step = self._run, self.step
        replicas = run.strategy.num_replicas_in_sync
        return run.strategy.distribute_datasets_from_function(
            lambda context: run.task.make_dataset(
                run.task.splits[0], plan_batches(run.training, step, replicas, context)
            )
        )

    def _advance(self, batch: Any) -> tuple[str, bool]:
        """Makes one step; returns a note if it was logged, and whether to stop."""
        step = self.step
        num_steps = self._run.training.num_steps
        rate = scheduled_rate(self._run.optimization, step, self._stopping.drops, num_steps)
        self._update.set_rate(rate)
        started = time.monotonic()
        asked = self._request.signal_number is not None
        figures = self._train_step(batch, tf.constant(float(asked)))
        self._last_loss = figures["loss"]
        if self._has_workers:
            asked = float(figures["stop"]) > 0
        self._seconds += time.monotonic() - started
        self._step_variable.assign_add(1)
        every = self._run.training.log_every_steps
        return self._log(figures, rate) if (step + 1) % every == 0 else "", asked

    def _log(self, figures: Mapping[str, tf.Tensor], rate: float) -> str:
        """Records the figures of the step just made and returns a short note."""
        options = self._run.training
        values = {name: float(value) for name, value in figures.items() if name != "stop"}
        self._check_loss()
        speed = options.log_every_steps * options.batch_size / max(self._seconds, 1e-9)
        self._seconds = 0.0
        values |= {"learning_rate": rate, "images_per_second": speed}
        if self._is_chief:
            self._run.directory.log_step({"step": self.step, **values})
        self._events.write("train", values, self.step)
        return f"loss {values['loss']:.4f}, {speed:.1f} images/s"

    def _look(self) -> Mapping[str, float]:
        """Measures every split, keeps the best weights and calls the evaluators."""
        figures = self._look_figures()
        if self._stopping.observe(self._watched(figures), self.step):
            self._checkpoints.save_best(self.step)
        # Every worker calls them, though only the chief records: reading the
        # statistics of a batch normalization averages them over the workers.
        for evaluator in self._run.evaluators:
            self._events.write("eval", dict(evaluator()), self.step)
        self._events.write_weights(self._run.network, self.step)
        self._events.flush()
        return figures

    def _watched(self, figures: Mapping[str, float]) -> float:
        """Returns the watched figure of a look, higher for better."""
        splits = self._run.task.splits
        split = HELDOUT_SPLIT if HELDOUT_SPLIT in splits else splits[0]
        if self._run.optimization.watch == "score":
            return figures[f"{split}/{self._run.task.score}"]
        return -figures[f"{split}/loss"]

    def _look_figures(self) -> Mapping[str, float]:
        """Measures every split and records the figures."""
        figures: dict[str, float] = {}
        fitted: Metrics | None = None
        for measurement in self._measurements:
            values, metrics = measurement.measure(fitted)
            fitted = fitted or metrics
            figures |= {f"{measurement.split}/{name}": value for name, value in values.items()}
            curve = "eval" if measurement.split == HELDOUT_SPLIT else "eval_train"
            losses = {tag: value for tag, value in values.items() if tag != "constant_loss"}
            self._events.write(curve, losses, self.step)
            if "constant_loss" in values:
                constant = {"loss": values["constant_loss"]}
                self._events.write(f"{curve}_constant", constant, self.step)
        summary = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        say(f"step {self.step}: {summary}")
        return figures

    def _measurement(self, split: str) -> SplitMeasurement:
        """Returns the fixed measurement of one split."""
        options = self._run.training
        return SplitMeasurement(
            self._run.network,
            self._run.task,
            split,
            num_examples=options.evaluate_num_examples,
            batch_size=options.batch_size,
            seed=options.seed,
        )

    def _save(self) -> None:
        """Writes a checkpoint, unless there is one or the weights are spoiled."""
        self._check_loss()
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
    if options.watch == "score" and run.task.score is None:
        raise UsageError(
            f"--watch=score: the task {run.task.name} has no score, only a loss: --watch=loss"
        )
    return EarlyStopping(
        options.plateau_patience if options.schedule == "plateau" else NEVER,
        options.plateau_drops,
        window=options.plateau_window,
        min_steps=options.plateau_min_steps,
    )
