import itertools

import pytest

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.class_subsets import select_classes, subset_classes
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.sources.image_folder import FileSource

NAMES = ("apple", "bear", "cup", "dolphin")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("disjoint:0:25", [91, 22, 7, 75, 63, 34, 10, 68, 39, 93]),
        ("disjoint:3:25", [16, 86, 48, 30, 92, 87, 9, 3, 45, 70]),
        ("independent:1:50", [81, 87, 21, 62, 27, 61, 15, 20, 46, 3]),
    ],
)
def test_published_orders_of_classes(rule, expected):
    # Spec of chapters 3 and 4, golden 16.
    classes = subset_classes(rule, 100)
    assert classes[:10] == expected
    assert len(classes) == len(set(classes)) == int(rule.split(":")[2])


def test_disjoint_tasks_share_the_classes_and_independent_ones_overlap():
    disjoint = [subset_classes(f"disjoint:{task}:10", 100) for task in range(10)]
    assert sorted(itertools.chain(*disjoint)) == list(range(100))
    independent = [set(subset_classes(f"independent:{task}:50", 100)) for task in range(4)]
    assert all(10 < len(one & independent[0]) < 40 for one in independent[1:])


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("disjoint:4:25", "at least 2 classes, and classes 100 to 124 .* to be among 100"),
        ("independent:9:101", "classes 0 to 100 of the order to be among 100"),
        ("disjoint:0:1", "expected at least 2 classes"),
        ("joint:0:25", "--class_subset=joint:0:25: expected disjoint:TASK:COUNT or independent:"),
        ("disjoint:25", "expected disjoint:TASK:COUNT"),
        ("disjoint:-1:25", "expected disjoint:TASK:COUNT"),
    ],
)
def test_rules_that_cannot_be_followed_are_usage_errors(rule, message):
    with pytest.raises(UsageError, match=message):
        subset_classes(rule, 100)


def test_images_without_classes_cannot_be_chosen_by_class():
    with pytest.raises(UserError, match="the images have no classes with names"):
        subset_classes("disjoint:0:25", 0)
    with pytest.raises(UserError, match=r"expected images of one class each; p\.png has none"):
        select_classes(FileSource(["p.png"]), [0, 1], NAMES)


def test_other_classes_are_dropped_and_the_rest_numbered_by_position():
    source = FileSource([f"{number}.png" for number in range(8)], [0, 1, 2, 3] * 2, NAMES)
    chosen = select_classes(source, [3, 0], NAMES)
    assert chosen.class_names == ("dolphin", "apple")
    found = [(chosen.name_of(index), chosen.label_of(index)) for index in range(4)]
    assert found == [("0.png", 1), ("3.png", 0), ("4.png", 1), ("7.png", 0)]
    assert chosen.num_examples == 4
    again = chosen.select([3, 0])
    assert [again.label_of(index) for index in range(2)] == [0, 1]


def test_held_out_classes_are_matched_by_name():
    heldout = FileSource(["a.png", "b.png", "c.png"], [0, 1, 0], ["cup", "dolphin"])
    chosen = select_classes(heldout, [3, 1], NAMES)
    assert (chosen.name_of(0), chosen.label_of(0), chosen.num_examples) == ("b.png", 0, 1)
    with pytest.raises(UserError, match="none of the 3 images is of one of the chosen classes"):
        select_classes(heldout, [0, 1], NAMES)


class _TornSource(FileSource):
    """Files of which the first cannot be read."""

    def label_of(self, index):
        if index == 0:
            raise UnreadableImageError(self.name_of(index), "torn")
        return super().label_of(index)


def test_images_that_cannot_be_read_are_dropped():
    chosen = select_classes(_TornSource(["a.png", "b.png"], [0, 1], NAMES), [1, 0], NAMES)
    assert [chosen.name_of(index) for index in range(chosen.num_examples)] == ["b.png"]
