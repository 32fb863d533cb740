"""Batch normalization without and with trainable scale and shift."""

import contextlib
import contextvars
import types
from collections.abc import Iterator, Mapping

import tensorflow as tf

EPSILON = 1e-5
FINAL_MOMENTUM = 0.999
RAMP_STEPS = 1000
INITIAL_VARIANCE = 0.5
"""Where there is no ramp, whose first update copies the batch."""

Statistics = list[tuple[tf.Variable, tf.Tensor]]

_COLLECTED: contextvars.ContextVar[Statistics | None] = contextvars.ContextVar(
    "collected", default=None
)
_SUBSTITUTES: contextvars.ContextVar[Mapping[int, tuple[tf.Variable, ...]]] = (
    contextvars.ContextVar("substitutes", default=types.MappingProxyType({}))
)
_IS_COPIED: contextvars.ContextVar[bool] = contextvars.ContextVar("is_copied", default=False)


@contextlib.contextmanager
def copied_statistics() -> Iterator[None]:
    """Lets each update of moving statistics copy those of the batch."""
    token = _IS_COPIED.set(True)
    try:
        yield
    finally:
        _IS_COPIED.reset(token)


@contextlib.contextmanager
def collected_statistics() -> Iterator[Statistics]:
    """Hands moving statistics to the caller instead of storing them.

    For workers that share the variables: what one of them stores, another would
    overwrite, and one that repeats its work would count it twice.

    Yields:
      A list that layers called inside of it append to: a variable, and the value
      it is to have.
    """
    collected: Statistics = []
    token = _COLLECTED.set(collected)
    try:
        yield collected
    finally:
        _COLLECTED.reset(token)


@contextlib.contextmanager
def substituted_statistics(substitutes: Mapping[int, tuple[tf.Variable, ...]]) -> Iterator[None]:
    """Lets layers read and update other moving statistics than their own.

    Args:
      substitutes: moving mean, moving variance and number of updates, by the
        `id` of the layer.

    Yields:
      Nothing; other layers go on with their own.
    """
    token = _SUBSTITUTES.set(substitutes)
    try:
        yield
    finally:
        _SUBSTITUTES.reset(token)


class ParameterFreeBatchNorm(tf.keras.layers.Layer):
    """Normalizes each channel to mean 0 and variance 1, in float32.

    The moving statistics follow `m <- a m + (1 - a) batch`, where `a` grows
    linearly from 0 to 0.999 over the first 1000 updates, so that the first
    update copies the batch. Variances are biased.

    Args:
      statistics: "batch" normalizes with the batch's statistics in training;
        "moving" with the moving ones, after their update and without gradient
        through them. Outside training, and in a frozen layer (whose `trainable`
        is False), it is always the moving ones, and they stay as they are.
      synchronize: whether the batch's statistics are those of the examples of
        all replicas together.
      use_ramp: whether `a` grows; if not it is 0.999 from the first update on,
        and the moving variance starts at 0.5.
      name: name of the layer.

    Raises:
      ValueError: if `statistics` is neither "batch" nor "moving".

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017 (batch normalization without re-scaling).
    """

    scale: tf.Variable | None = None
    bias: tf.Variable | None = None

    def __init__(
        self,
        statistics: str = "batch",
        synchronize: bool = False,
        use_ramp: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        if statistics not in ("batch", "moving"):
            raise ValueError(f"statistics={statistics!r}; expected 'batch' or 'moving'")
        self.statistics = statistics
        self.synchronize = synchronize
        self.use_ramp = use_ramp

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the moving statistics and the counter of their updates.

        Args:
          input_shape: [..., C].
        """
        channels = tf.TensorShape(input_shape)[-1]
        variance = 1.0 if self.use_ramp else INITIAL_VARIANCE
        self.moving_mean = self._add_statistic("moving_mean", [channels], 0.0)
        self.moving_variance = self._add_statistic("moving_variance", [channels], variance)
        self.num_updates = self.add_weight(
            name="num_updates",
            shape=[],
            dtype=tf.int64,
            initializer="zeros",
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        super().build(input_shape)

    def restart_ramp(self) -> None:
        """Lets the moving statistics follow those of a new run as fast as at first."""
        self.num_updates.assign(0)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Normalizes over every axis but the last.

        Args:
          inputs: float [..., C].
          training: whether to update the moving statistics, and to normalize as
            `statistics` says.

        Returns:
          [..., C] of the dtype of `inputs`.
        """
        values = tf.cast(inputs, tf.float32)
        mean, variance, _ = self._statistics()
        if training and self.trainable:
            mean, variance = self._batch_moments(values)
            updated = self._update(tf.stop_gradient(mean), tf.stop_gradient(variance))
            if self.statistics == "moving":
                mean, variance = updated
        scale = tf.math.rsqrt(variance + EPSILON)
        return tf.cast((values - mean) * scale, inputs.dtype)

    def _add_statistic(self, name: str, shape: list[int], initial: float) -> tf.Variable:
        """Adds a variable that each replica updates and a reader averages."""
        return self.add_weight(
            name=name,
            shape=shape,
            dtype=tf.float32,
            initializer=tf.keras.initializers.Constant(initial),
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )

    def _batch_moments(self, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the float32 [C] mean and biased variance of [..., C] values."""
        axes = list(range(values.shape.rank - 1))
        if not self.synchronize:
            return tf.nn.moments(values, axes)
        # The mean is shared before squares are taken: E[x^2] - E[x]^2 would lose
        # the variance of a channel whose mean is large. Sums and counts, since
        # replicas may hold different numbers of examples.
        count = self._replica_sum(tf.cast(tf.reduce_prod(tf.shape(values)[:-1]), tf.float32))
        mean = self._replica_sum(tf.reduce_sum(values, axes)) / count
        squares = tf.reduce_sum(tf.math.squared_difference(values, mean), axes)
        return mean, self._replica_sum(squares) / count

    def _replica_sum(self, value: tf.Tensor) -> tf.Tensor:
        """Adds a tensor over all replicas, differentiably."""
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)

    def _update(self, mean: tf.Tensor, variance: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Updates the moving statistics and returns their new values."""
        moving_mean, moving_variance, num_updates = self._statistics()
        momentum = 0.0 if _IS_COPIED.get() else FINAL_MOMENTUM
        if self.use_ramp and not _IS_COPIED.get():
            ramp = tf.cast(tf.minimum(num_updates, RAMP_STEPS), tf.float32) / RAMP_STEPS
            momentum = FINAL_MOMENTUM * ramp
        new_mean = momentum * moving_mean + (1 - momentum) * mean
        new_variance = momentum * moving_variance + (1 - momentum) * variance
        collected = _COLLECTED.get()
        if collected is None:
            moving_mean.assign(new_mean)
            moving_variance.assign(new_variance)
            num_updates.assign_add(1)
        else:
            collected += [(moving_mean, new_mean), (moving_variance, new_variance)]
            collected.append((num_updates, num_updates + 1))
        return new_mean, new_variance

    def _statistics(self) -> tuple[tf.Variable, ...]:
        """Returns moving mean, moving variance and number of updates, maybe those of a task."""
        own = (self.moving_mean, self.moving_variance, self.num_updates)
        return _SUBSTITUTES.get().get(id(self), own)

    @property
    def statistics_variables(self) -> list[tf.Variable]:
        """Returns what training moves without a gradient; nothing in a frozen layer."""
        if not self.trainable:
            return []
        return [self.moving_mean, self.moving_variance, self.num_updates]


class TrainableBatchNorm(ParameterFreeBatchNorm):
    """Normalizes, then scales and shifts each channel by trainable amounts.

    Args:
      statistics: as for `ParameterFreeBatchNorm`.
      synchronize: likewise.
      use_ramp: likewise.
      use_scale: whether there is a factor per channel, `scale`.
      use_center: whether there is a shift per channel, `bias`.
      name: name of the layer.

    References:
      Ioffe, Szegedy. Batch Normalization: Accelerating Deep Network Training by
      Reducing Internal Covariate Shift. ICML 2015.
    """

    def __init__(
        self,
        statistics: str = "batch",
        synchronize: bool = False,
        use_ramp: bool = False,
        *,
        use_scale: bool = True,
        use_center: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(statistics, synchronize, use_ramp, name=name)
        self.use_scale = use_scale
        self.use_center = use_center

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the statistics, scale and shift.

        Args:
          input_shape: [..., C].
        """
        shape = [tf.TensorShape(input_shape)[-1]]
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")
        if self.use_center:
            self.bias = self.add_weight(name="bias", shape=shape, initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Normalizes over every axis but the last, scales and shifts.

        Args:
          inputs: float [..., C].
          training: as for `ParameterFreeBatchNorm`.

        Returns:
          [..., C] of the dtype of `inputs`.
        """
        values = super().call(tf.cast(inputs, tf.float32), training)
        if self.use_scale:
            values = values * self.scale
        if self.use_center:
            values = values + self.bias
        return tf.cast(values, inputs.dtype)
