"""Initial weights that fit the images: k-means filters of unit variance, balanced rates."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.backbones.base import Backbone
from tfcolor.core.errors import UserError
from tfcolor.core.seeds import derive_seed
from tfcolor.data.clusters import fit_whitening
from tfcolor.layers.batch_norm import ParameterFreeBatchNorm
from tfcolor.layers.convolution import Convolution
from tfcolor.models.surgery import scaling_obstacle

INITIAL_MEAN = 0.1
"""Mean of every feature before its nonlinearity, in standard deviations."""
MAX_PATCHES = 20_000
"""Patches that the filters of one layer come from."""
MAX_PATCH_SIZE = 5000
"""Numbers in a patch that can still be whitened, in time and memory."""
RATE_IMAGES, RATE_BATCH = 16, 4
"""Images that gradients are measured on, and how many at a time."""


def initialize_by_kmeans(
    backbone: Backbone, images: tf.Tensor, *, seed: int, convolutional: bool = True
) -> tuple[str, ...]:
    """Gives every layer filters from what it sees on some images, in place.

    Layer by layer from the first, in one pass over the images. The filters are
    the centers of k-means on whitened patches of the layer's input; of a layer
    with fewer patches than filters that differ from their mean, or with too large
    patches, they stay as they are. Then every feature is scaled to unit variance
    and shifted to a mean of 0.1 standard deviations before its nonlinearity. Batch
    norm makes the shift itself: its moving mean and variance are set to what it
    will see.

    Last, the layers of a chain without batch norm and LRN are scaled so that
    their weights change at the same relative rate (`equalize_rates`).

    Args:
      backbone: its variables change; its further blocks, if any, are initialized
        likewise.
      images: float32 [B, H, W, C] in [0, 1].
      seed: patches, centers and noise derive from it.
      convolutional: the mode that the network is trained in.

    Returns:
      The names of the layers whose filters stayed random.

    Raises:
      UserError: if a feature does not vary over the images, or batch norm comes
        before convolutions, which this does not set.

    References:
      Kraehenbuehl, Doersch, Donahue, Darrell. Data-dependent Initializations of
      Convolutional Neural Networks. ICLR 2016, algorithms 1 and 2; whitening and
      the mean of 0.1 are those of the program published with it.
    """
    if backbone.batch_norms.keys() - backbone.convolutions.keys():
        raise UserError(
            f"{backbone.name} normalizes before its convolutions, so k-means cannot initialize it:"
            " expected random weights"
        )
    random_layers: list[str] = []

    def start(name: str, respond: Callable[[], tf.Tensor], inputs: tf.Tensor) -> None:
        layer = backbone.convolutions[name]
        layer_seed = derive_seed(seed, f"{backbone.name}/{name}/kmeans")
        if not _fit_filters(layer, inputs, layer_seed):
            random_layers.append(name)
        _normalize_features(name, layer, backbone.batch_norms.get(name), respond)

    with contextlib.ExitStack() as stack:
        for name, layer in backbone.convolutions.items():
            stack.enter_context(_before_each_call(layer, functools.partial(start, name)))
        backbone(images, convolutional=convolutional)
    if not scaling_obstacle(backbone):
        equalize_rates(backbone, images[:RATE_IMAGES], seed=seed, convolutional=convolutional)
    return tuple(random_layers)


def kmeans_filters(patches: np.ndarray, num_filters: int, seed: int) -> np.ndarray | None:
    """Returns filters that answer most to what patches have in common.

    The patches, less their mean, are projected on their leading principal
    components, scaled to unit variance in each, and then to unit length. The
    centers of k-means, mapped back, are the filters. Runs in one thread, so that
    results do not depend on their number.

    Args:
      patches: float [N, D].
      num_filters: K.
      seed: of the first centers (k-means++) and the batches.

    Returns:
      float32 [D, K]; None if fewer than K patches differ from their mean.
    """
    # Slow to import; most runs do not need them.
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    clusters = MiniBatchKMeans(
        num_filters, init="k-means++", n_init=1, batch_size=10 * num_filters, random_state=seed
    )
    with threadpool_limits(1):
        whitening = fit_whitening(patches, num_filters)
        white = whitening.directions(patches)
        white = white[white.any(axis=1)]
        if len(white) < num_filters:
            return None
        centers = clusters.fit(white).cluster_centers_
        return (whitening.projection @ centers.T).astype(np.float32)


def equalize_rates(
    backbone: Backbone, images: tf.Tensor, *, seed: int, convolutional: bool = True
) -> dict[str, float]:
    """Scales the layers so that all of them learn at the same relative rate, in place.

    The rate of a layer is the root mean square of the gradients that random
    noise at the top sends to its kernel, divided by that of the kernel. Layers
    are rescaled to the geometric mean of all rates; each makes up for the scale
    of the one before, and the top stays as it is. In a chain of homogeneous
    layers this has an exact solution, so nothing is iterated.

    Args:
      backbone: a chain without batch norm and LRN.
      images: float32 [B, H, W, C] in [0, 1].
      seed: of the noise.
      convolutional: the mode that the network is trained in.

    Returns:
      What each layer's features were multiplied by.

    Raises:
      UserError: if the layers of the network cannot be scaled.

    References:
      Kraehenbuehl, Doersch, Donahue, Darrell. Data-dependent Initializations of
      Convolutional Neural Networks. ICLR 2016, algorithm 2.
    """
    if obstacle := scaling_obstacle(backbone):
        raise UserError(f"cannot equalize the rates of {obstacle}")
    rates = _relative_rates(backbone, images, seed, convolutional)
    logarithms = np.log(list(rates.values()))
    surplus = np.cumsum(logarithms) - np.arange(1, len(rates) + 1) * logarithms.mean()
    factors = dict(zip(rates, np.exp(surplus / 2), strict=True))
    before = 1.0
    for name, factor in factors.items():
        layer = backbone.convolutions[name]
        layer.kernel.assign(layer.kernel * (factor / before))
        layer.bias.assign(layer.bias * factor)
        before = factor
    return {name: float(factor) for name, factor in factors.items()}


@contextlib.contextmanager
def _before_each_call(
    layer: Convolution, act: Callable[[Callable[[], tf.Tensor], tf.Tensor], None]
) -> Iterator[None]:
    """Calls `act(respond, inputs)` before a layer computes; `respond` computes it."""
    compute = layer.call

    def call(inputs: tf.Tensor, **options: Any) -> tf.Tensor:
        act(lambda: compute(inputs, **options), inputs)
        return compute(inputs, **options)

    object.__setattr__(layer, "call", call)  # past Keras, which tracks what is set
    try:
        yield
    finally:
        object.__delattr__(layer, "call")


def _fit_filters(layer: Convolution, inputs: tf.Tensor, seed: int) -> bool:
    """Replaces a layer's kernel by k-means filters, each group by its own; or does not."""
    size, _, depth, num_filters = layer.kernel.shape
    patches = _sample_patches(tf.cast(inputs, tf.float32).numpy(), size, seed)
    per_group = num_filters // layer.groups
    is_varied = bool(patches.size) and float(np.ptp(patches)) > 0
    if size * size * depth > MAX_PATCH_SIZE or len(patches) < per_group or not is_varied:
        return False
    kernels = []
    for group, part in enumerate(np.split(patches, layer.groups, axis=-1)):
        kernel = kmeans_filters(part.reshape(len(part), -1), per_group, seed + group)
        if kernel is None:
            return False
        kernels.append(kernel)
    layer.kernel.assign(np.concatenate(kernels, axis=1).reshape(layer.kernel.shape))
    return True


def _sample_patches(inputs: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Cuts [N, size, size, C] patches at random places of [B, H, W, C] maps."""
    batch, height, width, _ = inputs.shape
    shape = batch, max(height - size + 1, 0), max(width - size + 1, 0)
    num_places = int(np.prod(shape))
    places = np.random.default_rng(seed).permutation(num_places)[:MAX_PATCHES]
    example, row, column = (one[:, None, None] for one in np.unravel_index(places, shape))
    offsets = np.arange(size)
    return inputs[example, row + offsets[:, None], column + offsets]


def _normalize_features(
    name: str,
    layer: Convolution,
    norm: ParameterFreeBatchNorm | None,
    respond: Callable[[], tf.Tensor],
) -> None:
    """Gives every feature unit variance, and the mean that its nonlinearity is to see."""
    if layer.use_bias:
        layer.bias.assign(tf.zeros(layer.bias.shape))
    responses = tf.cast(respond(), tf.float32)
    mean, variance = tf.nn.moments(responses, [0, 1, 2])
    if not bool(tf.reduce_all(variance > 0)):
        raise UserError(f"cannot initialize {name}: a feature is the same on all images")
    deviation = tf.sqrt(variance)
    # Within a layer's call Keras reads variables in the layer's precision.
    layer.kernel.assign(layer.kernel.numpy() / deviation)
    if norm is None:
        layer.bias.assign(INITIAL_MEAN - mean / deviation)
    else:
        norm.moving_mean.assign(mean / deviation)
        norm.moving_variance.assign(tf.ones_like(variance))


def _relative_rates(
    backbone: Backbone, images: tf.Tensor, seed: int, convolutional: bool
) -> dict[str, float]:
    """Returns rms(gradient) / rms(kernel) of every layer that the top depends on."""
    kernels = {name: layer.kernel for name, layer in backbone.convolutions.items()}
    squares = dict.fromkeys(kernels, 0.0)
    for begin in range(0, len(images), RATE_BATCH):
        noise_seed = [derive_seed(seed, "rate noise"), begin]
        with tf.GradientTape() as tape:
            top = backbone(images[begin : begin + RATE_BATCH], convolutional=convolutional)["top"]
            top = tf.cast(top, tf.float32)
            total = tf.reduce_sum(top * tf.random.stateless_normal(tf.shape(top), noise_seed))
        for name, gradient in tape.gradient(total, kernels).items():
            if gradient is not None:
                squares[name] += float(tf.reduce_mean(tf.square(gradient)))
    return {
        name: (squares[name] / float(tf.reduce_mean(tf.square(kernel)))) ** 0.5
        for name, kernel in kernels.items()
        if squares[name] > 0
    }
