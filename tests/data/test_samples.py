import numpy as np
import pytest

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.samples import (
    draw_per_class,
    hashed_order,
    sample_classes,
    sample_classes_by_position,
    sample_images,
    select_range,
)
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.voc import PresenceSource


def _source(counts, names="xyz"):
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    return FileSource([f"/photos/{number}.png" for number in range(len(labels))], labels, names)


def _names(source):
    return [source.name_of(index) for index in range(source.num_examples)]


def test_order_depends_on_the_names_below_the_common_folder_and_on_the_purpose():
    names = [f"{number}.png" for number in range(20)]
    order = hashed_order(FileSource(names))
    assert sorted(order) == list(range(20))
    assert order != sorted(order)
    assert hashed_order(FileSource([f"/a/b/{name}" for name in names])) != order
    elsewhere = [hashed_order(FileSource([f"/{at}/{name}" for name in names])) for at in "pq"]
    assert elsewhere[0] == elsewhere[1]
    assert hashed_order(FileSource(names), "noise") != order
    assert hashed_order(FileSource(["/a/b.png", "c.png"])) in ([0, 1], [1, 0])


def test_a_new_image_moves_no_other():
    names = [f"/photos/{number}.png" for number in range(12)]
    before = hashed_order(FileSource(names))
    after = hashed_order(FileSource([*names, "/photos/new.png"]))
    assert [position for position in after if position != 12] == before


def test_a_sample_is_part_of_a_larger_one_and_keeps_the_order():
    source = _source([9, 9, 9])
    small, large = (_names(sample_images(source, count, seed=3)) for count in (5, 12))
    assert (len(small), len(large)) == (5, 12)
    assert set(small) < set(large)
    assert large == [name for name in _names(source) if name in large]
    assert _names(sample_images(source, 5, seed=4)) != small


def test_each_class_has_exactly_so_many_images():
    source = _source([9, 4, 30])
    sample = sample_classes(source, 4, seed=0)
    labels = [sample.label_of(index) for index in range(sample.num_examples)]
    assert labels == [0] * 4 + [1] * 4 + [2] * 4
    assert sample.class_names == ("x", "y", "z")
    assert set(_names(sample_classes(source, 2, seed=0))) < set(_names(sample))
    chosen = {frozenset(_names(sample_classes(source, 2, seed=seed))) for seed in range(5)}
    assert len(chosen) == 5


def test_classes_without_names_are_counted_too():
    sample = sample_classes(_source([3, 5], names=()), 3, seed=0)
    assert [sample.label_of(index) for index in range(6)] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("counts", "names", "message"),
    [
        ([4, 2, 9], "xyz", "the class y has 2"),
        ([4, 4], "xyz", "the class z has 0"),
        ([4, 2], "", "the class 1 has 2"),
    ],
)
def test_a_class_with_too_few_images_is_named(counts, names, message):
    with pytest.raises(UserError, match=f"3 images per class were asked for; {message}"):
        sample_classes(_source(counts, names), 3, seed=0)


def test_golden_sample_by_position():
    """Check G19 of the specification of chapter 1."""
    drawn = draw_per_class(np.arange(50) % 10, 2, seed=1)
    expected = "22 1 29 36 25 9 32 33 7 3 27 4 15 21 6 48 34 38 20 10"
    assert drawn.tolist() == list(map(int, expected.split()))
    source = FileSource([f"{i}.png" for i in range(50)], [i % 10 for i in range(50)], "0123456789")
    names = _names(sample_classes_by_position(source, 2, seed=1))
    assert names == [f"{position}.png" for position in drawn]


def test_larger_samples_by_position_hold_the_smaller_ones():
    labels = np.array([0, 1, 2, -1] * 9)
    small, large = (set(draw_per_class(labels, count, seed=3).tolist()) for count in (2, 7))
    assert (len(small), len(large)) == (6, 21)
    assert small < large
    assert not any(labels[list(large)] == -1)


def test_classes_with_too_few_positions_are_named():
    with pytest.raises(UserError, match="3 images per class were asked for; the class y has 2"):
        sample_classes_by_position(_source([4, 2, 9]), 3, seed=0)
    with pytest.raises(UserError, match="1 images per class were asked for; the class z has 0"):
        draw_per_class(np.array([0, 1]), 1, 0, "xyz")
    with pytest.raises(UserError, match="a does not have just one class"):
        sample_classes_by_position(FileSource("ab"), 1, seed=0)


def test_too_few_images_are_an_error():
    with pytest.raises(UserError, match="7 images were asked for; there are 6"):
        sample_images(_source([3, 3]), 7, seed=0)


@pytest.mark.parametrize("source", [FileSource("ab"), PresenceSource("ab", [[1], [0]], "x")])
def test_images_without_one_class_are_refused(source):
    with pytest.raises(UserError, match=r"[ab] does not have just one class"):
        sample_classes(source, 1, seed=0)


class _TornSource(FileSource):
    """Files of which some cannot be read."""

    def label_of(self, index):
        if "torn" in self.name_of(index):
            raise UnreadableImageError(self.name_of(index), "torn")
        return super().label_of(index)


def test_images_that_cannot_be_read_are_not_chosen():
    names = [f"{'torn' if number % 3 else 'whole'}{number}" for number in range(12)]
    sample = sample_classes(_TornSource(names, [0] * 12, "x"), 4, seed=0)
    assert _names(sample) == ["whole0", "whole3", "whole6", "whole9"]
    by_position = sample_classes_by_position(_TornSource(names, [0] * 12, "x"), 4, seed=0)
    assert sorted(_names(by_position)) == _names(sample)


def test_a_range_holds_the_images_from_the_first_to_before_the_end():
    source = _source([3, 4])
    chosen = select_range(source, "2:5")
    assert _names(chosen) == _names(source)[2:5]
    assert [chosen.label_of(index) for index in range(3)] == [0, 1, 1]
    assert _names(select_range(source, "0:7")) == _names(source)


@pytest.mark.parametrize("image_range", ["5:8", "3:3", "4:2", ":5", "-2:3", "2", "a:b"])
def test_a_range_that_is_not_within_the_images_is_a_usage_error(image_range):
    message = f"--image_range={image_range}: expected FIRST:END with .*; there are 7$"
    with pytest.raises(UsageError, match=message):
        select_range(_source([3, 4]), image_range)
