"""Learning rates as functions of the step and of held-out progress."""

import math

import tensorflow as tf

from tfcolor.training.options import OptimizationOptions


def scheduled_rate(
    options: OptimizationOptions, step: int, plateau_drops: int = 0, num_steps: int = 1
) -> float:
    """Returns the learning rate of one step.

    With `schedule="steps"` the rate changes after the step that equals a drop:
    step <= drop keeps the old rate. With `schedule="cosine"` it falls along half
    a cosine, to 0 after the last step.

    Args:
      options: first rate, warm-up, drops and their factor.
      step: number of updates made before this one.
      plateau_drops: drops that the held-out loss has caused so far.
      num_steps: updates of the whole run, at least 1.

    Returns:
      The rate for weights.

    Example:
      >>> options = OptimizationOptions(learning_rate=1.0, rate_drops=(10,))
      >>> scheduled_rate(options, 10), scheduled_rate(options, 11)
      (1.0, 0.1)
    """
    if options.schedule == "cosine":
        factor = (1 + math.cos(math.pi * min(step / num_steps, 1))) / 2
    elif options.schedule == "steps":
        factor = options.drop_factor ** sum(step > boundary for boundary in options.rate_drops)
    else:
        factor = options.drop_factor**plateau_drops
    rate = options.learning_rate * factor
    if step < options.warmup_steps:
        rate *= 0.1 + 0.9 * step / options.warmup_steps
    return rate


class Plateau(tf.Module):
    """Remembers the best held-out loss and when it last fell.

    The state lives in variables, so that a checkpoint holds it and a resumed
    run decides as the uninterrupted one would have.

    Args:
      patience: looks without improvement before a drop.
      max_drops: drops before the next plateau ends training.
      min_steps: looks at fewer updates than this never count as waiting.

    References:
      Larsson. Dissertation, section 3.4 (early stopping by a held-out score,
      two drops).
    """

    def __init__(self, patience: int, max_drops: int, min_steps: int = 0) -> None:
        super().__init__(name="plateau")
        self._patience, self._max_drops, self._min_steps = patience, max_drops, min_steps
        self.best = tf.Variable(float("inf"), dtype=tf.float64, trainable=False)
        self.best_step = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self.drops = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._waited = tf.Variable(0, dtype=tf.int64, trainable=False)

    @property
    def is_over(self) -> bool:
        """Whether the loss has stopped falling for good."""
        return int(self.drops) > self._max_drops

    def observe(self, loss: float, step: int) -> bool:
        """Takes note of one held-out loss.

        Args:
          loss: the measured value; NaN counts as no improvement.
          step: number of updates made when it was measured.

        Returns:
          Whether it is the best so far.
        """
        if loss < float(self.best):
            self.best.assign(loss)
            self.best_step.assign(step)
            self._waited.assign(0)
            return True
        if step < self._min_steps:
            return False
        self._waited.assign_add(1)
        if int(self._waited) >= self._patience:
            self.drops.assign_add(1)
            self._waited.assign(0)
        return False
