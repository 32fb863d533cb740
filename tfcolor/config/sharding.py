"""Sharding of images from the flags of `shard`."""

import dataclasses

from absl import flags

from tfcolor.config.flags import read_options
from tfcolor.core.beam import BeamOptions
from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.data.shards import ShardOptions, build_shards


@dataclasses.dataclass(frozen=True)
class ShardingOptions:
    """Which images to shard, and where to."""

    images: str = option("", "the images, in the forms of `train --images`")
    output: str = option("", "folder for the shards")


SHARD_OPTIONS: tuple[tuple[type, str], ...] = (
    (ShardingOptions, ""),
    (ShardOptions, ""),
    (BeamOptions, ""),
)
"""Options dataclasses of `shard` with the prefix of their flags."""


def run_sharding(flag_values: flags.FlagValues) -> None:
    """Shards what the flags describe.

    Args:
      flag_values: with the flags of `SHARD_OPTIONS`.

    Raises:
      UsageError: if the images or the folder are not given.
      UserError: as `build_shards`.
    """
    chosen = read_options(ShardingOptions, "", flag_values)
    if not chosen.images or not chosen.output:
        raise UsageError("--images and --output must both be given")
    build_shards(
        chosen.images,
        chosen.output,
        read_options(ShardOptions, "", flag_values),
        read_options(BeamOptions, "", flag_values),
    )
