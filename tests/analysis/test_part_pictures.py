"""Tests of the pictures of parts."""

import numpy as np
import pytest

from tfcolor.analysis.part_pictures import NamedParts, PartPicturesOptions, show_parts
from tfcolor.parts.learning import Parts
from tfcolor.parts.pooling import FeatureLayout


def make_parts(count, size, rotations=1, polarities=1, channels=1):
    """Returns parts with random pictures."""
    layout = FeatureLayout(count, rotations, polarities)
    pictures = np.random.default_rng(count).random((count, size, size, channels), np.float32)
    means = np.full((count, rotations * polarities, size * size * 8), 0.5, np.float32)
    return Parts(means, size, layout, pictures, np.arange(count, 0, -1), -12.5)


def test_parts_of_two_runs_stand_side_by_side():
    runs = [NamedParts("plain", make_parts(5, 6)), NamedParts("turned", make_parts(3, 4, 8, 2))]
    found = show_parts(runs, PartPicturesOptions(num_parts=4))
    plain, turned = found.numbers["runs"]
    assert (plain["model"], plain["num_parts"], plain["num_shown"]) == ("plain", 5, 4)
    assert (turned["num_rotations"], turned["num_polarities"], turned["patch_size"]) == (8, 2, 4)
    assert plain["counts"] == [5, 4, 3, 2, 1] and turned["log_likelihood"] == -12.5
    assert found.numbers["model"] == "plain"
    titles = [axes.get_title() for axes in found.figure.axes]
    assert titles == [
        "plain: 4 of 5 parts",
        "turned: 3 of 3 parts, each in 8 rotations and 2 polarities",
    ]
    assert found.scalars == [
        *(("count", rank, 5.0 - rank) for rank in range(5)),
        *(("other_count", rank, 3.0 - rank) for rank in range(3)),
    ]


@pytest.mark.parametrize(("wanted", "shown"), [(0, 5), (9, 5), (1, 1)])
def test_number_of_parts_is_that_asked_for(wanted, shown):
    options = PartPicturesOptions(num_parts=wanted)
    found = show_parts([NamedParts("a", make_parts(5, 6, channels=3))], options)
    assert found.numbers["runs"][0]["num_shown"] == shown
