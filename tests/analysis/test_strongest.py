import numpy as np
import pytest

from tfcolor.analysis.strongest import StrongestActivations
from tfcolor.core.taps import Tap

TAP = Tap("conv", stride=4, offset=1.5, channels=5)


def observe(strongest, maps):
    for position, features in enumerate(maps):
        height, width = features.shape[:2]
        strongest.update(position, features, TAP, (4 * height, 4 * width))


@pytest.fixture
def maps():
    generator = np.random.default_rng(0)
    sizes = [(3, 4), (5, 2), (4, 4), (2, 6), (3, 3), (6, 3)]
    return [generator.gamma(1, 1, (*size, 5)).astype(np.float32) for size in sizes]


def test_best_cell_of_the_best_photographs_is_kept(maps):
    strongest = StrongestActivations(5, 3)
    observe(strongest, maps)
    for feature in range(5):
        tops = [one[..., feature].max() for one in maps]
        expected = np.argsort(tops)[::-1][:3]
        found = strongest.of(feature)
        assert [one.position for one in found] == expected.tolist()
        for one in found:
            channel = maps[one.position][..., feature]
            assert one.cell == np.unravel_index(channel.argmax(), channel.shape)
            assert one.value == channel.max()


def test_order_of_photographs_does_not_matter(maps):
    there, back = StrongestActivations(5, 4), StrongestActivations(5, 4)
    observe(there, maps)
    observe(back, maps[::-1])
    for feature in range(5):
        turned = [(5 - one.position, one.cell) for one in back.of(feature)]
        assert turned == [(one.position, one.cell) for one in there.of(feature)]


def test_cells_near_the_border_do_not_count():
    features = np.zeros((4, 5, 5), np.float32)
    features[0, 2] = 9  # centered on row 1.5
    features[2, 1] = 3  # centered on (9.5, 5.5) of 16 x 20 pixels
    features[1, 3] = 2
    strongest = StrongestActivations(5, 2, border_px=3)
    assert strongest.update(0, features, TAP, (16, 20))
    assert [one.cell for one in strongest.of(0)] == [(2, 1)]
    assert strongest.of(0)[0].value == 3
    assert not StrongestActivations(5, 2, border_px=8).update(0, features, TAP, (16, 20))


def test_border_is_measured_from_both_ends():
    features = np.arange(36, dtype=np.float32).reshape(6, 6, 1).repeat(5, axis=-1)
    strongest = StrongestActivations(5, 1, border_px=6)
    strongest.update(0, features, TAP, (24, 24))
    # Cells are centered on 1.5, 5.5, ... 21.5; only 9.5 and 13.5 lie in [6, 17].
    assert strongest.of(0)[0].cell == (3, 3)


def test_activity_is_the_mean_and_dead_features_are_never_chosen(maps):
    for one in maps:
        one[..., 1] = 0
    strongest = StrongestActivations(5, 2)
    observe(strongest, maps)
    cells = np.concatenate([one.reshape(-1, 5) for one in maps])
    np.testing.assert_allclose(strongest.activity, cells.mean(axis=0), rtol=1e-6)
    assert strongest.of(1) == []
    order = [feature for feature in np.argsort(-cells.mean(axis=0)) if feature != 1]
    assert strongest.choose(9, "active") == order
    assert strongest.choose(2, "active") == order[:2]
    assert 1 not in strongest.choose(9, "selective")


def test_selectivity_is_that_of_the_photographs(maps):
    strongest = StrongestActivations(5, 2)
    observe(strongest, maps)
    cells = np.concatenate([one.reshape(-1, 5) for one in maps])
    tops = np.stack([one.reshape(-1, 5).max(axis=0) for one in maps]) - cells.min(axis=0)
    expected = np.sort(tops, axis=0)[-2:].mean(axis=0) / tops.mean(axis=0)
    np.testing.assert_allclose(strongest.selectivity, expected, rtol=1e-6)
    assert strongest.choose(5, "selective") == np.argsort(-expected).tolist()


def test_feature_that_excels_once_is_not_selective(maps):
    for one in maps:
        one[..., 0] = 0
    maps[3][1, 2, 0] = 100
    strongest = StrongestActivations(5, 2)
    observe(strongest, maps)
    assert strongest.selectivity[0] == 0
    assert [one.position for one in strongest.of(0)] == [3]
    assert strongest.choose(5, "selective")[-1] == 0


def test_unknown_selection_is_an_error():
    with pytest.raises(ValueError, match="'pretty'; expected one of selective, active"):
        StrongestActivations(2, 1).choose(1, "pretty")


def test_features_that_like_the_same_photographs_are_not_shown_twice():
    strongest = StrongestActivations(3, 2)
    # Features 0 and 1 prefer photographs 0 and 1, feature 2 the others.
    for position, values in enumerate([(9, 8, 1), (7, 6, 1), (1, 1, 3), (1, 1, 2)]):
        features = np.zeros((2, 2, 3), np.float32)
        features[1, 0] = values
        strongest.update(position, features, TAP, (8, 8))
    assert strongest.choose(2, "active") == [0, 2]
    assert strongest.choose(3, "active") == [0, 2, 1]
