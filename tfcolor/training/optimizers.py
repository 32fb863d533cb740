"""The update: gradients, decay and rates, with variables chosen by identity."""

import dataclasses
from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfcolor.core.columns import Column
from tfcolor.core.errors import UsageError
from tfcolor.layers.unit_mixture import UnitMixture
from tfcolor.models.network import kernel_and_bias_variables
from tfcolor.training.assignment import assign_in_replicas
from tfcolor.training.comparison import compare_gradients
from tfcolor.training.gradient_sizes import GradientSizes
from tfcolor.training.joint import weights_of_tasks
from tfcolor.training.lars import trust_ratio
from tfcolor.training.options import JointOptions, OptimizationOptions

Tensors = list[tf.Tensor]

ADAM_GUARD = 1e-15
"""Epsilon of one Adam per task: so small that a loss of any scale gives the same
update. With the usual 1e-8, gradients of 1e-4 times the usual loss drown in it."""
OWN_OPTIMIZERS = ("multi_adam", "rmsprop")
"""Choices with an optimizer for each task."""


@dataclasses.dataclass(frozen=True)
class SharedNetwork:
    """What an update changes: a backbone, and a network upon it for each task.

    Args:
      backbone: whose trainable variables are those of every network.
      networks: one per task; their other variables belong to them alone.
      names: of the tasks, for the log.
    """

    backbone: tf.keras.Model
    networks: tuple[tf.keras.Model, ...]
    names: tuple[str, ...] = ("",)


@dataclasses.dataclass(frozen=True)
class _Variables:
    """What is updated, kept out of the checkpoint, where the network's are already."""

    trunk: list[tf.Variable]
    heads: list[list[tf.Variable]]


class Update(tf.Module):
    """Applies the gradients of one task, or of several, to a network.

    The backbone moves along the weighted mean of the tasks' gradients, and each
    head along its own with the same factor: a step is one of the mean loss, and
    with one RMSProp for each task one of the sum.
    Weight decay is added to the gradient of kernels, after clipping; that of a
    head counts as part of its task's loss. The gradient of biases is multiplied,
    which for momentum gradient descent is a rate of their own; Adam divides it
    out again. What a layer's `rate_multiplier` says is by every optimizer a rate of
    its own: so much of the way is gone that the optimizer would go. The row of a
    `UnitMixture` with a rate takes the proximal step that it asks for.

    Args:
      shared: the networks, with all their variables made; their trainable
        variables must be kernels and biases.
      options: the optimizer, decay and multipliers.
      joint: weights of the tasks, and who owns the backbone's channels.
      use_loss_scaling: for float16, whose small gradients would vanish.
      num_peers: updates of single tasks that move the backbone, this one included.

    Raises:
      UsageError: if there are other than one weight per task, or nothing to
        measure the gradients' size by.
      ValueError: if a network lacks a variable of the backbone, or two heads
        share one.

    References:
      Kingma, Ba. Adam: A Method for Stochastic Optimization. ICLR 2015.
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 4 (one RMSProp per task).
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, equations 4.9 to 4.11, section 4.4.2.
    """

    def __init__(
        self,
        shared: SharedNetwork,
        options: OptimizationOptions,
        joint: JointOptions,
        *,
        use_loss_scaling: bool,
        num_peers: int = 1,
    ) -> None:
        super().__init__(name="update")
        self._num_peers = num_peers
        self._options, self._names = options, shared.names
        self._splits_weights = joint.split_weights
        self._weights = weights_of_tasks(joint, len(shared.networks))
        self._rules: dict[int, tuple[float, float]] = {}
        self._adapted: set[int] = set()
        self._multipliers = {
            id(variable): layer.rate_multiplier
            for network in shared.networks
            for layer in network.submodules
            if getattr(layer, "rate_multiplier", 1.0) != 1.0
            for variable in layer.trainable_variables
        }
        self._mixtures = {
            id(layer.mixing_row): layer
            for network in shared.networks
            for layer in network.submodules
            if isinstance(layer, UnitMixture) and layer.rate
        }
        self._variables = self._sort(shared)
        takes_turns = joint.task_order == "round_robin"
        self._has_own = options.optimizer in OWN_OPTIMIZERS and not takes_turns
        count = len(self._variables.heads) if self._has_own else 1
        if count > 1 and joint.split_weights:
            raise UsageError(
                f"--split_weights with --optimizer={options.optimizer}: no two tasks update one"
                " weight, so expected --optimizer=adam, which keeps them apart already"
            )
        self.optimizers = [_build_optimizer(options, use_loss_scaling) for _ in range(count)]
        for index, optimizer in enumerate(self.optimizers):
            heads = self._variables.heads if count == 1 else [self._variables.heads[index]]
            optimizer.build([*self._variables.trunk, *(one for head in heads for one in head)])
        self._uses_loss_scaling = use_loss_scaling
        if options.optimizer == "norm_sgd":
            if not self._variables.trunk:
                raise UsageError(
                    "--optimizer=norm_sgd divides by the size of the backbone's gradient, and all"
                    " of it is frozen: expected another optimizer"
                )
            self.gradient_sizes = GradientSizes(len(self._variables.heads))

    def variables_of(self, task: int = 0) -> list[tf.Variable]:
        """Returns what a task's loss is to be differentiated by.

        Args:
          task: its number.

        Returns:
          The variables of the backbone and then of its head, kernels before
          biases in each.
        """
        return [*self._variables.trunk, *self._variables.heads[task]]

    def scale_loss(self, loss: tf.Tensor, task: int = 0) -> tf.Tensor:
        """Returns the float32 [] loss of a task whose gradients `apply` expects."""
        if not self._uses_loss_scaling:
            return loss
        return self._optimizer_of(task).get_scaled_loss(loss)

    def set_rate(self, rate: float) -> None:
        """Sets the learning rate of the following steps."""
        if self._options.optimizer != "rmsprop":
            rate /= len(self.optimizers) * self._num_peers
        for optimizer, weight in zip(self.optimizers, self._weights, strict=False):
            # An optimizer of its own divides a task's weight out of its gradient.
            optimizer.learning_rate = rate * weight if self._has_own else rate

    def slots_of_backbone(self) -> list[tf.Variable]:
        """Returns the optimizer's memory of the backbone: count, momentum, squares."""
        count, slots = self._memory(0)
        return [count, *(slot for own in slots[: len(self._variables.trunk)] for slot in own)]

    def forget(self, task: int, variables: Sequence[tf.Variable]) -> None:
        """Makes the optimizer forget variables of a task's head, which have begun anew.

        Args:
          task: its number.
          variables: of its head, of any shapes [...].
        """
        heads = self._variables.heads
        before = [] if len(self.optimizers) > 1 else heads[:task]
        first = len(self._variables.trunk) + sum(map(len, before))
        _, slots = self._memory(task)
        forgotten = {id(one) for one in variables}
        for variable, own in zip(heads[task], slots[first:], strict=False):
            for slot in own if id(variable) in forgotten else ():
                slot.assign(tf.zeros_like(slot))

    def _memory(self, task: int) -> tuple[tf.Variable, list[list[tf.Variable]]]:
        """Returns the step count of a task's optimizer, and its slots of each variable."""
        outer = self._optimizer_of(task)
        optimizer = outer.inner_optimizer if self._uses_loss_scaling else outer
        count, *slots = optimizer.variables
        heads = (
            self._variables.heads if len(self.optimizers) == 1 else [self._variables.heads[task]]
        )
        num_variables = len(self._variables.trunk) + sum(map(len, heads))
        if self._options.optimizer == "rmsprop":  # one kind of slot after the other
            return count, [slots[index::num_variables] for index in range(num_variables)]
        # Keras makes the slots of one variable after the other, the backbone's first.
        size = len(slots) // num_variables
        return count, [slots[begin : begin + size] for begin in range(0, len(slots), max(size, 1))]

    def apply(
        self,
        gradients: Mapping[int, Sequence[tf.Tensor]],
        is_frozen: tf.Tensor | bool = False,
        *,
        compares: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Updates the variables of some tasks; to be called in each replica.

        Args:
          gradients: by task, of its scaled loss by `variables_of`, this replica's
            share.
          is_frozen: bool [], whether gradients are divided by constants (norm_sgd).
          compares: whether to compare the tasks' gradients, which takes time.

        Returns:
          float32 [] each: `gradient_norm`, that of the mean loss over all
          replicas before decay and clipping; and `gradient_size` by task or
          what `compare_gradients` gives, where they apply.
        """
        reduced = {task: self._reduce(task, own) for task, own in gradients.items()}
        factors, figures = self._factors(reduced, tf.convert_to_tensor(is_frozen))
        scaled = {task: _scale(own, factors[task]) for task, own in reduced.items()}
        size = len(self._variables.trunk)
        summands = {task: own[:size] for task, own in scaled.items()}
        if len(self.optimizers) == 1:
            heads = [one for own in scaled.values() for one in own[size:]]
            norm = self._descend([*scaled], self._combine(summands) + heads, factors)
        else:
            norms = []
            for task, own in scaled.items():
                before = [tf.identity(one) for one in self._variables.trunk] if compares else []
                norms.append(self._descend([task], own, factors))
                summands[task] = [
                    one - now for one, now in zip(before, self._variables.trunk, strict=False)
                ]
            norm = tf.linalg.global_norm(norms)
        if compares:
            trunks = {self._names[task]: own[:size] for task, own in reduced.items()}
            named = {
                self._names[task]: self._combine({task: own}) for task, own in summands.items()
            }
            figures |= compare_gradients(trunks, named)
        return {"gradient_norm": norm, **figures}

    def _sort(self, shared: SharedNetwork) -> _Variables:
        """Returns the variables of the backbone and of each head, and notes their rules."""
        own = {id(variable) for variable in shared.backbone.trainable_variables}
        options = self._options
        head_decay = options.head_weight_decay
        decays = (
            options.weight_decay,
            options.weight_decay if head_decay is None else head_decay,
        )
        trunk: list[tf.Variable] = []
        heads: list[list[tf.Variable]] = []
        for network in shared.networks:
            kernels, biases = kernel_and_bias_variables(network)
            trunk = [one for one in (*kernels, *biases) if id(one) in own]
            heads.append([one for one in (*kernels, *biases) if id(one) not in own])
            if len(trunk) != len(own):
                raise ValueError(f"network {len(heads) - 1} lacks variables of the backbone")
            for one in kernels:
                self._rules[id(one)] = (decays[id(one) not in own], 1.0)
            for one in biases:
                self._rules[id(one)] = (0.0, options.bias_rate_multiplier)
            if options.optimizer == "lars":
                self._adapted |= {id(one) for one in kernels}
        if len(self._rules) != len(trunk) + sum(map(len, heads)):
            raise ValueError("two heads share a variable; expected one head per task")
        return _Variables(trunk, heads)

    def _optimizer_of(self, task: int) -> tf.keras.optimizers.Optimizer:
        """Returns the optimizer of a task, which may be that of all."""
        return self.optimizers[task if len(self.optimizers) > 1 else 0]

    def _reduce(self, task: int, gradients: Sequence[tf.Tensor]) -> Tensors:
        """Returns a task's gradient over all replicas, without the scale of its loss."""
        replica = tf.distribute.get_replica_context()
        reduced = replica.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
        if self._uses_loss_scaling:
            reduced = self._optimizer_of(task).get_unscaled_gradients(reduced)
        return list(reduced)

    def _factors(
        self, gradients: Mapping[int, Tensors], is_frozen: tf.Tensor
    ) -> tuple[dict[int, float | tf.Tensor], dict[str, tf.Tensor]]:
        """Returns what each task's gradient is multiplied by, and figures for the log."""
        if self._has_own:
            return dict.fromkeys(gradients, 1.0), {}
        count = 1 if self._splits_weights else len(gradients)
        factors: dict[int, float | tf.Tensor] = {
            task: self._weights[task] / count for task in gradients
        }
        if self._options.optimizer != "norm_sgd":
            return factors, {}
        figures = {}
        for task, own in gradients.items():
            trunk = own[: len(self._variables.trunk)]
            size = self.gradient_sizes.observe(task, trunk, is_frozen)
            factors[task] = tf.where(tf.math.is_finite(size), factors[task] / size, 0.0)
            figures["_".join(filter(None, ("gradient_size", self._names[task])))] = size
        return factors, figures

    def _combine(self, gradients: Mapping[int, Tensors]) -> Tensors:
        """Returns one gradient of the backbone from those of the tasks."""
        if not self._splits_weights:
            return [_add(list(parts)) for parts in zip(*gradients.values(), strict=True)]
        count = len(self._variables.heads)
        combined = []
        for index, variable in enumerate(self._variables.trunk):
            shares = [
                gradients[task][index][..., share]
                if task in gradients
                else tf.zeros_like(variable[..., share])
                for task in range(count)
                for share in [Column(task, count).slice(variable.shape[-1])]
            ]
            combined.append(tf.concat(shares, axis=-1))
        return combined

    def _descend(
        self,
        tasks: Sequence[int],
        gradients: Tensors,
        factors: Mapping[int, float | tf.Tensor],
    ) -> tf.Tensor:
        """Lets an optimizer take gradients of the backbone and of heads; returns their norm."""
        norm = tf.linalg.global_norm(gradients)
        if self._options.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._options.clip_norm, norm)
        variables = self._variables.trunk + [
            one for task in tasks for one in self._variables.heads[task]
        ]
        scales = [1.0] * len(self._variables.trunk)
        scales += [factors[task] for task in tasks for _ in self._variables.heads[task]]
        decayed = [
            self._decay(gradient, variable, scale)
            for gradient, variable, scale in zip(gradients, variables, scales, strict=True)
        ]
        slowed = [one for one in variables if id(one) in self._multipliers]
        before = [tf.identity(one) for one in slowed]
        rows = [
            (variable, self._mixtures[id(variable)].stepped(gradient, scale))
            for gradient, variable, scale in zip(gradients, variables, scales, strict=True)
            if id(variable) in self._mixtures
        ]
        self._optimizer_of(tasks[0]).apply_gradients(
            zip(decayed, variables, strict=True), skip_gradients_aggregation=True
        )
        reached = [
            start + self._multipliers[id(one)] * (one - start)
            for start, one in zip(before, slowed, strict=True)
        ]
        assign_in_replicas([*zip(slowed, reached, strict=True), *rows])
        return norm

    def _decay(
        self, gradient: tf.Tensor, variable: tf.Variable, scale: float | tf.Tensor
    ) -> tf.Tensor:
        """Returns a gradient with what is particular about kernels or biases."""
        if id(variable) in self._mixtures:
            return tf.zeros_like(gradient)
        decay, multiplier = self._rules[id(variable)]
        if decay:
            gradient = gradient + scale * decay * variable
        if id(variable) in self._adapted:
            return gradient * trust_ratio(variable, gradient, self._options.trust_coefficient)
        return gradient if multiplier == 1 else gradient * multiplier


def _scale(gradients: Tensors, factor: float | tf.Tensor) -> Tensors:
    """Multiplies by a factor; what is not finite becomes 0 where the factor is 0."""
    if isinstance(factor, float):
        return gradients if factor == 1 else [gradient * factor for gradient in gradients]
    return [tf.math.multiply_no_nan(gradient, factor) for gradient in gradients]


def _add(parts: Tensors) -> tf.Tensor:
    """Adds tensors of one shape."""
    return parts[0] if len(parts) == 1 else tf.add_n(parts)


def _build_optimizer(
    options: OptimizationOptions, use_loss_scaling: bool
) -> tf.keras.optimizers.Optimizer:
    """Returns the optimizer that the options name."""
    rate, momentum = options.learning_rate, options.momentum
    optimizer: tf.keras.optimizers.Optimizer
    if options.optimizer == "adam":
        optimizer = tf.keras.optimizers.Adam(rate, beta_1=momentum)
    elif options.optimizer == "multi_adam":
        optimizer = tf.keras.optimizers.Adam(rate, beta_1=momentum, epsilon=ADAM_GUARD)
    elif options.optimizer == "rmsprop":
        decay, guard = options.rmsprop_decay, options.rmsprop_epsilon
        optimizer = tf.keras.optimizers.RMSprop(rate, decay, momentum, guard)
    else:
        optimizer = tf.keras.optimizers.SGD(rate, momentum, nesterov=options.use_nesterov)
    if use_loss_scaling:
        return tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer
