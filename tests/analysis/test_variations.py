"""Tests of examples of several collections of images."""

import numpy as np
import pytest

from tfcolor.analysis.variations import (
    VariationsOptions,
    choose_examples,
    short_titles,
    show_variations,
)
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.array import ArraySource
from tfcolor.data.sources.image_folder import open_images


def reader_of(labels, side, seed=0):
    """Returns a reader of gray images of noise with these classes."""
    shape = (len(labels), side, side, 1)
    images = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    names = [f"{side}/{index}" for index in range(len(labels))]
    return ExampleReader(ArraySource(images, names, labels, ("a", "b", "c")))


def test_every_place_has_a_row_with_its_first_example_of_each_class():
    readers = {"x:1": reader_of([2, 0, 0, 1, 2], 7), "y:1": reader_of([1, 1, 1], 9)}
    found = show_variations(readers, VariationsOptions(examples_per_place=4))
    first, second = found.numbers["places"]
    assert [example["name"] for example in first["examples"]] == ["7/1", "7/3", "7/0", "7/2"]
    assert [example["label"] for example in first["examples"]] == ["a", "b", "c", "a"]
    assert (first["place"], first["title"], first["num_images"]) == ("x:1", "x", 5)
    assert [example["name"] for example in second["examples"]] == ["9/0", "9/1", "9/2"]
    upper, lower = found.figure.axes
    mosaic = upper.images[0].get_array()
    assert mosaic.shape == (7, 4 * 7 + 3 * 2, 3)
    np.testing.assert_array_equal(mosaic[:, 9:16], readers["x:1"].read(3)[0])
    assert [axes.get_yticklabels()[0].get_text() for axes in (upper, lower)] == ["x", "y"]


def test_photographs_without_classes_come_in_order(photos):
    reader = ExampleReader(open_images(str(photos)))
    found = show_variations({str(photos): reader}, VariationsOptions(examples_per_place=2))
    (place,) = found.numbers["places"]
    assert [example["name"][-10:] for example in place["examples"]] == ["photo0.png", "photo1.jpg"]
    assert place["examples"][0]["label"] is None and place["title"] == str(photos)
    assert found.headline == "2 examples of 1 places"


def test_classes_take_turns():
    labels = np.random.default_rng(1).integers(0, 4, 40)
    chosen = choose_examples(labels, 12)
    for turn in range(3):
        expected = [np.flatnonzero(labels == label)[turn] for label in range(4)]
        assert chosen[4 * turn : 4 * turn + 4] == expected
    assert choose_examples(np.full(3, -1), 9) == [0, 1, 2]


@pytest.mark.parametrize(
    ("places", "titles"),
    [
        (["mnist:/a:train", "mnist_rot:/a:train"], ["mnist", "mnist_rot"]),
        (["builtin:digits", "builtin:photos"], ["builtin:digits", "builtin:photos"]),
        (["mnist:/a"], ["mnist:/a"]),
    ],
)
def test_title_is_as_short_as_it_can_be(places, titles):
    assert short_titles(places) == titles
