"""A backbone and a head as one network, and the roles of its variables."""

import contextlib
from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfcolor.backbones.base import Backbone
from tfcolor.core.taps import map_size
from tfcolor.models.head_input import HeadInput
from tfcolor.models.task_statistics import TaskStatistics, average_statistics

ROLES = ("kernel", "bias", "scale", "mixing_row")
"""Attributes under which layers keep their trainable variables."""

PATCH_STRIDE = 2**40
"""Between the seeds of the patches of an example: more than seeds of runs in use."""


class Network(tf.keras.Model):
    """A backbone followed by a head.

    A head that samples maps at sparse locations may offer `build_sampler`. In
    training every map then passes through the sampler as the backbone makes it,
    with the same outputs and gradients in less time and memory. No gradient goes
    from a head whose `only_reads` is True to the backbone. A head that says which
    maps it reads, in `read_taps`, reads no others but the top.

    An example may be several patches: the backbone then sees them one after the
    other, as a batch of B * T images, and the head gets features of all of them.

    Args:
      backbone: turns images into feature maps.
      head: `head(features, inputs, taps, training)` turns them into outputs.
      convolutional: False runs the backbone in its canonical mode, for heads
        that read its collapsed "top".
      head_input: what stands between them, with variables of the task's own;
        None where the head reads the backbone's maps as they are.
      statistics: the task's own statistics of batch norm, where several tasks
        share the backbone; None for those of its layers.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: tf.keras.Model,
        *,
        convolutional: bool = True,
        head_input: HeadInput | None = None,
        statistics: TaskStatistics | None = None,
    ) -> None:
        super().__init__(name="network", autocast=False)
        self.backbone = backbone
        self.head = head
        self.statistics = statistics
        self.head_input = head_input
        self.convolutional = convolutional

    def call(
        self, inputs: Mapping[str, tf.Tensor], training: bool = False
    ) -> Mapping[str, tf.Tensor]:
        """Computes a task's outputs.

        Args:
          inputs: `image`, float32 [B, H, W, C] or [B, T, H, W, C] in [0, 1]; in
            training `seed`, int64 [B, 2]; and what the head reads (`locations`).
          training: whether dropout and batch statistics are on.

        Returns:
          The head's outputs by name.
        """
        images, seeds = _patches_as_batch(inputs["image"], inputs.get("seed"))
        taps = self.backbone.taps(*map_size(images))
        sampler = None
        samples = self.convolutional and self.head_input is None
        if training and samples and hasattr(self.head, "build_sampler"):
            sampler = self.head.build_sampler(inputs, taps, map_size(images))
        with self._statistics_used():
            features = self.backbone(
                images,
                seeds=seeds,
                training=training,
                convolutional=self.convolutional,
                visitor=sampler,
            )
        if getattr(self.head, "only_reads", False):
            features = {name: tf.stop_gradient(value) for name, value in features.items()}
        if self.head_input is not None:
            features = self.head_input(features, training=training)
        sampled = {} if sampler is None else {"sampler": sampler}
        return self.head(features, inputs, taps, training=training, **sampled)

    def features(self, images: tf.Tensor) -> Mapping[str, tf.Tensor]:
        """Computes the backbone's feature maps, as after training.

        Args:
          images: float32 [B, H, W, C] in [0, 1].

        Returns:
          float [B, h, w, C] maps by tap name, and the last one as "top".
        """
        with self._statistics_used():
            return self.backbone(images, training=False, convolutional=True)

    def read(self, images: tf.Tensor) -> Mapping[str, tf.Tensor]:
        """Computes the maps that the head reads, as after training.

        Args:
          images: float32 [B, H, W, C] in [0, 1].

        Returns:
          float [B, h, w, C] maps by tap name, and the last one as "top".
        """
        features = self.features(images)
        return features if self.head_input is None else self.head_input(features)

    def _statistics_used(self) -> contextlib.AbstractContextManager[None]:
        """Returns what lets the backbone normalize by the task's statistics, if it has any."""
        return contextlib.nullcontext() if self.statistics is None else self.statistics.used()


class JointNetwork(tf.keras.Model):
    """A backbone and the heads of several tasks, as one object to save.

    It is not called: each task calls a `Network` of the backbone and its head.

    Args:
      backbone: turns images into feature maps.
      heads: one per task.
      head_inputs: what stands before the heads, by the number of the task, of
        those that have it.
      statistics: of batch norm, one per task.
    """

    def __init__(
        self,
        backbone: Backbone,
        heads: Sequence[tf.keras.Model],
        head_inputs: Mapping[int, HeadInput] | None = None,
        statistics: Sequence[TaskStatistics] = (),
    ) -> None:
        super().__init__(name="network", autocast=False)
        self.backbone = backbone
        self.heads = list(heads)
        self._task_statistics = tuple(statistics)
        if statistics:
            self.statistics = {str(task): one.state for task, one in enumerate(statistics)}
        if head_inputs:  # else checkpoints stay what they were without them
            self.head_inputs = {str(task): one for task, one in head_inputs.items()}

    def average_statistics(self) -> None:
        """Gives the backbone the mean of all tasks' statistics of batch norm.

        For whoever takes it over for another task.
        """
        if self._task_statistics:
            average_statistics(self._task_statistics)


def _patches_as_batch(
    images: tf.Tensor, seeds: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Returns [B * T, H, W, C] images and a seed for each; others as they are."""
    if images.shape.rank == 4:
        return images, seeds
    num_patches = images.shape[1]
    if seeds is not None:
        # Examples differ in the second number; the first one tells patches apart.
        patches = tf.range(num_patches, dtype=seeds.dtype) * PATCH_STRIDE
        seeds = seeds[:, tf.newaxis] + tf.stack([patches, tf.zeros_like(patches)], axis=-1)
        seeds = tf.reshape(seeds, [-1, 2])
    return tf.reshape(images, [-1, *images.shape[2:]]), seeds


def kernel_and_bias_variables(
    model: tf.keras.Model,
) -> tuple[list[tf.Variable], list[tf.Variable]]:
    """Splits a model's trainable variables into kernels and biases.

    Roles are read from the layers' attributes `kernel`, `bias` and `scale`, by
    object and never by name, so that a renamed layer keeps its weight decay. The
    scale of a batch norm goes with the biases, as does the row of a mixture:
    they do not decay.

    Args:
      model: a network whose variables all exist.

    Returns:
      (kernels, biases), each in the order of `model.trainable_variables`.

    Raises:
      ValueError: if a trainable variable is not exactly one layer's kernel,
        bias or scale; the message names it.
    """
    roles: dict[int, list[str]] = {id(variable): [] for variable in model.trainable_variables}
    for module in model.submodules:
        for role in ROLES:
            variable = getattr(module, role, None)
            if id(variable) in roles:
                roles[id(variable)].append(role)
    for variable in model.trainable_variables:
        if len(roles[id(variable)]) != 1:
            found = " and ".join(roles[id(variable)]) or "neither"
            expected = "one layer's kernel or bias, a batch norm's scale or a mixture's row"
            raise ValueError(f"{variable.name} is {found}; expected {expected}")
    kernels, biases = (
        [one for one in model.trainable_variables if (roles[id(one)] == ["kernel"]) is is_kernel]
        for is_kernel in (True, False)
    )
    return kernels, biases
