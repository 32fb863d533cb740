"""The layers that a chain network is declared with."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

from tfcolor.backbones.base import scale_channels

Padding = Literal["SAME", "VALID"]


@dataclasses.dataclass(frozen=True)
class Conv:
    """One tapped convolution with its normalization, nonlinearity and dropout.

    Args:
      name: name of the layer and of its tap.
      channels: outputs at width multiplier 1.
      kernel: cells along each side.
      stride: cells between two positions.
      groups: groups of channels.
      canonical_padding: padding of the canonical mode; SAME otherwise.
      is_fully_connected: whether it collapses to [B, D] in the canonical mode.
      dropout_rate: probability of dropping a feature after the nonlinearity;
        None where no dropout follows.
    """

    name: str
    channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    canonical_padding: Padding = "SAME"
    is_fully_connected: bool = False
    dropout_rate: float | None = None


@dataclasses.dataclass(frozen=True)
class Pool:
    """One max pool.

    Args:
      kernel: cells along each side.
      stride: cells between two positions.
      canonical_padding: padding of the canonical mode; SAME otherwise.
      use_lrn: whether local response normalization comes before it.
      canonical_start: rows above, and columns on the left, that it leaves out in
        the canonical mode.
    """

    kernel: int
    stride: int
    canonical_padding: Padding = "SAME"
    use_lrn: bool = False
    canonical_start: int = 0


def scale_width(stage: Conv | Pool, multiplier: float) -> Conv | Pool:
    """Scales the channels of a stage that has any.

    Args:
      stage: a layer at width 1.
      multiplier: factor on its channels.

    Returns:
      The layer with a multiple of 4 channels.
    """
    if isinstance(stage, Pool):
        return stage
    return dataclasses.replace(stage, channels=scale_channels(stage.channels, multiplier))


def keep_apart(stage: Conv | Pool, num_columns: int) -> Conv | Pool:
    """Gives a convolution as many groups as there are columns, at least.

    Args:
      stage: a layer.
      num_columns: networks side by side.

    Returns:
      The layer; one that has more groups keeps them.
    """
    if isinstance(stage, Pool):
        return stage
    return dataclasses.replace(stage, groups=max(stage.groups, num_columns))


def with_top(stages: Sequence[Conv | Pool], channels: int) -> tuple[Conv | Pool, ...]:
    """Sets the channels of the last convolution.

    Args:
      stages: the layers in order.
      channels: of the last convolution; 0 for those that it has.

    Returns:
      The layers in order.
    """
    last = [stage for stage in stages if isinstance(stage, Conv)][-1]
    wanted = dataclasses.replace(last, channels=channels or last.channels)
    return tuple(wanted if stage is last else stage for stage in stages)
