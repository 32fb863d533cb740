from collections import Counter

import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.evaluation.subsets import (
    SUBSETS,
    Subset,
    balanced_order,
    image_classes,
    select_images,
)

SMALL = {
    "validation": Subset(6, is_colored=True),
    "test": Subset(9, skipped=6, is_colored=True),
}


@pytest.fixture
def reader(tmp_path):
    """Three classes of 4, 7 and 10 images; each has one that is gray."""
    for name, count in (("n00000001", 4), ("n00000002", 7), ("n00000003", 10)):
        for index in range(count):
            pixels = np.full((2, 2, 3), 90, np.uint8)
            pixels[0, 0, 2] += 0 if index == 1 else 9
            Image.fromarray(pixels).save(tmp_path / f"{name}_{index}.png")
    return ExampleReader(open_images(str(tmp_path)))


def _names(reader, positions):
    return [reader.name_of(position).rpartition("/")[2] for position in positions]


def test_subsets_are_balanced_disjoint_and_without_gray_images(reader):
    (first,), (second,) = (select_images(subset, reader, 5) for subset in SMALL.values())
    assert (len(first), len(second)) == (6, 9)
    assert not set(first) & set(second)
    names = _names(reader, first + second)
    assert not [name for name in names if name.endswith("_1.png")]
    assert set(Counter(name[:9] for name in names[:6]).values()) == {2}
    # Of the 18 that are not gray, the first class has but three.
    assert Counter(name[:9] for name in names) == {
        "n00000001": 3,
        "n00000002": 6,
        "n00000003": 6,
    }


def test_seeds_choose_other_images_and_repeat_themselves(reader):
    choices = [select_images(SMALL["validation"], reader, seed)[0] for seed in (0, 1, 0)]
    assert choices[0] == choices[2]
    assert set(choices[0]) != set(choices[1])


def test_a_small_folder_is_used_as_far_as_it_goes(reader):
    ((*positions,),) = select_images(Subset(100, is_colored=True), reader, 0)
    assert sorted(_names(reader, positions)) == sorted(
        name for name in _names(reader, range(21)) if not name.endswith("_1.png")
    )
    with pytest.raises(UserError, match="21 images: expected more than the 100"):
        select_images(Subset(5, skipped=100, is_colored=True), reader, 0)


def test_draws_are_random_and_without_repetition(reader):
    draws = select_images(Subset(8, num_draws=5, num_classes=3), reader, 0)
    assert [len(set(draw)) for draw in draws] == [8] * 5
    assert len({tuple(draw) for draw in draws}) == 5


@pytest.mark.parametrize(
    ("subset", "message"),
    [
        (Subset(4, num_classes=6), "images of 3 classes: the subset has 6"),
        (Subset(22, num_classes=3), "21 images: the subset has 22"),
        (Subset(22, num_draws=2, num_classes=3), "21 images: the subset has 22"),
    ],
)
def test_a_folder_that_is_not_the_data_set_is_refused(reader, subset, message):
    with pytest.raises(UserError, match=message):
        select_images(subset, reader, 0)


def test_all_images_are_the_default(reader):
    assert select_images(SUBSETS["all"], reader, 3) == [list(range(21))]


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["/a/n01514859_hen.jpg", "/a/n01582220_magpie.jpg"], ["n01514859", "n01582220"]),
        (["v/ILSVRC2012_val_00000001_n01751748.JPEG"], ["n01751748"]),
        (["s/b/bakery/shop/1.jpg", "s/b/bank/2.jpg"], ["bakery/shop", "bank"]),
        (["one/1.jpg", "one/2.jpg"], [".", "."]),
        (["n015148590_x.jpg"], ["."]),
    ],
)
def test_classes_are_read_from_paths(names, classes):
    assert image_classes(names) == classes


def test_every_beginning_of_the_order_is_balanced():
    classes = ["b"] * 5 + ["a"] * 9 + ["c"] * 5
    order = list(balanced_order(classes, np.random.default_rng(0)))
    assert sorted(order) == list(range(19))
    for length in range(1, 16):
        counts = Counter(classes[position] for position in order[:length])
        assert max(counts.values()) - min(counts.get(name, 0) for name in "abc") <= 1


def test_published_sizes():
    sizes = {name: (subset.size, subset.num_draws) for name, subset in SUBSETS.items()}
    assert sizes == {
        "all": (0, 0),
        "cval1k": (1000, 0),
        "ctest10k": (10_000, 0),
        "sun_a": (1344, 5),
        "sun_6": (240, 0),
    }
    assert SUBSETS["ctest10k"].skipped == SUBSETS["cval1k"].size
