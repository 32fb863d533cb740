"""Narrow networks side by side as the columns of one wide network."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfcolor.backbones.chain import ChainBackbone
from tfcolor.core.columns import Column
from tfcolor.core.seeds import derive_seed


def combine_columns(
    sources: Sequence[ChainBackbone], target: ChainBackbone, *, cross_scale: float, seed: int
) -> None:
    """Puts separately trained columns side by side in the network they are columns of.

    Weights between columns are small random numbers; without them every map of
    the network is that of its columns, channel after channel.

    Args:
      sources: the columns in order, each of the shares of `target`'s layers; not
        changed.
      target: the whole network; its variables change.
      cross_scale: standard deviation of the weights between columns, as a
        multiple of that of Glorot's initialization of the whole layer.
      seed: of these weights.

    Raises:
      ValueError: if `sources` are not the columns of `target`, or only some have
        batch norm; nothing is changed then.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, section 4.4.1 (split-activations).
    """
    columns = [Column(index, len(sources)) for index in range(len(sources))]
    _check_columns(sources, target, columns)
    for index, (name, layer) in enumerate(target.convolutions.items()):
        layer_seed = derive_seed(seed, f"{target.name}/{name}/cross")
        kernel = cross_scale * _glorot_normal(layer.kernel.shape, layer_seed)
        for source, column in zip(sources, columns, strict=True):
            inputs = slice(None) if index == 0 else column.slice(kernel.shape[2])
            outputs = column.slice(kernel.shape[3])
            kernel[:, :, inputs, outputs] = source.convolutions[name].kernel.numpy()
        layer.kernel.assign(kernel)
        layer.bias.assign(tf.concat([one.convolutions[name].bias for one in sources], axis=0))
    for name, norm in target.batch_norms.items():
        norms = [one.batch_norms[name] for one in sources]
        norm.moving_mean.assign(tf.concat([one.moving_mean for one in norms], axis=0))
        norm.moving_variance.assign(tf.concat([one.moving_variance for one in norms], axis=0))


def _glorot_normal(shape: Sequence[int], seed: int) -> np.ndarray:
    """Returns normal [kh, kw, in, out] weights of Glorot's variance, 2 / (fan in + fan out)."""
    rows, columns, num_inputs, num_outputs = shape
    deviation = np.float32(2 / (rows * columns * (num_inputs + num_outputs))) ** 0.5
    return deviation * np.random.default_rng(seed).standard_normal(shape, np.float32)


def _check_columns(
    sources: Sequence[ChainBackbone], target: ChainBackbone, columns: Sequence[Column]
) -> None:
    """Raises ValueError unless each source has its share of the target's layers."""
    for source, column in zip(sources, columns, strict=True):
        channels = {
            name: count if name == target.input_tap else column.width(count)
            for name, count in target.tap_channels.items()
        }
        kernels = [one.kernel.shape[:2] for one in source.convolutions.values()]
        expected = [one.kernel.shape[:2] for one in target.convolutions.values()]
        has_norms = source.batch_norms.keys() == target.batch_norms.keys()
        if source.tap_channels != channels or kernels != expected or not has_norms:
            raise ValueError(
                f"{source.name} with the channels {source.tap_channels} is not column "
                f"{column.index} of {column.count} of {target.name}: expected {channels}"
            )
