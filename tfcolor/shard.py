"""Writes images into TFRecord shards that training reads, on one machine or many.

Examples:
  tfcolor shard --images=photos/ --output=shards
  tfcolor shard --images=photos/ --output=shards --num_shards=128 --max_side=512
  tfcolor shard --images=/nfs/imagenet --output=/nfs/shards --num_shards=1024 --max_side=512
      --runner=flink --beam_options="--flink_master=host:8081 --parallelism=32"
  tfcolor train --images=shards/*.tfrecord --run_dir=runs/first

Apache Beam does the work (pip install 'tfcolor[beam]'); without --runner, on this
machine. On a cluster, every worker has tfcolor installed and sees --images and
--output under the same paths: a shared file system. Which image is in which
shard, and every byte of it, depends on the images and the flags alone.

A shard gets its name when it is whole, and dataset.json comes last, with the
SHA-256 of each. Images that cannot be read are left out, unreadable.jsonl says
why, and the command exits with 1 after all others are written.
"""

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.sharding import SHARD_OPTIONS, run_sharding


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Shards as the flags say."""
    del arguments
    run_sharding(flag_values)


COMMAND = Command("shard", __doc__, SHARD_OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
