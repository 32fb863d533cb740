"""What the tasks' gradients have to do with each other, for the log."""

from collections.abc import Mapping, Sequence

import tensorflow as tf


def compare_gradients(
    gradients: Mapping[str, Sequence[tf.Tensor]], updates: Mapping[str, Sequence[tf.Tensor]]
) -> dict[str, tf.Tensor]:
    """Compares tasks by their gradients and by what they add to the update.

    Args:
      gradients: of each task's loss by the shared variables, float32, by task.
      updates: the summands of the update, float32 of the same shapes, by task.

    Returns:
      float32 [] each: `gradient_norm_TASK`; `gradient_cosine_TASK_OTHER` in
      [-1, 1] for each pair, 0 where a gradient is 0; and `update_share_TASK`,
      the length of a task's summand along the update, relative to the update's:
      they sum to 1.
    """
    names = list(gradients)
    squares = {name: _product(gradients[name], gradients[name]) for name in names}
    figures = {f"gradient_norm_{name}": tf.sqrt(squares[name]) for name in names}
    for index, name in enumerate(names):
        for other in names[index + 1 :]:
            product = _product(gradients[name], gradients[other])
            length = tf.sqrt(squares[name] * squares[other])
            figures[f"gradient_cosine_{name}_{other}"] = tf.math.divide_no_nan(product, length)
    total = [tf.add_n(list(parts)) for parts in zip(*updates.values(), strict=True)]
    whole = _product(total, total)
    for name in names:
        along = _product(updates[name], total)
        figures[f"update_share_{name}"] = tf.math.divide_no_nan(along, whole)
    return figures


def _product(left: Sequence[tf.Tensor], right: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the inner product of two lists of tensors, float32 []."""
    pairs = zip(left, right, strict=True)
    return tf.add_n([tf.reduce_sum(one * other) for one, other in pairs])
