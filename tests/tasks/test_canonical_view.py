import pytest

from tfcolor.core.errors import UsageError
from tfcolor.data.transforms import ViewOptions
from tfcolor.tasks.canonical_view import (
    CanonicalViewOptions,
    SquareViewOptions,
    canonical_side,
)


def test_training_views_are_cut_as_the_options_say():
    options = CanonicalViewOptions(
        crop_size=32, min_side=40, max_side=50, use_mirror=False, max_shift=3
    )
    assert options.training_view == ViewOptions(32, 40, 50, use_mirror=False, max_shift=3)


def test_a_size_of_views_is_checked_where_it_is_filled_in():
    options = SquareViewOptions(min_side=40, max_side=50).with_size(32)
    assert options.training_view == ViewOptions(32, 40, 50)
    with pytest.raises(UsageError, match="crop_size=64, min_side=40, max_side=50: expected"):
        options.with_size(64)
    canonical = CanonicalViewOptions(min_side=40, max_side=50, max_shift=2).with_size(32)
    assert canonical == CanonicalViewOptions(crop_size=32, min_side=40, max_side=50, max_shift=2)


def test_views_have_the_size_that_the_backbone_takes():
    assert [canonical_side(asked, 224, "multilabel_crop_size") for asked in (0, 224)] == [224, 224]
    with pytest.raises(UsageError, match=r"^--multilabel_crop_size=200: the backbone takes 224$"):
        canonical_side(200, 224, "multilabel_crop_size")
