"""Mixing maps of equal size with few weights of unit length, the lasso of several tasks."""

from collections.abc import Sequence

import tensorflow as tf

REPORTED = 1e-3
"""A weight below this is taken for 0 in reports: gradients alone never reach 0."""
SMALLEST = 1e-12
"""A row shorter than this has no direction."""


def unit_rows(raw: tf.Tensor) -> tf.Tensor:
    """Scales rows to unit length.

    A gradient g by the result becomes (g - a (a . g)) / |raw| by `raw`, where a
    is the result: the length of a raw row changes nothing but the step.

    Args:
      raw: float [..., M], no row of zeros.

    Returns:
      float [..., M]. Differentiable.

    Example:
      >>> unit_rows(tf.constant([3.0, -4.0])).numpy().round(6).tolist()
      [0.6000000238418579, -0.800000011920929]
    """
    return raw / tf.maximum(tf.norm(raw, axis=-1, keepdims=True), SMALLEST)


def proximal_step(
    weights: tf.Tensor, gradient: tf.Tensor, rate: float, penalty: float
) -> tf.Tensor:
    """Takes one step of descent on the sphere that makes small weights exactly 0.

    Gradient descent, then the proximal map of the L1 norm (each number is moved
    toward 0 by `rate * penalty` and stops there), then back to unit length. A
    row of which nothing is left keeps its largest weight alone. The rate must be
    below 1 / L, where the gradient's Lipschitz constant is L: beyond it the rows
    stall where they are dense.

    Args:
      weights: float [..., M], rows of unit length.
      gradient: float [..., M], of the smooth part of the loss.
      rate: length of the step.
      penalty: lambda in the summand lambda * sum(|weights|) of the loss.

    Returns:
      float [..., M], rows of unit length.

    References:
      Parikh, Boyd. Proximal Algorithms. 2014, section 6.5.2 (soft thresholding).
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      equation 1, which leaves the method open.
    """
    moved = weights - rate * gradient
    shrunk = tf.sign(moved) * tf.nn.relu(tf.abs(moved) - rate * penalty)
    return unit_rows(_or_largest(shrunk, weights))


def sparse_rows(weights: tf.Tensor, threshold: float = REPORTED) -> tf.Tensor:
    """Returns rows for a report: small weights are 0, the others of unit length again.

    Args:
      weights: float [..., M], rows of unit length.
      threshold: weights of a smaller size become 0; the largest one stays.

    Returns:
      float [..., M].
    """
    kept = tf.where(tf.abs(weights) < threshold, tf.zeros_like(weights), weights)
    return unit_rows(_or_largest(kept, weights))


def mix_maps(maps: Sequence[tf.Tensor], weights: tf.Tensor) -> tf.Tensor:
    """Adds maps of equal size, each times its weight.

    Args:
      maps: M tensors, float [B, H, W, C].
      weights: float [M].

    Returns:
      float [B, H, W, C], of the dtype of the maps. Differentiable by both.

    Raises:
      ValueError: if there are not as many maps as weights.
    """
    if len(maps) != weights.shape[-1]:
        raise ValueError(f"got {len(maps)} maps for {weights.shape[-1]} weights")
    factors = tf.unstack(tf.cast(weights, maps[0].dtype), len(maps))
    return tf.add_n([factor * one for factor, one in zip(factors, maps, strict=True)])


class UnitMixture(tf.keras.layers.Layer):
    """Mixes the outputs of units with one row of trainable weights of unit length.

    The L1 norm of the row is penalized in one of two ways. By itself it is among
    the layer's `losses`, of the row as scaled to unit length, since one of the
    trained numbers would only shrink their length; any optimizer may train them,
    and no weight becomes exactly 0. With a rate, the row is not trained by an
    optimizer: the update takes what `stepped` returns, which has exact zeros. The
    norm lies between 1, for one unit alone, and sqrt(M).

    Args:
      num_units: M, maps to be mixed.
      penalty: lambda, the weight of the L1 norm in the loss.
      rate: length of proximal steps; 0 for a row that an optimizer trains.
      name: name of the layer.

    Attributes:
      mixing_row: float32 [M], the trained numbers: of unit length with a rate, of
        any length without.

    Raises:
      ValueError: if there is no unit.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      equation 1.
    """

    def __init__(
        self, num_units: int, penalty: float, rate: float = 0.0, name: str | None = None
    ) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        if num_units < 1:
            raise ValueError(f"num_units={num_units}; expected at least 1")
        self.num_units, self.penalty, self.rate = num_units, penalty, rate
        self.mixing_row = self.add_weight(
            name="mixing_row",
            shape=[num_units],
            initializer=tf.keras.initializers.Constant(num_units**-0.5),
        )
        if not rate:
            self.add_loss(self.l1_loss)
        self.built = True

    @property
    def weights_of_units(self) -> tf.Tensor:
        """The weights, float32 [M] of unit length."""
        row = tf.convert_to_tensor(self.mixing_row)
        return row if self.rate else unit_rows(row)

    def l1_loss(self) -> tf.Tensor:
        """Returns the penalty on the weights, float32 []."""
        return self.penalty * tf.reduce_sum(tf.abs(self.weights_of_units))

    def stepped(self, gradient: tf.Tensor, scale: float | tf.Tensor = 1.0) -> tf.Tensor:
        """Returns the row after a proximal step; the same where the gradient is not finite.

        Args:
          gradient: float32 [M], of the task's loss by the row, times `scale`.
          scale: what the task's loss is multiplied by.

        Returns:
          float32 [M], of unit length.
        """
        row = tf.convert_to_tensor(self.mixing_row)
        moved = proximal_step(row, gradient, self.rate, self.penalty * scale)
        return tf.where(tf.reduce_all(tf.math.is_finite(gradient)), moved, row)

    def call(self, maps: Sequence[tf.Tensor]) -> tf.Tensor:
        """Mixes maps.

        Args:
          maps: M tensors, float [B, H, W, C].

        Returns:
          float [B, H, W, C], of the dtype of the maps.
        """
        return mix_maps(maps, self.weights_of_units)


def _or_largest(rows: tf.Tensor, before: tf.Tensor) -> tf.Tensor:
    """Returns rows [..., M]; for those without any number left the largest one before."""
    largest = tf.one_hot(tf.argmax(tf.abs(before), axis=-1), before.shape[-1], dtype=before.dtype)
    is_empty = tf.reduce_all(rows == 0, axis=-1, keepdims=True)
    return tf.where(is_empty, largest * before, rows)
