import dataclasses
import math

import pytest

from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options, option


@dataclasses.dataclass(frozen=True)
class BinOptions:
    """Histogram bins."""

    num_bins: int = option(32, "bins of an axis", minimum=2, maximum=64)
    space: str = option("lab", "color space", choices=("lab", "hsv"))
    weights: tuple[float, ...] = option((1.0,), "weight of each axis", minimum=0)
    rate: float | None = option(None, "learning rate", minimum=0)


def test_defaults_and_bounds_are_accepted():
    check_options(BinOptions())
    check_options(BinOptions(num_bins=2, weights=(0.0, 3.5), rate=0.0))
    check_options(BinOptions(num_bins=64, space="hsv", weights=()))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_bins": 1}, "--hue_num_bins=1: expected at least 2"),
        ({"num_bins": 65}, "--hue_num_bins=65: expected at most 64"),
        ({"space": "rgb"}, "--hue_space=rgb: expected one of lab, hsv"),
        ({"weights": (1.0, -0.5)}, "--hue_weights=-0.5: expected at least 0"),
        ({"rate": math.nan}, "--hue_rate=nan: expected a number"),
    ],
)
def test_wrong_value_is_named_with_what_is_accepted(values, message):
    with pytest.raises(UsageError) as caught:
        check_options(BinOptions(**values), "hue_")
    assert str(caught.value) == message


def test_field_carries_its_declaration():
    fields = {field.name: field for field in dataclasses.fields(BinOptions)}
    assert fields["space"].metadata["help"] == "color space"
    assert fields["space"].metadata["choices"] == ("lab", "hsv")
