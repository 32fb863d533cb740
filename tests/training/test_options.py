import dataclasses

import pytest

from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options
from tfcolor.training.options import DistributionOptions, OptimizationOptions, TrainingOptions

ALL_OPTIONS = (TrainingOptions, OptimizationOptions, DistributionOptions)


@pytest.mark.parametrize("kind", ALL_OPTIONS)
def test_defaults_are_accepted(kind):
    check_options(kind())


def test_no_flag_name_is_used_twice():
    names = [field.name for kind in ALL_OPTIONS for field in dataclasses.fields(kind)]
    assert len(set(names)) == len(names)


def test_published_recipe_is_the_default():
    options, training = OptimizationOptions(), TrainingOptions()
    assert (options.learning_rate, options.momentum, options.weight_decay) == (1e-3, 0.9, 5e-4)
    assert options.bias_rate_multiplier == 2.0
    assert training.num_steps == 2_000_000
    assert all(drop < training.num_steps for drop in options.rate_drops)


@pytest.mark.parametrize("other", [{"optimizer": "adam"}, {"momentum": 0.0}])
def test_nesterov_needs_momentum(other):
    with pytest.raises(UsageError, match="expected --optimizer=momentum and a momentum above 0"):
        OptimizationOptions(use_nesterov=True, **other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (TrainingOptions(batch_size=0), "--batch_size=0: expected at least 1"),
        (TrainingOptions(precision="float64"), "--precision=float64: expected one of float32"),
        (TrainingOptions(keep_checkpoints=1), "--keep_checkpoints=1: expected at least 2"),
        (OptimizationOptions(momentum=1.0), "--momentum=1.0: expected at most 0.9999"),
        (OptimizationOptions(learning_rate=float("nan")), "--learning_rate=nan: expected a number"),
        (DistributionOptions(strategy="cloud"), "--strategy=cloud: expected one of auto"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        check_options(options)
