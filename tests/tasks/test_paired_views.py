import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.array import ArraySource
from tfcolor.tasks.paired_views import PairedViewsTask, gather_batch
from tfcolor.tasks.pretext import PretextOptions

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3)).astype(np.uint8)


class _Halves(PairedViewsTask):
    """The left and the right half of each image."""

    name = "halves"

    def make_views(self, rgb, seed):
        view = tf.cast(rgb, tf.float32) / 255
        return tf.ensure_shape(tf.stack([view[:, :4], view[:, 4:]]), [2, 6, 4, 3])


def _task(**options):
    source = ArraySource(IMAGES, list("abcde"), [0] * 5, "x")
    return _Halves(PretextOptions(readout="average", **options), {"train": ExampleReader(source)})


def test_an_example_is_two_views_and_a_number_of_its_own():
    plan = BatchPlan(4, seed=3, first_batch=1, num_batches=1)
    inputs, targets = next(iter(_task().make_dataset("train", plan)))
    np.testing.assert_array_equal(targets["example"], [4, 5, 6, 7])
    known = {image.tobytes() for image in IMAGES}
    for one, other in inputs["image"].numpy():
        whole = np.rint(255 * np.concatenate([one, other], axis=1)).astype(np.uint8)
        assert whole.tobytes() in known


def test_gray_views_are_the_mean_of_the_colors():
    plan = BatchPlan(4, seed=3, num_batches=1)
    color, gray = (
        next(iter(_task(input=kind).make_dataset("train", plan)))[0]["image"].numpy()
        for kind in ("color", "gray")
    )
    np.testing.assert_allclose(gray, color.mean(axis=-1, keepdims=True), atol=1e-6)


def test_one_image_cannot_be_compared():
    with pytest.raises(UsageError, match="--batch_size=1: --task=halves compares"):
        _task().make_dataset("train", BatchPlan(1, seed=0))


def test_pictures_say_how_far_apart_the_views_are_embedded():
    images = tf.constant(np.random.default_rng(1).uniform(size=(2, 2, 6, 4, 3)), tf.float32)
    embeddings = tf.constant([[[1.0, 0.0], [2.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
    rows = _task().depict({"image": images}, {}, {"embeddings": embeddings})
    captions = [[panel.caption for panel in panels] for panels in rows]
    assert captions == [["one view", f"another, distance {d}"] for d in ("0.00", "1.00")]
    for panels, views in zip(rows, images.numpy(), strict=True):
        for panel, view in zip(panels, views, strict=True):
            np.testing.assert_array_equal(panel.pixels, np.round(255 * view).astype(np.uint8))


def test_a_batch_of_one_replica_is_itself():
    targets, outputs = {"example": tf.range(3)}, {"embeddings": tf.ones([3, 2, 4])}
    numbers, embeddings = gather_batch(targets, outputs)
    np.testing.assert_array_equal(numbers, [0, 1, 2])
    assert embeddings.shape == [3, 2, 4]
