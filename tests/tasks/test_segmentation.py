import math

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from PIL import Image

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.camvid import CAMVID_CLASSES, open_camvid
from tfcolor.data.sources.image_folder import open_images
from tfcolor.models.network import Network
from tfcolor.tasks.segmentation import SegmentationOptions, SegmentationTask

SMALL = {"num_classes": 11, "crop_size": 40, "num_locations": 60, "edge": 4, "hidden_units": 16}
WIDTH = 52


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Three images whose red is twenty times the class; the second is small."""
    folder = tmp_path_factory.mktemp("scenes")
    random_numbers = np.random.default_rng(0)
    for name in ("train", "trainannot"):
        (folder / name).mkdir()
    for index, (height, width) in enumerate(((45, WIDTH), (30, 36), (44, 41))):
        labels = random_numbers.integers(0, 12, (height, width)).astype(np.uint8)  # 11 is void
        pixels = np.stack([20 * labels, labels * 0, labels * 0], axis=-1)
        Image.fromarray(pixels).save(folder / f"train/{index}.png")
        Image.fromarray(labels).save(folder / f"trainannot/{index}.png")
    return ExampleReader(open_camvid(str(folder)), cache_bytes=10**7)


def _task(readers=None, **options):
    return SegmentationTask(SegmentationOptions(**{**SMALL, **options}), readers or {})


def _batch(task, split="train", batch_size=6, seed=0):
    return next(iter(task.make_dataset(split, BatchPlan(batch_size, seed, num_batches=1))))


def test_labels_belong_to_their_locations(reader):
    inputs, targets = _batch(_task({"train": reader}, input="color"))
    assert inputs["image"].shape == [6, 40, 40, 3]
    assert targets["label"].shape == [6, 60]
    rows, columns = np.moveaxis(inputs["locations"].numpy().astype(int), -1, 0)
    red = inputs["image"].numpy()[np.arange(6)[:, None], rows, columns, 0] * 255
    labels = targets["label"].numpy()
    seen = labels != 255
    np.testing.assert_allclose(red[seen], 20 * labels[seen], atol=1e-3)
    # What is void is class 11, or the black padding of the small image.
    assert set(np.round(red[~seen]).astype(int)) == {0, 220}
    assert rows.min() >= 4
    assert rows.max() < 36


def test_gray_input_is_the_mean_of_the_colors(reader):
    color = _batch(_task({"train": reader}, input="color"))[0]["image"].numpy()
    gray = _batch(_task({"train": reader}))[0]["image"].numpy()
    np.testing.assert_allclose(gray, color.mean(axis=-1, keepdims=True), atol=1e-6)


def test_loss_is_the_cross_entropy_of_what_is_not_void():
    random_numbers = np.random.default_rng(1)
    logits = random_numbers.normal(size=(3, 7, 11)).astype(np.float32)
    labels = random_numbers.integers(0, 11, (3, 7)).astype(np.int32)
    labels[0, 2:] = 255
    labels[1] = 255
    task = _task()
    targets = {"label": tf.constant(labels)}
    (loss,) = task.compute_losses(targets, {"class_logits": logits}).values()
    log = scipy.special.log_softmax(logits, axis=-1)
    known = labels != 255
    terms = -np.take_along_axis(log, np.where(known, labels, 0)[..., None], -1)[..., 0]
    np.testing.assert_allclose(loss, (terms * known).sum(axis=-1), rtol=1e-5)
    np.testing.assert_array_equal(task.count_samples(targets), [2, 0, 7])


def test_metric_is_the_mean_iou_of_the_locations():
    # Spec of chapters 3 and 4, golden 15.
    (metric,) = _task(num_classes=3).build_metrics().values()
    predicted = tf.one_hot([[0, 1, 1, 1, 2, 0, 2, 2]], 3)
    metric.update_state({"label": [[0, 0, 1, 1, 2, 2, 255, 1]]}, {"class_logits": predicted})
    assert float(metric.result()) == pytest.approx(0.3888888889)


def test_options_take_the_classes_of_the_images(reader):
    options = SegmentationOptions().completed({"train": reader}, 224)
    assert options.num_classes == len(CAMVID_CLASSES)
    with pytest.raises(UsageError, match="--segmentation_num_classes=5: --images has 11 classes"):
        SegmentationOptions(num_classes=5).completed({"train": reader}, 224)


def test_bad_options_and_images_are_refused(labelled_photos):
    with pytest.raises(UsageError, match="--segmentation_edge=20: expected less than half"):
        SegmentationOptions(crop_size=40, edge=20)
    plain = ExampleReader(open_images(str(labelled_photos)))
    with pytest.raises(UserError, match="label map"):
        SegmentationOptions().completed({"train": plain}, 224)


def test_it_learns_what_is_in_the_image(reader):
    task = _task({"train": reader}, input="color", dropout_rate=0.0)
    options = BACKBONES["vgg16"].Options(width_multiplier=1 / 32, dropout_rate=0.0)
    backbone = BACKBONES["vgg16"](options, input_channels=3, seed=0)
    network = Network(backbone, task.build_head(backbone.taps(40, 40), 0))
    inputs, targets = _batch(task, batch_size=4)
    optimizer = tf.keras.optimizers.Adam(0.01)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            terms = task.compute_losses(targets, network(inputs, training=True))
            count = tf.reduce_sum(task.count_samples(targets))
            loss = tf.reduce_sum(terms["cross_entropy"]) / count
        variables = network.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(
            [pair for pair in zip(gradients, variables, strict=True) if pair[0] is not None]
        )
        return loss

    losses = [float(step()) for _ in range(30)]
    assert losses[0] == pytest.approx(math.log(11), rel=0.05)
    assert losses[-1] < 0.75 * losses[0]
