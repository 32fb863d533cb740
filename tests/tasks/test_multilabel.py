import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_views import random_scaled_crop
from tfcolor.data.sources.image_folder import open_images
from tfcolor.data.sources.voc import PresenceSource
from tfcolor.tasks.multilabel import MultilabelOptions, MultilabelTask

SMALL = {"num_classes": 3, "crop_size": 32}
PRESENCE = np.array([[1, 0, -1], [0, 1, 1]], np.int32)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A red image and a blue one."""
    folder = tmp_path_factory.mktemp("voc")
    paths = [folder / "red.png", folder / "blue.png"]
    for path, color in zip(paths, ([200, 10, 10], [10, 10, 200]), strict=True):
        Image.fromarray(np.full((50, 40, 3), color, np.uint8)).save(path)
    return ExampleReader(PresenceSource(paths, PRESENCE, ("a", "b", "c")), cache_bytes=10**7)


def _task(readers=None, **options):
    return MultilabelTask(MultilabelOptions(**{**SMALL, **options}), readers or {})


def _batch(task, batch_size=8, seed=0):
    return next(iter(task.make_dataset("train", BatchPlan(batch_size, seed, num_batches=1))))


def test_presence_belongs_to_its_image(reader):
    inputs, targets = _batch(_task({"train": reader}, input="color"))
    assert inputs["image"].shape == [8, 32, 32, 3]
    is_blue = inputs["image"].numpy()[..., 2].max(axis=(1, 2)) > 0.5
    np.testing.assert_array_equal(targets["presence"], PRESENCE[is_blue.astype(int)])
    assert 0 < is_blue.sum() < 8


def test_views_are_those_of_the_protocol(reader):
    task = _task({"train": reader}, input="color", min_scale=0.6, max_scale=0.7)
    image, seed = tf.constant(reader.read(0)[0]), tf.constant([3, 4], tf.int64)
    inputs, _ = task.make_example(image, tf.constant(PRESENCE[0]), seed)
    folded = tf.random.experimental.stateless_fold_in(seed, 1)
    expected = random_scaled_crop(image, folded, 32, 0.6, 0.7)
    np.testing.assert_array_equal(inputs["image"], expected)
    assert float(tf.reduce_min(inputs["image"])) == 0  # 40 pixels become 24 to 28: padded


def test_gray_input_is_the_mean_of_the_colors(reader):
    color = _batch(_task({"train": reader}, input="color"))[0]["image"].numpy()
    gray = _batch(_task({"train": reader}))[0]["image"].numpy()
    np.testing.assert_allclose(gray, color.mean(axis=-1, keepdims=True), atol=1e-6)


def test_loss_and_score_leave_difficult_objects_out():
    task = _task()
    logits = tf.constant([[2.0, -1.0, 0.5], [-3.0, 1.0, 0.0]])
    (loss,) = task.compute_losses({"presence": PRESENCE}, {"logits": logits}).values()
    expected = np.logaddexp(0, [[-2.0, -1.0, -np.inf], [-3.0, -1.0, 0.0]]).sum(axis=1)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    (metric,) = task.build_metrics().values()
    metric.update_state({"presence": PRESENCE}, {"logits": logits})
    assert float(metric.result()) == pytest.approx(1.0)
    metric.update_state({"presence": [[0, 0, 0]]}, {"logits": [[9.0, -9.0, -9.0]]})
    assert float(metric.result()) == pytest.approx((1 / 2 + 1 + 1) / 3)


def test_options_are_completed_from_images_and_backbone(reader):
    options = MultilabelOptions().completed({"train": reader}, 224)
    assert (options.num_classes, options.crop_size) == (3, 224)
    with pytest.raises(UsageError, match="--multilabel_num_classes=7: --images has 3 classes"):
        MultilabelOptions(num_classes=7).completed({"train": reader}, 224)
    with pytest.raises(UsageError, match="--multilabel_crop_size=200: the backbone takes 224"):
        MultilabelOptions(crop_size=200).completed({"train": reader}, 224)
    with pytest.raises(UsageError, match="--multilabel_min_scale=3"):
        MultilabelOptions(min_scale=3.0)


def test_images_of_unknown_content_are_refused(labelled_photos):
    plain = ExampleReader(open_images(str(labelled_photos)))
    with pytest.raises(UserError, match="voc:"):
        MultilabelOptions().completed({"train": plain}, 224)


def test_head_has_a_logit_for_each_class():
    options = BACKBONES["alexnet"].Options(width_multiplier=1 / 32)
    backbone = BACKBONES["alexnet"](options, input_channels=1, seed=0)
    task = _task()
    head = task.build_head(backbone.taps(227, 227), 0)
    features = backbone(tf.zeros([2, 227, 227, 1]), convolutional=False)
    assert head(features, {}, {})["logits"].shape == [2, 3]
