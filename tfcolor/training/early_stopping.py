"""Early stopping by a held-out score, and the schedule it finds."""

import dataclasses

import tensorflow as tf

from tfcolor.training.options import OptimizationOptions
from tfcolor.training.schedules import Plateau


@dataclasses.dataclass(frozen=True)
class FoundSchedule:
    """When the rate fell and when training ended, in updates.

    Args:
      rate_drops: as `OptimizationOptions.rate_drops`: the last update, counted
        from 0, with each rate but the last.
      num_steps: all updates.
      best_step: updates made at the best look; -1 if there was none.
    """

    rate_drops: tuple[int, ...]
    num_steps: int
    best_step: int

    def replay(self, options: OptimizationOptions) -> OptimizationOptions:
        """Returns `options` with this schedule, for a run on all of the data."""
        return dataclasses.replace(options, schedule="steps", rate_drops=self.rate_drops)


class EarlyStopping(tf.Module):
    """Decides by a held-out score when the rate falls, and when training ends.

    Train on 90 % of the data and show it the score on the other 10 %. When the
    score stops improving, the rate falls; after `max_drops` drops, the next
    plateau is the end. `found_schedule` then says how to train on 100 %, without
    looking, with the same rate at each update.

    The state lives in variables: whatever is saved with `tf.train.Checkpoint`
    between two looks goes on as if it had not stopped. A run that was killed
    after a look may repeat it: looking twice at one step changes nothing.

    Args:
      patience: looks without improvement before a drop.
      max_drops: drops before the next plateau ends training.
      window: scores that are averaged into one look, for scores of single
        batches.
      min_steps: looks at fewer updates than this never count as waiting.

    Raises:
      ValueError: if a number is out of range.

    References:
      Larsson. Dissertation, section 3.4 (split 90/10, two drops, again on all).
    """

    def __init__(
        self, patience: int, max_drops: int, *, window: int = 1, min_steps: int = 0
    ) -> None:
        super().__init__(name="early_stopping")
        if patience < 1 or window < 1 or max_drops < 0 or min_steps < 0:
            raise ValueError(
                f"patience={patience}, window={window}, max_drops={max_drops}, "
                f"min_steps={min_steps}: expected at least 1, 1, 0 and 0"
            )
        self._window = window
        self._plateau = Plateau(patience, max_drops, min_steps)
        self._drop_steps = tf.Variable([-1] * (max_drops + 1), dtype=tf.int64, trainable=False)
        self._last_step = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self._sum = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self._count = tf.Variable(0, dtype=tf.int64, trainable=False)

    @property
    def drops(self) -> int:
        """How often the rate has fallen, for `scheduled_rate`; one more at the end."""
        return int(self._plateau.drops)

    @property
    def is_over(self) -> bool:
        """Whether the score has stopped improving for good."""
        return self._plateau.is_over

    @property
    def best_score(self) -> float:
        """The best look so far, minus infinity before the first."""
        return -float(self._plateau.best)

    @property
    def best_step(self) -> int:
        """Updates made at the best look, -1 before the first."""
        return int(self._plateau.best_step)

    def observe(self, score: float, step: int) -> bool:
        """Takes note of one held-out score.

        Args:
          score: the measured value, higher for better; NaN counts as no
            improvement.
          step: number of updates made when it was measured; the same as the last
            time changes nothing.

        Returns:
          Whether it completes a look that is the best so far.

        Raises:
          ValueError: if `step` lies before the last one, or training is over.
        """
        last = int(self._last_step)
        if step == last:
            return False
        if self.is_over:
            raise ValueError(f"step {step}: expected none, training was over at step {last}")
        if step < last:
            raise ValueError(f"step {step}: expected at least {last}, the last one observed")
        self._last_step.assign(step)
        self._sum.assign_add(score)
        self._count.assign_add(1)
        if int(self._count) < self._window:
            return False
        mean = float(self._sum) / self._window
        self._sum.assign(0.0)
        self._count.assign(0)
        return self._look(mean, step)

    def found_schedule(self) -> FoundSchedule:
        """Returns what to train with on all of the data.

        Raises:
          ValueError: if training is not over.
        """
        if not self.is_over:
            raise ValueError(
                f"{self.drops} drops so far: expected the end of training, which sets the schedule"
            )
        *drops, end = self._drop_steps.numpy().tolist()
        # A look at step S precedes update S, the first one with the lower rate.
        return FoundSchedule(tuple(step - 1 for step in drops), end, self.best_step)

    def _look(self, score: float, step: int) -> bool:
        """Shows the plateau a score and notes the step if that makes it drop."""
        before = self.drops
        is_best = self._plateau.observe(-score, step)
        if self.drops > before:
            self._drop_steps.scatter_nd_update([[before]], [step])
        return is_best
