"""Dropout whose masks belong to the examples, not to the batch."""

import tensorflow as tf


class StatelessDropout(tf.keras.layers.Layer):
    """Drops features with a mask that depends only on the example's seed.

    The mask of an example is the same in any batch, on any replica and after a
    restart. What is kept is scaled by `1 / (1 - rate)`.

    Args:
      rate: probability of dropping a feature, in [0, 1).
      seed: tells this layer's masks from those of other layers.
      name: name of the layer.

    Raises:
      ValueError: if `rate` is outside [0, 1).

    Example:
      >>> layer = StatelessDropout(0.5, seed=7)
      >>> seeds = tf.constant([[3, 4], [3, 4]], tf.int64)
      >>> first, second = layer(tf.ones([2, 9]), seeds, training=True)
      >>> bool(tf.reduce_all(first == second))
      True
    """

    def __init__(self, rate: float, seed: int, name: str | None = None) -> None:
        super().__init__(name=name, autocast=False)
        if not 0 <= rate < 1:
            raise ValueError(f"rate={rate}; expected a number in [0, 1)")
        self.rate = rate
        self.seed = seed

    def call(
        self, inputs: tf.Tensor, seeds: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        """Drops features in training; returns the input unchanged otherwise.

        Args:
          inputs: float [B, ...].
          seeds: int64 [B, 2], one stateless seed per example; needed only in
            training.
          training: whether to drop.

        Returns:
          Like `inputs`.

        Raises:
          ValueError: if `seeds` are missing in training.
        """
        if not training or self.rate == 0:
            return inputs
        if seeds is None:
            raise ValueError(f"dropout {self.name!r} got no seeds; training needs int64 [B, 2]")
        kept = self._kept(seeds, tf.shape(inputs)[1:])
        kept.set_shape(inputs.shape)
        return tf.where(kept, inputs / (1 - self.rate), tf.zeros([], inputs.dtype))

    def _kept(self, seeds: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        """Draws bool [B, ...] masks, each from its own seed."""

        def draw(seed: tf.Tensor) -> tf.Tensor:
            folded = tf.random.experimental.stateless_fold_in(seed, self.seed)
            return tf.random.stateless_uniform(shape, folded, alg="philox") >= self.rate

        # `map_fn` cannot stack zero masks of unknown shape: an empty batch draws one.
        num_seeds = tf.shape(seeds)[0]
        seeds = tf.pad(seeds, [[0, tf.maximum(1 - num_seeds, 0)], [0, 0]])
        return tf.map_fn(draw, seeds, fn_output_signature=tf.bool)[:num_seeds]
