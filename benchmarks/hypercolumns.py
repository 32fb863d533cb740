"""Every implementation of sparse hypercolumns that the benchmark compares."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfcolor.core.taps import Tap, map_size
from tfcolor.ops.dense_sampling import resize_features
from tfcolor.ops.native_library import load_native_ops, stack_offsets
from tfcolor.ops.sparse_hypercolumn import sparse_hypercolumn

Maps = Sequence[tf.Tensor]
Implementation = Callable[[Maps, tf.Tensor, Sequence[Tap]], tf.Tensor]
VGG = (("data", 1, 1, 1), ("conv1", 1, 64, 2), ("conv2", 2, 128, 2), ("conv3", 4, 256, 3))
VGG += (("conv4", 8, 512, 3), ("conv5", 16, 512, 3), ("fc", 32, 4096, 2))


def vgg_taps() -> list[Tap]:
    """Returns the taps of VGG-16 and its gray input: 12,417 channels."""
    return [
        Tap(f"{name}_{index}", stride, (stride - 1) / 2, channels)
        for name, stride, channels, layers in VGG
        for index in range(layers)
    ]


def random_maps(taps: Sequence[Tap], size: int, batch: int) -> list[tf.Tensor]:
    """Returns float32 [B, H, W, C] maps of an image of `size` pixels."""
    sides = [-(-size // tap.stride) for tap in taps]
    return [
        tf.random.stateless_uniform([batch, side, side, tap.channels], [1, index])
        for index, (side, tap) in enumerate(zip(sides, taps, strict=True))
    ]


def random_locations(size: int, batch: int, count: int) -> tf.Tensor:
    """Returns float32 [B, L, 2] whole pixels, as training draws them."""
    edge = min(32, size // 4)
    pixels = tf.random.stateless_uniform([batch, count, 2], [3, 4], edge, size - edge, tf.int32)
    return tf.cast(pixels, tf.float32)


def traffic(maps: Maps, locations: tf.Tensor, taps: Sequence[Tap]) -> tuple[float, float, float]:
    """Counts bytes: cells read (each once), columns, and all maps."""
    read = 0
    for features, tap in zip(maps, taps, strict=True):
        height, width = map_size(features)
        cells: list[set] = [set() for _ in range(features.shape[0])]
        rows = [one.numpy() for one in tap.neighbors(locations[..., 0], 0, height)]
        columns = [one.numpy() for one in tap.neighbors(locations[..., 1], 1, width)]
        for index in np.ndindex(*locations.shape[:2]):
            near = [(rows[0][index], 1 - rows[2][index]), (rows[1][index], rows[2][index])]
            across = [(columns[0][index], 1 - columns[2][index])]
            across += [(columns[1][index], columns[2][index])]
            cells[index[0]].update((r, c) for r, a in near for c, b in across if a * b)
        read += sum(map(len, cells)) * features.shape[-1]
    written = int(np.prod(locations.shape[:2])) * sum(tap.channels for tap in taps)
    return 4.0 * read, 4.0 * written, 4.0 * sum(float(tf.size(one)) for one in maps)


def native(maps: Maps, locations: tf.Tensor, taps: Sequence[Tap]) -> tf.Tensor:
    """Ours, plain."""
    return sparse_hypercolumn(maps, locations, taps, "native")


def gather_nd(maps: Maps, locations: tf.Tensor, taps: Sequence[Tap]) -> tf.Tensor:
    """Four gathers and a weighted sum for each map."""
    batch, count = locations.shape[:2]
    image = tf.tile(tf.range(batch)[:, None], [1, count])
    samples = []
    for features, tap in zip(maps, taps, strict=True):
        height, width = map_size(features)
        top, bottom, row = tap.neighbors(locations[..., 0], 0, height)
        left, right, column = tap.neighbors(locations[..., 1], 1, width)
        total = 0.0
        for rows, a in ((top, 1 - row), (bottom, row)):
            for columns, b in ((left, 1 - column), (right, column)):
                cells = tf.gather_nd(features, tf.stack([image, rows, columns], -1))
                total = total + (a * b)[..., None] * cells
        samples.append(total)
    return tf.concat(samples, -1)


def resampler(maps: Maps, locations: tf.Tensor, taps: Sequence[Tap]) -> tf.Tensor:
    """TensorFlow Addons' op for each map."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow_addons
    samples = []
    for features, tap in zip(maps, taps, strict=True):
        height, width = map_size(features)
        rows = tap.to_cells(locations[..., 0], 0, height)
        columns = tap.to_cells(locations[..., 1], 1, width)
        samples.append(tensorflow_addons.image.resampler(features, tf.stack([columns, rows], -1)))
    return tf.concat(samples, -1)


def crop_and_resize(maps: Maps, locations: tf.Tensor, taps: Sequence[Tap]) -> tf.Tensor:
    """One crop of 1x1 for each location and map."""
    batch, count = locations.shape[:2]
    image = tf.repeat(tf.range(batch), count)
    samples = []
    for features, tap in zip(maps, taps, strict=True):
        height, width = map_size(features)
        rows = tap.to_cells(locations[..., 0], 0, height) / max(height - 1, 1)
        columns = tap.to_cells(locations[..., 1], 1, width) / max(width - 1, 1)
        boxes = tf.reshape(tf.stack([rows, columns, rows, columns], -1), [-1, 4])
        crops = tf.image.crop_and_resize(features, tf.stop_gradient(boxes), image, [1, 1])
        samples.append(tf.reshape(crops, [batch, count, tap.channels]))
    return tf.concat(samples, -1)


def dense_quarter(maps: Maps, locations: tf.Tensor, taps: Sequence[Tap]) -> tf.Tensor:
    """The map of all channels at a quarter of the size, then a gather."""
    size = map_size(maps[0])[0]
    grid = Tap("grid", 4, 1.5)
    cells = (-(-size // 4),) * 2
    resized = [resize_features(one, tap, grid, cells) for one, tap in zip(maps, taps, strict=True)]
    nearest = tf.cast(tf.minimum(locations // 4, cells[0] - 1), tf.int32)
    return tf.gather_nd(tf.concat(resized, -1), nearest, batch_dims=1)


STOCK = {
    "gather_nd": gather_nd,
    "tfa_resampler": resampler,
    "crop_and_resize": crop_and_resize,
}


def forward(run: Implementation, maps: Maps, locations: tf.Tensor, taps: Sequence[Tap]) -> Callable:
    """Returns a graph that samples."""
    return tf.function(lambda: run(maps, locations, taps), autograph=False)


def forward_backward(
    run: Implementation, maps: Maps, locations: tf.Tensor, taps: Sequence[Tap]
) -> Callable:
    """Returns a graph that samples and makes the dense gradient of every map."""

    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(maps)
            columns = run(maps, locations, taps)
        return tape.gradient(columns, maps, output_gradients=columns)

    return tf.function(step, autograph=False)


def passed_through(
    maps: Maps,
    locations: tf.Tensor,
    taps: Sequence[Tap],
    repeats: int,
    samples_again: bool = True,
) -> Callable:
    """Returns a graph that samples and adds to dense gradients `repeats` times.

    The dense gradients, which a network makes anyway, are made once: two graphs
    that differ in `repeats` differ in time by what the op takes. Without
    `samples_again` the graph samples once, and only the adding is repeated.
    """
    ops, first_channels = load_native_ops(), np.cumsum([0] + [tap.channels for tap in taps])
    offsets = tf.unstack(stack_offsets(taps))

    def sample() -> tf.Tensor:
        columns: list[tf.Tensor] = []
        for i, tap in enumerate(taps):
            _, passed = ops.tfcolor_hypercolumn_tap(
                maps[i],
                locations,
                offsets[i],
                columns,
                stride=tap.stride,
                first_channel=first_channels[i],
                num_channels=first_channels[-1],
            )
            columns = [passed]
        return columns[0]

    def step() -> list[tf.Tensor]:
        gradients = [tf.zeros_like(one) + 1.0 for one in maps]
        columns = sample()
        for repeat in range(repeats):
            if samples_again and repeat:
                with tf.control_dependencies(gradients):
                    columns = sample()
            for i in reversed(range(len(taps))):
                gradients[i] = ops.tfcolor_hypercolumn_tap_grad(
                    gradients[i],
                    columns,
                    locations,
                    offsets[i],
                    stride=taps[i].stride,
                    first_channel=first_channels[i],
                )
        return [tf.reshape(one, [-1])[0] for one in gradients]

    return tf.function(step, autograph=False)
