"""The update: gradients, decay and rates, with variables chosen by identity."""

from collections.abc import Sequence

import tensorflow as tf

from tfcolor.models.network import kernel_and_bias_variables
from tfcolor.training.options import OptimizationOptions


class Update:
    """Applies averaged gradients to a network.

    Weight decay is added to the gradient of kernels. The gradient of biases is
    multiplied, which for momentum gradient descent is a rate of their own; Adam
    divides it out again.

    Args:
      network: the model; its trainable variables must be kernels and biases.
      options: the optimizer, decay and multipliers.
      use_loss_scaling: for float16, whose small gradients would vanish.

    References:
      Kingma, Ba. Adam: A Method for Stochastic Optimization. ICLR 2015.
    """

    def __init__(
        self, network: tf.keras.Model, options: OptimizationOptions, *, use_loss_scaling: bool
    ) -> None:
        kernels, biases = kernel_and_bias_variables(network)
        self.variables = [*kernels, *biases]
        self._num_kernels = len(kernels)
        self._options = options
        optimizer = _build_optimizer(options)
        if use_loss_scaling:
            optimizer = tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
        optimizer.build(self.variables)
        self.optimizer = optimizer
        self._uses_loss_scaling = use_loss_scaling

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """Returns the float32 [] loss whose gradients `apply` expects."""
        return self.optimizer.get_scaled_loss(loss) if self._uses_loss_scaling else loss

    def set_rate(self, rate: float) -> None:
        """Sets the learning rate of the following steps."""
        self.optimizer.learning_rate = rate

    def apply(self, gradients: Sequence[tf.Tensor]) -> tf.Tensor:
        """Updates every variable; to be called in each replica.

        Args:
          gradients: of the scaled loss by `variables`, this replica's share.

        Returns:
          float32 [], the norm of the loss's gradient over all replicas, before
          decay and clipping.
        """
        replica = tf.distribute.get_replica_context()
        gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
        if self._uses_loss_scaling:
            gradients = self.optimizer.get_unscaled_gradients(gradients)
        norm = tf.linalg.global_norm(gradients)
        if self._options.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._options.clip_norm, norm)
        pairs = zip(self._decayed(gradients), self.variables, strict=True)
        self.optimizer.apply_gradients(pairs, skip_gradients_aggregation=True)
        return norm

    def _decayed(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the gradients with decay on kernels and the multiplier on biases."""
        decay, multiplier = self._options.weight_decay, self._options.bias_rate_multiplier
        count = self._num_kernels
        kernels = [
            gradient + decay * variable if decay else gradient
            for gradient, variable in zip(gradients[:count], self.variables[:count], strict=True)
        ]
        return kernels + [gradient * multiplier for gradient in gradients[count:]]


def _build_optimizer(options: OptimizationOptions) -> tf.keras.optimizers.Optimizer:
    """Returns the optimizer that the options name."""
    if options.optimizer == "adam":
        return tf.keras.optimizers.Adam(options.learning_rate, beta_1=options.momentum)
    return tf.keras.optimizers.SGD(options.learning_rate, momentum=options.momentum)
