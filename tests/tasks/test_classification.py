import math

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import check_options
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.array import ArraySource
from tfcolor.data.sources.image_folder import FileSource, open_images
from tfcolor.data.transforms import center_view
from tfcolor.losses.classification import CLASSIFICATION_LOSSES
from tfcolor.models.network import Network
from tfcolor.tasks.classification import ClassificationOptions, ClassificationTask, TopAccuracy
from tfcolor.tasks.linear_probe import LinearProbeTask

SMALL = {"num_classes": 3, "crop_size": 24, "min_side": 24, "max_side": 32}


@pytest.fixture(scope="module")
def reader(labelled_photos):
    return ExampleReader(open_images(str(labelled_photos)), cache_bytes=10**7)


def _task(readers=None, **options):
    return ClassificationTask(ClassificationOptions(**{**SMALL, **options}), readers or {})


def _batch(task, split="train", batch_size=6, seed=0):
    return next(iter(task.make_dataset(split, BatchPlan(batch_size, seed, num_batches=1))))


def test_labels_belong_to_their_images(reader):
    task = _task({"train": reader, "heldout": reader}, input="color")
    inputs, targets = _batch(task, "heldout")
    names = ["sea", "hill", "town"] * 2
    expected = {}
    for position, name in enumerate(names):
        view = center_view(tf.constant(reader.read(position)[0]), 24, 24).numpy()
        expected[sorted(set(names)).index(name), float(view.sum())] = view
    for image, label in zip(inputs["image"].numpy(), targets["label"].numpy(), strict=True):
        np.testing.assert_array_equal(image, expected.pop((int(label), float(image.sum()))))


def test_training_views_vary_and_held_out_ones_do_not(reader):
    task = _task({"train": reader, "heldout": reader})
    sums = {
        split: [
            set(np.round(_batch(task, split, seed=seed)[0]["image"].numpy().sum((1, 2, 3)), 2))
            for seed in (1, 2)
        ]
        for split in task.splits
    }
    assert sums["heldout"][0] == sums["heldout"][1]
    assert not sums["train"][0] & sums["train"][1]


def _digits(pixels):
    """Images of one size, as a task's readers."""
    source = ArraySource(pixels, [str(index) for index in range(len(pixels))], [0, 1, 2], "xyz")
    return {split: ExampleReader(source) for split in ("train", "heldout")}


def test_digits_are_neither_scaled_nor_mirrored_nor_turned_unless_asked():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 24, 24, 1)).astype(np.uint8)
    known = {image.tobytes() for image in pixels}

    def views(split, **options):
        task = _task(_digits(pixels), max_side=24, **options)
        images = _batch(task, split, batch_size=12)[0]["image"].numpy()
        return images, [np.rint(255 * image).astype(np.uint8) for image in images]

    assert {one.tobytes() for one in views("train", use_mirror=False)[1]} == known
    mirrored = [one.tobytes() not in known for one in views("train")[1]]
    assert 0 < sum(mirrored) < 12
    turned, rounded = views("train", use_mirror=False, max_rotation=180.0)
    assert not {one.tobytes() for one in rounded} & known
    assert turned.min() >= 0
    assert turned.max() <= 1
    moved = views("train", use_mirror=False, max_shift=2)[0]
    assert all(_shifts_of(pixels, image, 2) for image in moved)
    assert len({image.tobytes() for image in moved}) > 3
    heldout = views("heldout", max_rotation=180.0, max_shift=2)[1]
    assert {one.tobytes() for one in heldout} == known


def _shifts_of(pixels, image, largest):
    """The shifts by which one of the uint8 [N, H, W, 1] digits becomes an image."""
    margin = [(0, 0), (largest, largest), (largest, largest), (0, 0)]
    size, padded = pixels.shape[1], np.pad(pixels, margin)
    return [
        (row, column)
        for row, column in np.ndindex(2 * largest + 1, 2 * largest + 1)
        for crop in padded[:, row : row + size, column : column + size]
        if np.array_equal(crop, np.rint(255 * image))
    ]


@pytest.mark.parametrize("class_", [ClassificationTask, LinearProbeTask])
def test_colors_of_training_views_change_where_asked(reader, class_):
    def views(split, **options):
        options = class_.Options(**{**SMALL, "input": "color", **options})
        return _batch(class_(options, {split: reader}), split)[0]["image"].numpy()

    plain, changed = views("train"), views("train", change_colors=True)
    assert 0 <= changed.min() < changed.max() <= 1
    for before, after in zip(plain, changed, strict=True):
        assert np.abs(before - after).max() > 0.02
        assert np.corrcoef(before.mean(axis=-1).ravel(), after.mean(axis=-1).ravel())[0, 1] > 0.8
    np.testing.assert_array_equal(views("heldout"), views("heldout", change_colors=True))


def test_gray_input_is_the_mean_of_the_colors(reader):
    readers = {"train": reader}
    color = _batch(_task(readers, input="color"))[0]["image"].numpy()
    gray = _batch(_task(readers))[0]["image"].numpy()
    np.testing.assert_allclose(gray, color.mean(axis=-1, keepdims=True), atol=1e-6)
    options = ClassificationOptions(**SMALL)
    copied = _batch(ClassificationTask(options, readers, color_input=True))[0]["image"]
    np.testing.assert_array_equal(copied, np.repeat(gray, 3, axis=-1))
    channels = [_task(input=kind).input_channels for kind in ("gray", "color")]
    assert channels == [1, 3]


def test_loss_is_the_cross_entropy_of_the_true_class():
    random_numbers = np.random.default_rng(1)
    logits = random_numbers.normal(size=(5, 7)).astype(np.float32)
    labels = random_numbers.integers(0, 7, 5).astype(np.int32)
    (loss,) = _task().compute_losses({"label": labels}, {"logits": logits}).values()
    expected = -scipy.special.log_softmax(logits, axis=-1)[range(5), labels]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_other_losses_have_their_name_and_factors():
    random_numbers = np.random.default_rng(1)
    logits = random_numbers.normal(size=(5, 7)).astype(np.float32)
    labels = random_numbers.integers(0, 7, 5).astype(np.int32)

    def losses(**options):
        return _task(**options).compute_losses({"label": labels}, {"logits": logits})

    for name, loss in CLASSIFICATION_LOSSES.items():
        found = losses(loss=name, loss_scale=3.0, logit_scale=0.5)
        assert list(found) == ["cross_entropy" if name == "kl" else name]
        (values,) = found.values()
        np.testing.assert_allclose(values, 3 * loss(labels, 0.5 * logits), rtol=1e-6)
    with pytest.raises(UsageError, match="--classification_loss=l3: expected one of kl, l2, l1, "):
        check_options(ClassificationOptions(loss="l3"), "classification_")


@pytest.mark.parametrize(
    ("segment", "channels"), [("", (0, 12)), ("0/5", (0, 3)), ("4/5", (10, 12))]
)
def test_the_head_reads_a_segment_of_the_top(segment, channels):
    kind = BACKBONES["cifar_shallow"]
    taps = kind(kind.Options(width_multiplier=1 / 16), 1, seed=0).canonical_taps()
    head = _task(segment=segment).build_head(taps, 0)
    top = tf.random.stateless_normal([2, 4, 4, 12], [1, 2])
    logits = head({"top": tf.reshape(top, [2, -1])}, {}, taps)["logits"]
    share = tf.reshape(top[..., slice(*channels)], [2, -1])
    np.testing.assert_allclose(logits, share @ head.classes.kernel, rtol=1e-4, atol=1e-5)
    with pytest.raises(UsageError, match="segment=12/13: the backbone's top has 12 channels"):
        _task(segment="12/13").build_head(taps, 0)


def test_what_is_no_segment_is_a_usage_error():
    with pytest.raises(UsageError, match="--classification_segment=4/4: expected INDEX/COUNT"):
        ClassificationOptions(segment="4/4")


def test_loss_starts_near_that_of_guessing(reader):
    task = _task({"train": reader}, num_classes=50, crop_size=224, min_side=224, max_side=230)
    kind = BACKBONES["vgg16"]
    backbone = kind(kind.Options(width_multiplier=1 / 32), input_channels=1, seed=0)
    network = Network(backbone, task.build_head(backbone.taps(224, 224), 0), convolutional=False)
    inputs, targets = _batch(task)
    outputs = network(inputs, training=True)
    assert outputs["logits"].shape == [6, 50]
    (loss,) = task.compute_losses(targets, outputs).values()
    assert float(tf.reduce_mean(loss)) == pytest.approx(math.log(50), abs=1.0)
    (equal,) = task.compute_losses(targets, {"logits": tf.zeros([6, 50])}).values()
    np.testing.assert_allclose(equal, [math.log(50)] * 6, rtol=1e-6)


def test_accuracies_count_the_best_guesses():
    random_numbers = np.random.default_rng(2)
    logits = random_numbers.normal(size=(40, 9)).astype(np.float32)
    labels = random_numbers.integers(0, 9, 40).astype(np.int32)
    metrics = _task(num_classes=9).build_metrics()
    order = np.argsort(-logits, axis=-1)
    for half in (slice(0, 30), slice(30, 40)):
        for metric in metrics.values():
            metric.update_state({"label": labels[half]}, {"logits": logits[half]})
    for count in (1, 5):
        expected = np.mean([label in row[:count] for label, row in zip(labels, order, strict=True)])
        assert float(metrics[f"top{count}_accuracy"].result()) == pytest.approx(expected)


def test_five_guesses_need_more_than_five_classes():
    assert set(_task(num_classes=5).build_metrics()) == {"top1_accuracy"}


def test_accuracy_is_rebuilt_from_its_config():
    rebuilt = TopAccuracy.from_config(TopAccuracy(4, name="best").get_config())
    assert (rebuilt.get_config()["k"], rebuilt.name) == (4, "best")


def test_options_are_completed_by_images_and_backbone(reader):
    completed = ClassificationOptions(min_side=300).completed({"train": reader}, 227)
    assert completed == ClassificationOptions(num_classes=3, crop_size=227, min_side=300)
    assert completed.completed({"train": reader}, 227) == completed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 2}, "num_classes=2: expected at least 3; --images names 3 classes"),
        ({"crop_size": 200}, "--classification_crop_size=200: the backbone takes 224"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(reader, options, message):
    with pytest.raises(UsageError, match=message):
        ClassificationOptions(**options).completed({"train": reader}, 224)


def test_views_of_any_size_are_classified_by_the_average_of_the_last_map(reader):
    options = ClassificationOptions(readout="average", crop_size=72, min_side=72, max_side=90)
    options = options.completed({"train": reader}, 227)
    assert options.crop_size == 72
    task = ClassificationTask(options, {"train": reader})
    class_ = BACKBONES["alexnet"]
    backbone = class_(class_.Options(width_multiplier=1 / 32), 1, seed=3)
    head = task.build_head(backbone.taps(72, 72), seed=0)
    inputs, targets = _batch(task)
    network = Network(backbone, head, convolutional=task.convolutional)
    logits = network(inputs)["logits"]
    top = backbone(inputs["image"], convolutional=True)["top"]
    assert top.shape[1:3] == (3, 3)
    expected = np.mean(top, axis=(1, 2)) @ head.classes.kernel.numpy() + head.classes.bias.numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-6)
    assert task.compute_losses(targets, {"logits": logits})["cross_entropy"].shape == [6]


def test_classes_must_be_there_and_their_number_known(photos):
    with pytest.raises(UserError, match="has no class: give one sub-folder per class"):
        ClassificationOptions().completed({"train": ExampleReader(open_images(str(photos)))}, 224)
    numbered = ExampleReader(FileSource(["a.png"], [4]))
    with pytest.raises(UsageError, match="expected at least 2; --images names no classes"):
        ClassificationOptions().completed({"train": numbered}, 224)
    assert ClassificationOptions(num_classes=9).completed({"train": numbered}, 224).num_classes == 9
