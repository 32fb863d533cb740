import pytest
from absl import flags

from tfcolor.config import sharding
from tfcolor.config.flags import define_options
from tfcolor.core.beam import BeamOptions
from tfcolor.core.errors import UsageError
from tfcolor.data.shards import ShardOptions


def _flags(*arguments):
    flag_values = flags.FlagValues()
    for options_class, prefix in sharding.SHARD_OPTIONS:
        define_options(options_class, prefix, flag_values)
    flag_values(["shard", *arguments])
    return flag_values


def test_flags_become_options(monkeypatch):
    seen = []
    monkeypatch.setattr(sharding, "build_shards", lambda *arguments: seen.append(arguments))
    sharding.run_sharding(
        _flags(
            "--images=a",
            "--output=b",
            "--num_shards=5",
            "--max_side=64",
            "--encoding=webp",
            "--runner=flink",
            "--beam_options=--parallelism=2",
        )
    )
    shards, beam = ShardOptions(5, 64, "webp"), BeamOptions("flink", "--parallelism=2")
    assert seen == [("a", "b", shards, beam)]


@pytest.mark.parametrize("arguments", [[], ["--images=a"], ["--output=b"]])
def test_images_and_output_must_be_given(arguments):
    with pytest.raises(UsageError, match="--images and --output"):
        sharding.run_sharding(_flags(*arguments))
