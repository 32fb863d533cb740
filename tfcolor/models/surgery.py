"""Exact changes of a network's weights: input channels and scale, batch norm, balance.

Functions on arrays change nothing in place; those on networks say so.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfcolor.backbones.base import BEFORE, Backbone
from tfcolor.backbones.chain import ChainBackbone
from tfcolor.backbones.stages import Pool
from tfcolor.core.errors import UserError
from tfcolor.heads.histogram import HistogramHead
from tfcolor.layers.batch_norm import EPSILON


def match_input(
    kernel: np.ndarray,
    bias: np.ndarray,
    *,
    scale: float,
    source_means: Sequence[float],
    target_means: Sequence[float],
) -> tuple[np.ndarray, np.ndarray]:
    """Makes a first convolution take images in [0, 1] with other means.

    The convolution took `scale * image - source_means` and takes
    `image - target_means` afterwards. The same wherever no padding is read; with
    `target_means` equal to `source_means / scale` the same everywhere.

    Args:
      kernel: float [kh, kw, C, out].
      bias: float [out].
      scale: of the images before, 255 for images in [0, 255].
      source_means: one number per channel, in units of the scaled images.
      target_means: one number, or one per channel, in [0, 1].

    Returns:
      (kernel, bias), float32 [kh, kw, C, out] and [out].
    """
    shift = scale * np.asarray(target_means, np.float64) - np.asarray(source_means, np.float64)
    moved = bias + np.einsum("hwco,c->o", kernel, np.broadcast_to(shift, kernel.shape[2]))
    return (scale * kernel).astype(np.float32), moved.astype(np.float32)


def gray_from_rgb(kernel: np.ndarray) -> np.ndarray:
    """Turns a first convolution on color into one on gray.

    With the same mean in all channels the gray network on an image equals the
    color network on its three copies, everywhere. Where the means differed,
    `match_input` first; then it is the same wherever no padding is read, since a
    single channel cannot be padded with three different values. With the means
    of Keras' VGG-16 and random weights the maps of a 224-pixel photograph differed
    by 0.8 % (conv1_1) to 0.3 % (fc7) of their root mean square, all at the border.

    Args:
      kernel: float [kh, kw, C, out], channels in any order.

    Returns:
      float [kh, kw, 1, out].
    """
    return kernel.sum(axis=2, keepdims=True)


def rgb_from_gray(kernel: np.ndarray, channels: int = 3) -> np.ndarray:
    """Turns a first convolution on gray into one on color.

    The result sees the mean of the channels.

    Args:
      kernel: float [kh, kw, 1, out].
      channels: of the color image.

    Returns:
      float [kh, kw, channels, out].

    Example:
      >>> rgb_from_gray(np.full([1, 1, 1, 1], 0.6)).ravel().round(6)
      array([0.2, 0.2, 0.2])
    """
    return np.repeat(kernel, channels, axis=2) / channels


def absorb_batch_norm(
    kernel: np.ndarray,
    bias: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    scale: np.ndarray | float = 1.0,
    shift: np.ndarray | float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Moves a batch norm into the convolution before it.

    Args:
      kernel: float [kh, kw, C, out].
      bias: float [out].
      mean: float [out], the moving mean.
      variance: float [out], the moving variance, without epsilon.
      scale: float [out], the trained factor, if there is one.
      shift: float [out], the trained shift, if there is one.

    Returns:
      (kernel, bias) of the same shapes, with which the convolution gives what
      the batch norm gave.
    """
    deviation = np.sqrt(np.asarray(variance, np.float64) + EPSILON)
    factor = scale / deviation
    return kernel * factor, (bias - mean) * factor + shift


def transfer_backbone(source: Backbone, target: Backbone) -> tuple[str, ...]:
    """Copies a backbone into one that may lack batch norm or see other channels.

    Where only the source has batch norm, its moving statistics move into the
    weights: `target` then does what `source` does outside training. Where the
    images have other channels the first layer goes from gray to color (it sees
    the mean of the channels) or back (`gray_from_rgb`).

    Args:
      source: gives weights and moving statistics; not changed.
      target: a network of the same layers; its variables change.

    Returns:
      What was done besides copying, in words.

    Raises:
      ValueError: if layers or shapes differ in any other way, or only `target`
        has batch norm, or only `source` and that before convolutions; nothing is
        changed then.
    """
    absorbs = bool(source.batch_norms) and not target.batch_norms
    if absorbs and source.batch_norms.keys() - source.convolutions.keys():
        raise ValueError(
            f"{source.name} has batch norm before its convolutions, which cannot absorb it;"
            f" expected {target.name} to have it too"
        )
    values = _layer_values(source, absorbs)
    first = next(iter(values))
    channels = source.input_channels, target.input_channels
    if channels[0] != channels[1]:
        kernel, *others = values[first]
        values[first] = [_with_channels(kernel, channels[1]), *others]
    variables = {
        name: _layer_variables(target, name, absorbs=False) for name in target.convolutions
    }
    shapes = [
        {name: [value.shape for value in layer] for name, layer in each.items()}
        for each in (values, variables)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(f"{source.name} has other layers than {target.name}; expected the same")
    for name, layer in variables.items():
        for variable, value in zip(layer, values[name], strict=True):
            variable.assign(tf.cast(value, variable.dtype))
    notes = ["its batch norm is absorbed"] if absorbs else []
    if channels[0] != channels[1]:
        words = ["gray" if count == 1 else "color" for count in channels]
        notes.append(f"its first layer goes from {words[0]} to {words[1]}")
    return tuple(notes)


def rebalance(
    backbone: Backbone, images: Iterable[tf.Tensor], head: HistogramHead | None = None
) -> dict[str, float]:
    """Scales every layer to a unit second moment of its activations, in place.

    Each tap `x` becomes `x / s` with `s = sqrt(E[x^2])` over the images: the
    layer's weights are divided by its `s` and multiplied by that of the layer
    before. No layer comes after the last one, so its output stays scaled; what
    reads it has to make up for it. A trained `head` does so here, tap by tap,
    and its outputs stay as they were. A head yet to be trained should be left
    out: unit moments are what it is to start from.

    Args:
      backbone: a chain without batch norm and without LRN, which are not
        positively homogeneous; its input is left as it is.
      images: float32 [B, H, W, C] batches in [0, 1], of any sizes.
      head: the trained head on the backbone's taps, if there is one.

    Returns:
      What each tap was multiplied by, 1/s.

    Raises:
      UserError: if the network has batch norm or LRN or is no chain, if there is
        no image, or if a layer is dead.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, equation 2.7.
    """
    if obstacle := scaling_obstacle(backbone):
        raise UserError(f"cannot re-balance {obstacle}")
    scales = _root_mean_squares(backbone, images)
    dead = [name for name, scale in scales.items() if not scale > 0]
    if dead:
        raise UserError(f"cannot re-balance: layer {', '.join(dead)} gives 0 on every image")
    before = 1.0
    for name, convolution in backbone.convolutions.items():
        convolution.kernel.assign(convolution.kernel * (before / scales[name]))
        convolution.bias.assign(convolution.bias / scales[name])
        before = scales[name]
    if head is not None:
        _undo_in_head(head, scales)
    return {name: 1 / scale for name, scale in scales.items()}


def scaling_obstacle(backbone: Backbone) -> str:
    """Says why layers cannot be scaled and the next ones make up for it.

    Args:
      backbone: any network.

    Returns:
      What it is and why, in words; empty for a chain of positively homogeneous
      layers, which can.
    """
    if backbone.batch_norms:
        return "a network with batch norm: it is balanced already"
    if not isinstance(backbone, ChainBackbone):
        return f"{backbone.name}: its layers are no chain"
    if any(isinstance(stage, Pool) and stage.use_lrn for stage in backbone.stages):
        return "a network with LRN: its layers do not scale"
    return ""


def _layer_variables(backbone: Backbone, name: str, *, absorbs: bool) -> list[tf.Variable]:
    """Returns kernel, bias if there is one, and batch norm's variables unless absorbed."""
    convolution = backbone.convolutions[name]
    variables = [convolution.kernel]
    if convolution.use_bias:
        variables.append(convolution.bias)
    for norm in (name, name + BEFORE):
        if norm in backbone.batch_norms and not absorbs:
            variables += backbone.batch_norms[norm].variables
    return variables


def _layer_values(backbone: Backbone, absorbs: bool) -> dict[str, list[np.ndarray]]:
    """Returns the numbers of each layer, with batch norm in the weights or beside them."""
    values = {
        name: [one.numpy() for one in _layer_variables(backbone, name, absorbs=absorbs)]
        for name in backbone.convolutions
    }
    for name, norm in backbone.batch_norms.items() if absorbs else ():
        kernel = values[name][0].astype(np.float64)
        size = kernel.shape[-1]
        bias = _numbers(backbone.convolutions[name].bias, 0.0, size)
        statistics = norm.moving_mean.numpy(), norm.moving_variance.numpy()
        trained = _numbers(norm.scale, 1.0, size), _numbers(norm.bias, 0.0, size)
        values[name] = list(absorb_batch_norm(kernel, bias, *statistics, *trained))
    return values


def _with_channels(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Returns a first layer's kernel for images of so many channels."""
    return gray_from_rgb(kernel) if channels == 1 else rgb_from_gray(kernel, channels)


def _numbers(variable: tf.Variable | None, default: float, size: int) -> np.ndarray:
    """Returns the numbers of a variable, or those that stand for its absence."""
    return np.full(size, default, np.float32) if variable is None else variable.numpy()


def _root_mean_squares(backbone: ChainBackbone, images: Iterable[tf.Tensor]) -> dict[str, float]:
    """Returns sqrt(E[x^2]) of every layer's activations over all images."""
    sums = dict.fromkeys(backbone.convolutions, 0.0)
    counts = dict.fromkeys(backbone.convolutions, 0)
    for batch in images:
        activations = backbone(batch)
        for name in sums:
            values = tf.cast(activations[name], tf.float32)
            # The mean first: a float32 sum of millions of squares loses digits.
            size = int(tf.size(values))
            sums[name] += float(tf.reduce_mean(tf.square(values))) * size
            counts[name] += size
    if not any(counts.values()):
        raise UserError("cannot re-balance without an image")
    return {name: (sums[name] / counts[name]) ** 0.5 for name in sums}


def _undo_in_head(head: HistogramHead, scales: Mapping[str, float]) -> None:
    """Multiplies each tap's rows of the hidden layer by what the tap lost."""
    hidden = head.hidden
    rows = [
        np.full(channels, scales.get(name, 1.0), np.float32)
        for name, channels in zip(hidden.tap_names, hidden.tap_channels, strict=True)
    ]
    hidden.kernel.assign(hidden.kernel * np.concatenate(rows)[:, None])
