import numpy as np
import pytest

from tfcolor.core.errors import UsageError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources import builtin_depth
from tfcolor.data.sources.builtin_depth import NUM_SCENES, open_depth_scenes
from tfcolor.data.sources.depth_maps import DepthSource
from tfcolor.data.sources.opening import open_source


def test_rooms_are_drawn_the_same_every_time():
    source = open_source("builtin:depth_scenes:3")
    assert isinstance(source, DepthSource)
    assert (source.num_examples, source.class_names, source.label_of(0)) == (3, (), None)
    assert source.name_of(2) == "builtin:depth_scenes/train/00002"
    depth = source.depth_of(2)
    builtin_depth._numbered_scene.cache_clear()
    again = open_depth_scenes("depth_scenes:train:9")
    np.testing.assert_array_equal(again.depth_of(2), depth)
    assert np.any(again.depth_of(1) != depth)
    heldout = open_depth_scenes("depth_scenes:heldout")
    assert heldout.num_examples == NUM_SCENES["heldout"]
    assert np.any(heldout.depth_of(2) != depth)


def test_some_rooms_are_selected_with_picture_and_depth():
    source = open_depth_scenes("depth_scenes:4")
    chosen = source.select([3, 1])
    np.testing.assert_array_equal(chosen.depth_of(1), source.depth_of(1))
    image, used = ExampleReader(chosen).read(0)
    assert used == 0
    np.testing.assert_array_equal(image, builtin_depth._numbered_scene("train", 3).image)


def test_shared_depth_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        open_depth_scenes("depth_scenes").depth_of(0)[:] = 0


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("depth_scenes:val", "unknown split of builtin:depth_scenes 'val'; known: heldout, train"),
        ("depth_scenes:0", r"expected builtin:depth_scenes\[:train\|:heldout\]\[:COUNT\]"),
        ("depth_scenes:-3", "a count from 1"),
        ("depth_scenes:1:train", "unknown split|expected builtin"),
        ("depth_scenes:more:train:2", "expected builtin"),
    ],
)
def test_other_selections_are_refused(selection, message):
    with pytest.raises(UsageError, match=message):
        open_depth_scenes(selection)
