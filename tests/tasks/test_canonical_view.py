import pytest

from tfcolor.core.errors import UsageError
from tfcolor.data.transforms import ViewOptions
from tfcolor.tasks.canonical_view import CanonicalViewOptions, canonical_side


def test_training_views_are_cut_as_the_options_say():
    options = CanonicalViewOptions(
        crop_size=32, min_side=40, max_side=50, use_mirror=False, max_shift=3
    )
    assert options.training_view == ViewOptions(32, 40, 50, use_mirror=False, max_shift=3)


def test_views_have_the_size_that_the_backbone_takes():
    assert [canonical_side(asked, 224, "multilabel_crop_size") for asked in (0, 224)] == [224, 224]
    with pytest.raises(UsageError, match=r"^--multilabel_crop_size=200: the backbone takes 224$"):
        canonical_side(200, 224, "multilabel_crop_size")
