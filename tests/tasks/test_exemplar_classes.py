import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.seed_patch import turned_window
from tfcolor.data.sources.array import ArraySource
from tfcolor.tasks.exemplar_classes import ExemplarClassesOptions, ExemplarClassesTask

SMALL = {"readout": "average", "patch_size": 16}
COUNT = 5


@pytest.fixture(scope="module")
def reader():
    """Images of one brightness each, but for a square of noise in each."""
    random_numbers = np.random.default_rng(0)
    images = np.zeros([COUNT, 60, 80, 3], np.uint8)
    for number, image in enumerate(images):
        row, column = random_numbers.integers(0, 40, 2)
        noise = random_numbers.integers(0, 40, (16, 16, 1))
        image[row : row + 16, column : column + 16] = 40 * number + 50 + noise
    return ExampleReader(ArraySource(images, list("abcde"), [0] * COUNT, "x"))


def _task(reader, **options):
    options = ExemplarClassesOptions(**{**SMALL, **options})
    readers = {"train": reader, "heldout": None}
    return ExemplarClassesTask(options.completed(readers, 227), readers)


def _batch(task, split="train", seed=0, batch_size=3 * COUNT):
    return next(iter(task.make_dataset(split, BatchPlan(batch_size, seed, num_batches=1))))


def test_every_image_is_a_class_unless_fewer_are_asked_for(reader):
    assert _task(reader).options.num_classes == COUNT
    task = _task(reader, num_classes=3)
    labels = _batch(task, batch_size=6)[1]["label"].numpy()
    np.testing.assert_array_equal(np.bincount(labels), [2, 2, 2])
    assert task.label_name(2) == "patch 2"
    assert task.options.patch_size == 16
    assert ExemplarClassesOptions().completed({"train": reader}, 227).patch_size == 227


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "num_classes=1: expected at least 2"),
        ({"num_classes": 9}, "at most as many as --images, which are 5"),
        ({"min_share": 0.6}, "min_share=0.6: expected at most --exemplar_classes_max_share=0.5"),
        ({"readout": "top"}, "--exemplar_classes_patch_size=16: the backbone takes 227"),
    ],
)
def test_wrong_options_are_usage_errors(reader, options, message):
    with pytest.raises(UsageError, match=message):
        _task(reader, **options)


def test_seed_patches_are_fixed_and_have_texture(reader):
    task, contrasts = _task(reader), []
    for label in range(COUNT):
        rgb = reader.read(label)[0]
        photograph, corner = task.find_seed_patch(rgb, label)
        again = task.find_seed_patch(rgb, label)
        np.testing.assert_array_equal(again[1], corner)
        # The patch has a side of a quarter to a half of the image's.
        assert 32 <= min(photograph.shape[:2]) <= 64
        row, column = corner
        contrasts.append(np.std(photograph[row : row + 16, column : column + 16]) / 255)
    # A patch may touch a corner of the square only; elsewhere all is black.
    assert min(contrasts) > 0
    assert np.median(contrasts) > 0.02


def _undistorted(photograph, corner, seed, size):
    """A copy that is neither moved, scaled, turned nor colored."""
    center = tf.cast(corner, tf.float32) + (size - 1) / 2
    return turned_window(photograph, center, size, scale=1.0, degrees=0.0)


def test_labels_are_the_numbers_of_the_images(reader, monkeypatch):
    """Without distortion a copy is the seed patch of the image that the label names."""
    monkeypatch.setattr("tfcolor.tasks.exemplar_classes.distorted_copy", _undistorted)
    task = _task(reader)
    inputs, targets = _batch(task, seed=3, batch_size=COUNT)
    labels = targets["label"].numpy()
    assert sorted(labels) == [*range(COUNT)]
    for image, label in zip(inputs["image"].numpy(), labels, strict=True):
        photograph, (row, column) = task.find_seed_patch(reader.read(int(label))[0], label)
        patch = photograph[row : row + 16, column : column + 16]
        np.testing.assert_allclose(image, patch / 255, atol=1e-5)


def test_held_out_are_other_copies_of_the_same_patches(reader):
    task = _task(reader)
    assert task.splits == ("train", "heldout")
    train, labels = _batch(task, batch_size=COUNT)
    heldout, other = _batch(task, "heldout", seed=1, batch_size=COUNT)
    assert sorted(labels["label"].numpy()) == sorted(other["label"].numpy())
    copies = {image.tobytes() for image in np.concatenate([train["image"], heldout["image"]])}
    assert len(copies) == 2 * COUNT


def test_without_images_there_is_nothing_to_read():
    options = ExemplarClassesOptions(**SMALL, num_classes=7)
    assert ExemplarClassesTask(options, {}).splits == ()


def test_a_patch_on_the_border_has_no_black_corner():
    """Distortions that turn beyond the border mirror what is there."""
    bright = np.full([1, 40, 60, 3], 200, np.uint8)
    bright[0, ::2, ::2] = 230
    reader = ExampleReader(ArraySource(np.repeat(bright, 2, axis=0), list("ab"), [0, 0], "x"))
    task = _task(reader, max_share=1.0, min_share=1.0)
    images = _batch(task, batch_size=8)[0]["image"].numpy()
    assert np.all(np.ptp(images.mean(axis=-1), axis=(1, 2)) < 0.5)
