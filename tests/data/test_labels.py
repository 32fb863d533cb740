import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.labels import label_annotation, matching_labels
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource


class _NumberedSource(FileSource):
    """Files with labels but no names for them; a label of -1 cannot be read."""

    def __init__(self, labels):
        super().__init__([f"{number}.png" for number in range(len(labels))], labels)

    def label_of(self, index):
        label = super().label_of(index)
        if label == -1:
            raise UnreadableImageError(self.name_of(index), "torn")
        return label


def _reader(labels, names):
    return ExampleReader(FileSource([f"{n}.png" for n in range(len(labels))], labels, names))


def _labels(reader, *arguments):
    annotation = label_annotation(reader, *arguments)
    assert (annotation.dtype, annotation.shape) == (tf.int32, ())
    values = [annotation.read(position) for position in range(reader.num_examples)]
    assert {value.dtype for value in values} == {np.dtype(np.int32)}
    return [int(value) for value in values]


def test_labels_are_those_of_the_images():
    assert _labels(_reader([2, 0, 1], "abc"), 3) == [2, 0, 1]
    assert _labels(_reader([2, 0, 1], "abc"), 9, "abc") == [2, 0, 1]


def test_classes_are_matched_by_name():
    assert _labels(_reader([0, 1, 1], ["b", "d"]), 4, ["a", "b", "c", "d"]) == [1, 3, 3]


def test_labels_without_names_stay_as_they_are():
    assert _labels(ExampleReader(_NumberedSource([3, 0])), 4, ["a", "b", "c", "d"]) == [3, 0]


def test_an_unknown_class_is_named():
    message = "2 classes of the held-out images are not learned, the first: x, y; known are a, b$"
    with pytest.raises(UserError, match=message):
        label_annotation(_reader([0, 1, 2], ["a", "x", "y"]), 2, ["a", "b"])


def test_classes_that_no_image_shows_need_not_be_learned():
    names, wanted = ["x", "b", "y", "a"], ["a", "b"]
    with pytest.raises(UserError, match=r"2 classes of .* the first: x, y; known are a, b$"):
        matching_labels(names, wanted)
    with pytest.raises(UserError, match=r"1 classes of .* the first: y; known are a, b$"):
        matching_labels(names, wanted, shown=[1, 2])
    for shown in ([], [1], {1, 3}, frozenset([3])):
        assert matching_labels(names, wanted, shown) == {1: 1, 3: 0}
    assert matching_labels(["x"], wanted, shown=[]) == {}


def test_images_without_classes_say_what_is_missing():
    with pytest.raises(UserError, match=r"0\.png has no class: give one sub-folder per class"):
        label_annotation(ExampleReader(FileSource(["0.png"])), 3)


@pytest.mark.parametrize("label", [3, -2])
def test_a_label_out_of_range_is_an_error(label):
    reader = ExampleReader(_NumberedSource([0, -1, label]))
    with pytest.raises(UserError, match=f"2.png has the label {label}: expected 0 to 2"):
        label_annotation(reader, 3)


def test_labels_beyond_the_first_look_are_checked_when_read():
    labels = [0] * 200 + [5]
    annotation = label_annotation(ExampleReader(_NumberedSource([*labels, 0])), 3)
    with pytest.raises(UserError, match=r"200\.png has the label 5"):
        annotation.read(200)


def test_folders_give_labels(tmp_path):
    from tfcolor.data.sources.image_folder import open_images

    for name in ("sea", "hill"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (2, 3)).save(tmp_path / name / "0.png")
    assert _labels(ExampleReader(open_images(str(tmp_path))), 2) == [0, 1]
