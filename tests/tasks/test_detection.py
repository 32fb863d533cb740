import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.boxes import BoxSource, ObjectBoxes
from tfcolor.data.sources.image_folder import open_images
from tfcolor.models.network import Network
from tfcolor.tasks.detection import DetectionOptions, DetectionTask, paint_boxes

SMALL = {
    "num_classes": 2,
    "input": "color",
    "tap": "conv3",
    "scales": (24, 32),
    "max_side": 48,
    "test_scale": 24,
    "test_max_side": 40,
    "anchor_sides": (12, 20),
    "anchor_ratios": (1.0,),
    "proposal_units": 16,
    "num_train_proposals": 20,
    "num_proposals": 10,
    "anchor_samples": 16,
    "region_samples": 16,
    "region_size": 3,
    "hidden_units": 32,
    "max_detections": 5,
    "max_objects": 3,
}
SIZES = ((30, 44), (36, 28), (32, 32), (40, 31))


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Gray images with a red or a green square; the third shows both, the fourth nothing."""
    folder = tmp_path_factory.mktemp("boxes")
    random = np.random.default_rng(1)
    paths, objects = [], []
    for number, size in enumerate(SIZES):
        pixels = random.integers(90, 110, (*size, 3)).astype(np.uint8)
        boxes, labels = [], [[0], [1], [0, 1], []][number]
        for place, label in enumerate(labels):
            corner = random.integers(0, 6, 2) + place * 14
            boxes.append([*corner, *(corner + 13)])
            square = pixels[corner[0] : corner[0] + 14, corner[1] : corner[1] + 14]
            square[:] = 0
            square[..., label] = 255
        Image.fromarray(pixels).save(folder / f"{number}.png")
        paths.append(folder / f"{number}.png")
        array = np.array(boxes, np.float32).reshape(-1, 4)
        objects.append(ObjectBoxes(array, np.array(labels, np.int32), np.zeros(len(labels), bool)))
    return ExampleReader(BoxSource(paths, objects, ("red", "green")), cache_bytes=10**7)


def _task(reader, **options):
    splits = {} if reader is None else {"train": reader, "heldout": reader}
    return DetectionTask(DetectionOptions(**{**SMALL, **options}), splits)


def _batch(task, split="train", batch_size=8, seed=0):
    return next(iter(task.make_dataset(split, BatchPlan(batch_size, seed, num_batches=1))))


def test_boxes_surround_the_squares_in_every_view(reader):
    inputs, targets = _batch(_task(reader))
    images = inputs["image"].numpy()
    assert images.shape == (8, 64, 64, 3)  # sides of up to 48
    num_seen, shifts = 0, []
    for image, boxes, labels in zip(images, targets["boxes"], targets["labels"], strict=True):
        for (y1, x1, y2, x2), label in zip(boxes.numpy(), labels.numpy(), strict=True):
            if label < 0:
                continue
            inner = image[int(y1) + 2 : int(y2) - 1, int(x1) + 2 : int(x2) - 1]
            assert inner[..., label].min() > 0.9
            assert inner[..., 1 - label].max() < 0.1
            num_seen += 1
            shifts.append(x2 - x1)
    assert num_seen >= 6
    assert np.ptp(shifts) > 2  # of different scales


def test_heldout_images_are_seen_at_one_scale_and_as_they_are(reader):
    inputs, _ = _batch(_task(reader), "heldout", seed=1)
    again, _ = _batch(_task(reader), "heldout", seed=2)
    assert inputs["image"].shape == [8, 32, 64, 3]  # of 24 x 40 at most
    contents = [{image.tobytes() for image in one["image"].numpy()} for one in (inputs, again)]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 4
    for height, width in inputs["size"].numpy():
        assert min(height, width) == 24 or max(height, width) == 40


def test_mirroring_can_be_turned_off(reader):
    image, position = reader.read(0)
    rows = _task(reader).annotate(reader, ("red", "green")).read(position)

    def places(task):
        seeds = [tf.constant([0, number], tf.int64) for number in range(8)]
        examples = [task.make_example(image, tf.constant(rows), seed) for seed in seeds]
        return {round(float(targets["boxes"][0, 1]), 3) for _, targets in examples}

    assert len(places(_task(reader, use_mirror=False))) == 2  # scales
    assert len(places(_task(reader))) == 4


def test_losses_are_means_over_what_is_drawn():
    random = np.random.default_rng(0)
    outputs = {
        "anchor_logits": random.normal(size=(2, 6)).astype(np.float32),
        "anchor_outcomes": np.array([[1, 0, -1, 0, 1, -1], [-1] * 6], np.int32),
        "anchor_offsets": random.normal(size=(2, 6, 4)).astype(np.float32),
        "anchor_targets": random.normal(size=(2, 6, 4)).astype(np.float32),
        "region_logits": random.normal(size=(2, 4, 3)).astype(np.float32),
        "region_labels": np.array([[0, 2, 1, -1], [2, 2, 2, -1]], np.int32),
        "region_offsets": random.normal(size=(2, 4, 4)).astype(np.float32),
        "region_targets": random.normal(size=(2, 4, 4)).astype(np.float32),
    }
    terms = _task(None).compute_losses({}, outputs)

    def smooth(kind, number, row, corner):
        difference = np.abs(outputs[f"{kind}_offsets"] - outputs[f"{kind}_targets"])[number, row]
        inside = difference**2 / (2 * corner)
        return np.sum(np.where(difference < corner, inside, difference - corner / 2))

    probs = 1 / (1 + np.exp(-outputs["anchor_logits"][0].astype(float)))
    expected = -np.mean(np.log([probs[0], 1 - probs[1], 1 - probs[3], probs[4]]))
    np.testing.assert_allclose(terms["objectness"], [expected, 0], rtol=1e-5)
    expected = (smooth("anchor", 0, 0, 1 / 9) + smooth("anchor", 0, 4, 1 / 9)) / 4
    np.testing.assert_allclose(terms["anchor_box"], [expected, 0], rtol=1e-5)
    log = outputs["region_logits"].astype(float)
    log -= np.log(np.sum(np.exp(log), axis=-1, keepdims=True))
    expected = [-(log[0, 0, 0] + log[0, 1, 2] + log[0, 2, 1]) / 3, -log[1, :3, 2].mean()]
    np.testing.assert_allclose(terms["class"], expected, rtol=1e-5)
    expected = (smooth("region", 0, 0, 1) + smooth("region", 0, 2, 1)) / 3
    np.testing.assert_allclose(terms["region_box"], [expected, 0], rtol=1e-5)


def _two_replicas():
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def _network(task, **options):
    options = BACKBONES["cifar_shallow"].Options(use_dropout=False, **options)
    backbone = BACKBONES["cifar_shallow"](options, input_channels=3, seed=0)
    return Network(backbone, task.build_head(backbone.taps(48, 48), 0))


def test_it_learns_to_find_squares(reader):
    task = _task(reader, scales=(24,), max_side=40, use_mirror=False)
    network = _network(task)
    inputs, targets = _batch(task, batch_size=4)
    optimizer = tf.keras.optimizers.Adam(0.01)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            terms = task.compute_losses(targets, network(inputs, training=True))
            loss = tf.add_n([tf.reduce_mean(term) for term in terms.values()])
        gradients = tape.gradient(loss, network.trainable_variables)
        pairs = zip(gradients, network.trainable_variables, strict=True)
        optimizer.apply_gradients([pair for pair in pairs if pair[0] is not None])
        return loss

    losses = [float(step()) for _ in range(50)]
    assert losses[-1] < 0.5 * losses[0]
    outputs = network({name: inputs[name] for name in ("image", "size")})
    metric = task.build_metrics()["mean_average_precision_50"]
    metric.update_state(targets, outputs)
    assert float(metric.result()) > 0.5
    panels = task.depict(inputs, targets, outputs)
    assert [len(row) for row in panels] == [2] * 4
    assert panels[0][1].caption.startswith(("found, best 0.", "found, best 1."))


def test_pictures_show_true_boxes_and_the_found_ones(reader):
    task = _task(reader)
    pixels = np.zeros([2, 20, 30, 3], np.float32)
    targets = {"boxes": np.array([[[2, 3, 12, 20]], [[0, 0, 0, 0]]]), "labels": [[0], [-1]]}
    outputs = {
        "found_boxes": np.array([[[5, 6, 9, 10], [1, 1, 4, 4]]] * 2, np.float32),
        "found_labels": np.array([[0, 1], [-1, -1]]),
        "found_scores": np.array([[0.4, 0.2], [0, 0]], np.float32),
    }
    rows = task.depict({"image": pixels}, targets, outputs)
    assert [panel.caption for panel in rows[0]] == ["true", "found, best 0.40"]
    true, found = (panel.pixels.any(axis=-1) for panel in rows[0])
    assert true[2, 3:20].all()
    assert true[11, 3:20].all()
    assert not true[:2].any()
    assert not true[12:].any()
    assert found[5, 6:10].all()
    assert not found[1].any()  # not the second best
    assert not any(panel.pixels.any() for panel in rows[1])


def test_painting_leaves_the_picture_alone():
    pixels = np.zeros([9, 7, 3], np.uint8)
    painted = paint_boxes(pixels, np.array([[1, 2, 4, 4]]), (9, 8, 7))
    assert not pixels.any()
    np.testing.assert_array_equal(np.argwhere(painted.any(axis=-1)).min(axis=0), [1, 2])
    np.testing.assert_array_equal(np.argwhere(painted.any(axis=-1)).max(axis=0), [3, 3])


def test_the_map_is_the_last_one_of_stride_16_at_most():
    backbone = BACKBONES["vgg16"](
        BACKBONES["vgg16"].Options(width_multiplier=1 / 32), input_channels=3, seed=0
    )
    taps = backbone.taps(64, 64)
    head = _task(None, tap="").build_head(taps, 0)
    assert head._tap_name == "conv5_3"
    with pytest.raises(UsageError, match="unknown tap 'conv9'"):
        _task(None, tap="conv9").build_head(taps, 0)


def test_options_take_classes_and_objects_of_the_images(reader, labelled_photos):
    options = DetectionOptions().completed({"train": reader}, 224)
    assert (options.num_classes, options.max_objects) == (2, 2)
    with pytest.raises(UsageError, match="--detection_num_classes=5: --images has 2 classes"):
        DetectionOptions(num_classes=5).completed({"train": reader}, 224)
    with pytest.raises(UsageError, match="--detection_max_objects=1: an image has 2 objects"):
        DetectionOptions(max_objects=1).completed({"train": reader}, 224)
    assert DetectionOptions(max_objects=4).completed({"train": reader}, 224).max_objects == 4
    plain = ExampleReader(open_images(str(labelled_photos)))
    with pytest.raises(UserError, match="has no boxes"):
        DetectionOptions().completed({"train": plain}, 224)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": (24, 49), "max_side": 48}, "max_side=48: expected .* shorter side of 49"),
        ({"scales": ()}, "max_side=48: expected at least a shorter side of 0"),
        ({"test_scale": 41}, "test_max_side=40: expected at least a shorter side of 41"),
        ({"anchor_ratios": ()}, "expected one"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        DetectionOptions(**{**SMALL, **options})


def test_what_is_seen_is_as_large_as_the_largest_image_of_the_batch(reader):
    task = _task(reader, scales=(24, 70), max_side=2000)
    for inputs, _ in task.make_dataset("train", BatchPlan(2, 3, num_batches=8)):
        largest = inputs["size"].numpy().max(axis=0)
        np.testing.assert_array_equal(inputs["image"].shape[1:3], -(-largest // 32) * 32)


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_the_limit_of_a_side_does_not_matter_to_what_stays_below(reader, split):
    options = [
        {"scales": (24, 32), "max_side": limit, "test_max_side": limit} for limit in (1000, 2000)
    ]
    tasks = [_task(reader, **one) for one in options]
    networks = [_network(task, use_batch_norm=True) for task in tasks]
    found = []
    for task, network in zip(tasks, networks, strict=True):
        inputs, _ = _batch(task, split)
        assert inputs["image"].shape == [8, 64 if split == "train" else 32, 64, 3]
        network(inputs, training=True)
        found.append(network({name: inputs[name] for name in ("image", "size")}))
    statistics = [network.backbone.non_trainable_variables for network in networks]
    assert statistics[0]
    for one, other in zip(*statistics, strict=True):
        np.testing.assert_array_equal(one, other)
    for name, value in found[0].items():
        np.testing.assert_array_equal(value, found[1][name])


def test_replicas_train_on_images_of_any_size_with_few_graphs(reader):
    task, strategy = _task(reader, scales=(24, 40, 70), max_side=200), _two_replicas()
    with strategy.scope():
        network = _network(task)
    traces = []

    @tf.function(autograph=False, reduce_retracing=True)
    def step(batch):
        def one(inputs, targets):
            traces.append(inputs["image"].shape)
            terms = task.compute_losses(targets, network(inputs, training=True))
            return tf.add_n([tf.reduce_mean(term) for term in terms.values()])

        return strategy.run(one, args=batch)

    plan = BatchPlan(2, 3, num_batches=8, shards=((0, 1), (1, 2)))
    batches = strategy.distribute_datasets_from_function(
        lambda context: task.make_dataset("train", plan)
    )
    shapes = set()
    for batch in batches:
        parts = [part.shape.as_list() for part in batch[0]["image"].values]
        assert parts[0] == parts[1]
        shapes.add(tuple(parts[0]))
        losses = strategy.experimental_local_results(step(batch))
        assert all(np.isfinite(loss) for loss in losses)
    assert len(shapes) > 3
    assert len(traces) <= 2 * 3  # of each replica


def test_an_image_with_a_box_outside_of_it_is_skipped_and_named(reader, tmp_path):
    paths, objects = [], []
    for number in range(3):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(reader.source.read_bytes(0))
        box = [[1, 1, 5, 5]] if number != 1 else [[1, 1, 5, 5], [0, 400, 9, 500]]
        labels = np.zeros(len(box), np.int32)
        objects.append(ObjectBoxes(np.array(box, np.float32), labels, labels > 0))
    damaged = ExampleReader(BoxSource(paths, objects, ("red", "green")))
    _, targets = _batch(_task(damaged))
    assert np.all(np.sum(targets["labels"] >= 0, axis=1) == 1)
    assert list(damaged.unreadable) == [str(paths[1])]
    assert "a box outside of them" in damaged.unreadable[str(paths[1])]
