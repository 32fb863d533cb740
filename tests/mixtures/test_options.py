import pytest

from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options
from tfcolor.mixtures.options import MixtureOptions


def test_floor_of_weights_stays_below_their_mean():
    options = MixtureOptions(min_weight=1e-4)
    assert options.weight_floor(18) == 1e-4
    assert options.weight_floor(1280) == pytest.approx(0.1 / 1280)
    assert MixtureOptions(min_weight=0.0).weight_floor(18) == 0


@pytest.mark.parametrize("field", ["num_components", "num_iterations", "num_restarts"])
def test_there_is_at_least_one_of_everything(field):
    with pytest.raises(UsageError, match=f"--{field}=0: expected at least 1"):
        check_options(MixtureOptions(**{field: 0}))
