import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.pipeline import Annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.evaluation.examples import LabelledImages, in_batches, open_test_images


def _square(position):
    return np.array(position**2)


@pytest.fixture
def files(photos, tmp_path):
    (tmp_path / "damaged.png").write_bytes(b"no image")
    paths = sorted(photos.iterdir())
    return [*paths[:2], tmp_path / "damaged.png", *paths[2:]]


def test_images_come_with_their_truth_past_unreadable_ones(files):
    images = LabelledImages(ExampleReader(FileSource(files)), Annotation(_square, tf.int32))
    found = list(images)
    assert [one.position for one in found] == [0, 1, 3, 4, 5, 6]
    assert [int(one.truth) for one in found] == [0, 1, 9, 16, 25, 36]
    assert found[2].name == str(files[3])
    assert found[0].image.shape == (48, 64, 3)
    assert images.num_unreadable == 1


def test_an_image_without_a_readable_truth_is_left_out(files, capfd):
    def read(position):
        if position == 1:
            raise UnreadableImageError("one.png", "damaged label map")
        return _square(position)

    images = LabelledImages(ExampleReader(FileSource(files)), Annotation(read, tf.int32))
    assert [one.position for one in images] == [0, 3, 4, 5, 6]
    assert images.num_unreadable == 2


def test_images_may_be_chosen_and_limited(files):
    reader, truth = ExampleReader(FileSource(files)), Annotation(_square, tf.int32)
    assert [one.position for one in LabelledImages(reader, truth, [5, 0, 3], 2)] == [5, 0]
    assert [one.position for one in LabelledImages(reader, truth, num_images=4)] == [0, 1, 3]
    assert list(LabelledImages(reader, truth, [2])) == []


def test_nothing_to_read_is_an_error(files):
    reader = ExampleReader(FileSource(files[2:]))
    images = LabelledImages(reader, Annotation(_square, tf.int32), num_images=1)
    with pytest.raises(UserError, match="none of the first 1 images"):
        list(images)


def test_batches_hold_every_item_once():
    assert [len(batch) for batch in in_batches(range(7), 3)] == [3, 3, 1]
    assert [item for batch in in_batches(iter(range(7)), 3) for item in batch] == list(range(7))


def test_images_to_measure_on_must_be_named(photos):
    assert open_test_images(str(photos), "few_label").num_examples == len(list(photos.iterdir()))
    with pytest.raises(UsageError, match="--few_label_test_images is not given: name images"):
        open_test_images("", "few_label")
