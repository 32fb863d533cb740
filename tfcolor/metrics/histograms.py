"""Streaming metrics of predicted histograms. All sums are float64."""

from typing import Any

import tensorflow as tf


class HistogramNll(tf.keras.metrics.Mean):
    """The (weighted) mean negative log-likelihood of the true bins.

    Args:
      name: the metric's name.
      dtype: type of the sums.
    """

    def __init__(self, name: str = "nll", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(
        self, labels: tf.Tensor, log_probs: tf.Tensor, weights: tf.Tensor | None = None
    ) -> None:
        """Adds pixels.

        Args:
          labels: int32 [...], true bins in [0, K - 1].
          log_probs: float32 [..., K], logarithms of the predicted histograms.
          weights: float32 [...], the weight of each pixel; None weighs all alike.
            The result divides by their sum.
        """
        labels = tf.convert_to_tensor(labels)
        chosen = tf.gather(log_probs, labels[..., None], batch_dims=-1)[..., 0]
        super().update_state(-chosen, weights)


class ConstantHistogramDivergence(tf.keras.metrics.Metric):
    """The loss of the best prediction that is the same everywhere.

    With targets y_i and weights w_i, the weighted divergence `sum_i w_i KL(y_i ||
    q)` is least at the weighted mean target `q = sum w y / sum w`. The result is
    that least value divided by the number of targets (not by the sum of weights),
    as the training loss divides: a network that has learned anything about the
    images is below it.

    From `sum w KL(y || q) = W H(q) - sum w H(y)`, with W the sum of weights and H
    the entropy, four sums suffice.

    Args:
      num_bins: K, the length of the histograms.
      name: the metric's name.
      dtype: type of the sums.
    """

    def __init__(
        self, num_bins: int, name: str = "constant_divergence", dtype: str = "float64"
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_bins = num_bins
        self._mass = self.add_weight("mass", shape=(num_bins,), initializer="zeros")
        self._weight = self.add_weight("weight", initializer="zeros")
        self._entropy = self.add_weight("entropy", initializer="zeros")
        self._count = self.add_weight("count", initializer="zeros")

    def update_state(self, target_probs: tf.Tensor, weights: tf.Tensor | None = None) -> None:
        """Adds targets.

        Args:
          target_probs: float32 [..., K], histograms that sum to 1.
          weights: float32 [...], not negative; None weighs all by 1.
        """
        probs = tf.reshape(tf.cast(target_probs, self._mass.dtype), [-1, self.num_bins])
        entropies = -tf.reduce_sum(tf.math.xlogy(probs, probs), axis=-1)
        weights = tf.ones_like(entropies) if weights is None else weights
        weights = tf.reshape(tf.cast(weights, probs.dtype), [-1])
        self._mass.assign_add(tf.reduce_sum(weights[:, None] * probs, axis=0))
        self._weight.assign_add(tf.reduce_sum(weights))
        self._entropy.assign_add(tf.reduce_sum(weights * entropies))
        self._count.assign_add(tf.cast(tf.shape(probs)[0], probs.dtype))

    def result(self) -> tf.Tensor:
        """Returns the divergence so far, float64 [], 0 before the first target."""
        mean = tf.math.divide_no_nan(self._mass, self._weight)
        least = -tf.reduce_sum(tf.math.xlogy(self._mass, mean)) - self._entropy
        return tf.maximum(tf.math.divide_no_nan(least, self._count), 0)

    def best_constant(self) -> tf.Tensor:
        """Returns the best constant, to be tried on other targets.

        Returns:
          float64 [K], the weighted mean target with the mass of one target
          spread over all bins, so that none is impossible.
        """
        return (self._mass + 1.0 / self.num_bins) / (self._weight + 1.0)

    def loss_of(self, constant: tf.Tensor) -> tf.Tensor:
        """Returns the divergence of the targets from a given constant.

        Args:
          constant: float64 [K], positive, sums to 1; `best_constant()` of a metric
            that saw other targets.

        Returns:
          float64 [], `sum_i w_i KL(y_i || constant)` by the number of targets.
        """
        total = -tf.reduce_sum(self._mass * tf.math.log(constant)) - self._entropy
        return tf.math.divide_no_nan(total, self._count)

    def reset_state(self) -> None:
        """Forgets all targets."""
        for variable in self.variables:
            variable.assign(tf.zeros_like(variable))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_bins": self.num_bins}
