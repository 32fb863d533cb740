"""The momentum of tasks that wait for their turn, away from the device."""

from collections.abc import Sequence

import tensorflow as tf


class ParkedSlots(tf.Module):
    """An optimizer's memory of the shared variables, one for each task.

    Only the active task's is where the optimizer uses it; the others lie in the
    memory of the host. Part of the checkpoint, so that a run resumes within a
    turn as it was.

    Args:
      slots: the optimizer's variables, of the first task to begin with.
      num_tasks: M.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, section 4.5.4.
    """

    def __init__(self, slots: Sequence[tf.Variable], num_tasks: int) -> None:
        super().__init__(name="parked_slots")
        self._slots = list(slots)
        with tf.device("/CPU:0"):
            self._active = tf.Variable(0, dtype=tf.int64, trainable=False)
            self._parked = [
                [tf.Variable(tf.zeros(one.shape, one.dtype), trainable=False) for one in slots]
                for _ in range(num_tasks)
            ]

    def switch_to(self, task: int) -> None:
        """Puts the memory of a task where the optimizer uses it, if another's is there.

        Args:
          task: number of the task whose turn begins or goes on.
        """
        active = int(self._active)
        if task == active:
            return
        pairs = zip(self._slots, self._parked[active], self._parked[task], strict=True)
        for slot, leaving, entering in pairs:
            leaving.assign(slot.read_value())
            slot.assign(entering)
        self._active.assign(task)
