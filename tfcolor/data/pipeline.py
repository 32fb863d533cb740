"""The one input pipeline: a pure function of the seed and the example index."""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.core.seeds import derive_seed
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.reading import ExampleReader

Tensors: TypeAlias = dict[str, tf.Tensor]
Example: TypeAlias = tuple[Tensors, Tensors]
ExampleMaker: TypeAlias = Callable[..., Example]
"""From (image, seed), or (image, annotation, seed) where there are annotations."""
PositionChooser: TypeAlias = Callable[[tf.Tensor], tf.Tensor]
"""From the number of an example, int64 [] from 0, to the position of its image."""


@dataclasses.dataclass(frozen=True)
class BatchPlan:
    """Which examples of the endless sequence a pipeline yields.

    Example `batch * batch_size + slot` of the sequence is the same whoever
    computes it, so a resumed run only names its next batch, and replicas or
    workers only name their slots.

    Args:
      batch_size: examples in a global batch, over all replicas and workers.
      seed: the run's seed.
      first_batch: the batch to begin with; int64 [] where a graph decides.
      num_batches: global batches to yield; None never ends.
      shards: (begin, end) slots of each global batch, one pair per local
        replica; each becomes one batch, in turn. Empty for the whole batch.

    Raises:
      ValueError: if a number is out of range.
    """

    batch_size: int
    seed: int
    first_batch: int | tf.Tensor = 0
    num_batches: int | None = None
    shards: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        """Fills in and checks the shards."""
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size}: expected at least 1")
        if (isinstance(self.first_batch, int) and self.first_batch < 0) or (
            self.num_batches is not None and self.num_batches < 0
        ):
            raise ValueError(
                f"first_batch={self.first_batch}, num_batches={self.num_batches}: "
                "expected at least 0"
            )
        if not self.shards:
            object.__setattr__(self, "shards", ((0, self.batch_size),))
        for begin, end in self.shards:
            if not 0 <= begin < end <= self.batch_size:
                raise ValueError(
                    f"shard ({begin}, {end}): expected 0 <= begin < end <= {self.batch_size}"
                )

    @property
    def slots(self) -> list[int]:
        """Returns the slots of a global batch in the order they are yielded."""
        return [slot for begin, end in self.shards for slot in range(begin, end)]

    @property
    def sizes(self) -> list[int]:
        """Returns the number of slots of each shard."""
        return [end - begin for begin, end in self.shards]


@dataclasses.dataclass(frozen=True)
class Annotation:
    """What a task knows about each image besides its pixels: a label, a mask, boxes.

    Args:
      read: from the position of a readable image to its annotation; may be
        called from several threads. It raises UnreadableImageError for one that
        cannot be used, whose image is then skipped as an unreadable one is.
      dtype: type of each annotation.
      shape: its shape, None for a length that varies.
      unreadable: why there is none, by position, as pipelines find out.
    """

    read: Callable[[int], np.ndarray]
    dtype: tf.DType
    shape: tuple[int | None, ...] = ()
    unreadable: dict[int, UnreadableImageError] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )


def build_dataset(
    reader: ExampleReader,
    make_example: ExampleMaker,
    plan: BatchPlan,
    *,
    annotation: Annotation | None = None,
    choose: PositionChooser | None = None,
    has_equal_shapes: bool = True,
) -> tf.data.Dataset:
    """Builds the pipeline that yields the planned batches.

    Args:
      reader: the images.
      make_example: from an image, uint8 [H, W, 3], its annotation if there is
        one, and its seed, int64 [2], to (inputs, targets), two dicts of tensors
        whose shapes do not vary.
      plan: which examples to yield.
      annotation: what `make_example` gets between image and seed.
      choose: which image each example shows; None goes through all of them, in
        an order of its own in each epoch.
      has_equal_shapes: False if the shapes of `make_example` do vary: each axis is
        then padded with 0 at its end, as far as the longest of all that this
        process makes of the global batch.

    Returns:
      Yields (inputs, targets) with a leading axis B: one pair per shard of each
      global batch, in turn. `inputs["seed"]` is the examples' seeds, int64
      [B, 2].

    Raises:
      UserError: if no image of the reader can be read with its annotation. Raised
        here, before tf.data could wrap it.
    """
    _read_annotated(reader, annotation, 0)
    slots = tf.constant(plan.slots, tf.int64)

    @tf.autograph.experimental.do_not_convert  # takes a second, and nothing needs it
    def make_planned(step: tf.Tensor) -> Example:
        batch, place = step // len(plan.slots), step % len(plan.slots)
        index = batch * plan.batch_size + tf.gather(slots, place)
        if choose is None:
            position = example_position(index, reader.num_examples, plan.seed)
        else:
            position = choose(index)
        seed = tf.stack([tf.constant(plan.seed, tf.int64), index])
        inputs, targets = make_example(*_read_example(reader, annotation, position), seed)
        return {**inputs, "seed": seed}, targets

    @tf.autograph.experimental.do_not_convert
    def split(inputs: Tensors, targets: Tensors) -> tf.data.Dataset:
        return split_batch((inputs, targets), plan.sizes)

    steps = tf.data.Dataset.counter(plan.first_batch * len(plan.slots))
    if plan.num_batches is not None:
        steps = steps.take(plan.num_batches * len(plan.slots))
    examples = steps.map(make_planned, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    batch = examples.batch if has_equal_shapes else examples.padded_batch
    batches = batch(len(plan.slots), drop_remainder=True)
    shards = batches.flat_map(split)
    return shards.prefetch(tf.data.AUTOTUNE).with_options(exact_options())


def example_position(index: tf.Tensor, num_examples: int, seed: int) -> tf.Tensor:
    """Returns which image an example of the endless sequence shows.

    Each epoch of N examples is a permutation of its own.

    Args:
      index: int64 [], the number of the example, from 0.
      num_examples: N, the number of images.
      seed: the run's seed.

    Returns:
      int64 [] in [0, N).

    Example:
      >>> order = [example_position(tf.constant(i, tf.int64), 3, seed=0) for i in range(3)]
      >>> sorted(int(position) for position in order)
      [0, 1, 2]
    """
    place = index % num_examples
    epoch_seed = tf.stack(
        [tf.constant(derive_seed(seed, "epoch order"), tf.int64), index // num_examples]
    )
    last = tf.constant(num_examples - 1, tf.int64)
    return tf.random.experimental.index_shuffle(place, epoch_seed, last)


def split_batch(batch: Example, sizes: list[int]) -> tf.data.Dataset:
    """Cuts a batch into consecutive slices.

    Args:
      batch: two dicts of tensors with a leading axis B.
      sizes: length of each slice; their sum is B.

    Returns:
      Yields the slices, in order.
    """
    ends = tf.cumsum(tf.constant(sizes, tf.int64))
    is_even = len(set(sizes)) == 1

    @tf.autograph.experimental.do_not_convert
    def slice_shard(shard: tf.Tensor) -> Example:
        begin = ends[shard] - tf.gather(tf.constant(sizes, tf.int64), shard)

        def slice_tensor(tensor: tf.Tensor) -> tf.Tensor:
            part = tensor[begin : ends[shard]]
            part.set_shape([sizes[0] if is_even else None, *tensor.shape[1:]])
            return part

        return tf.nest.map_structure(slice_tensor, batch)

    return tf.data.Dataset.range(len(sizes)).map(slice_shard)


def _read_example(
    reader: ExampleReader, annotation: Annotation | None, position: tf.Tensor
) -> list[tf.Tensor]:
    """Returns the image at a position, uint8 [H, W, 3], and its annotation if any."""

    def read(number: np.ndarray) -> list[np.ndarray]:
        return _read_annotated(reader, annotation, int(number))

    annotations = [] if annotation is None else [annotation]
    types = [tf.uint8, *(one.dtype for one in annotations)]
    # Declared stateless, which it is for the caller: with op determinism on,
    # tf.data would otherwise run the whole map one element at a time.
    tensors = tf.numpy_function(read, [position], types, stateful=False)
    shapes = [(None, None, 3), *(one.shape for one in annotations)]
    for tensor, shape in zip(tensors, shapes, strict=True):
        tensor.set_shape(shape)
    return tensors


def _read_annotated(
    reader: ExampleReader, annotation: Annotation | None, position: int
) -> list[np.ndarray]:
    """Returns the image at a position, or else the next one that can be read with all of it.

    What is found here is kept with the annotation, not with the reader: else what
    another task gets of the same reader would depend on who was faster.
    """
    if annotation is None:
        return [reader.read(position)[0]]
    for step in range(reader.num_examples):
        place = (position + step) % reader.num_examples
        if place in annotation.unreadable:
            continue
        image, used = reader.read(place)
        if used in annotation.unreadable:  # the next readable one
            continue
        try:
            return [image, annotation.read(used)]
        except UnreadableImageError as error:
            annotation.unreadable[used] = error
            reader.skip(error)
    first = annotation.unreadable[min(annotation.unreadable)]
    raise UserError(
        f"none of the {reader.num_examples} images has an annotation that could be read; first: "
        f"{first}"
    )


def exact_options() -> tf.data.Options:
    """Keeps tf.data from reordering, from sharding what already is, and from tuning itself.

    After 45 seconds of tuning an iterator took 37 seconds to be deleted, at the end of
    a training nearly two minutes. `tf.data.AUTOTUNE` takes as many threads as there
    are cores then, at most 16.

    Returns:
      Options for the last of the datasets of a pipeline.
    """
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options
