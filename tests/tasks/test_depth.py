import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.config.command import define_flags
from tfcolor.backbones import BACKBONES
from tfcolor.config.assembly import build_network, build_task
from tfcolor.config.experiment import read_experiment
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.builtin_depth import open_depth_scenes
from tfcolor.data.sources.depth_maps import DepthFileSource
from tfcolor.data.sources.image_folder import open_images
from tfcolor.heads.up_projection import UpProjection
from tfcolor.layers.batch_norm import TrainableBatchNorm
from tfcolor.models.network import Network
from tfcolor.tasks.depth import UNKNOWN_COLOR, DepthOptions, DepthTask, paint_depth
from tfcolor.train import COMMAND

SMALL = {"side": 0, "crop_height": 40, "crop_width": 56, "channels": (8, 4), "mean_depth": 4.0}


@pytest.fixture(scope="module")
def reader():
    return ExampleReader(open_depth_scenes("depth_scenes:6"), cache_bytes=10**7)


def _task(readers=None, **options):
    return DepthTask(DepthOptions(**{**SMALL, **options}), readers or {})


def _batch(task, split="train", batch_size=4, seed=0):
    return next(iter(task.make_dataset(split, BatchPlan(batch_size, seed, num_batches=1))))


@pytest.mark.parametrize(("cell_size", "first"), [(1, 0), (2, 0), (3, 1)])
def test_targets_are_the_depth_of_every_so_many_th_pixel(reader, cell_size, first):
    whole = _batch(_task({"train": reader}, cell_size=1))
    inputs, targets = _batch(_task({"train": reader}, cell_size=cell_size))
    np.testing.assert_array_equal(inputs["image"], whole[0]["image"])
    assert inputs["image"].shape == [4, 40, 56, 3]
    pixels = whole[1]["depth"][:, first::cell_size, first::cell_size]
    np.testing.assert_array_equal(targets["depth"], pixels)


def test_held_out_images_are_seen_in_their_middle(reader):
    task = _task({"train": reader, "heldout": reader})
    inputs, targets = _batch(task, "heldout", batch_size=6)
    pictures = [reader.read(number)[0][28:68, 36:92] / 255 for number in range(6)]
    depths = [reader.source.depth_of(number)[28:68:2, 36:92:2] for number in range(6)]
    for image, depth in zip(inputs["image"], targets["depth"], strict=True):
        (place,) = (i for i, one in enumerate(pictures) if np.allclose(one, image, atol=1e-6))
        np.testing.assert_array_equal(depth, depths[place])


def test_gray_input_is_the_mean_of_the_colors(reader):
    color = _batch(_task({"train": reader}))[0]["image"].numpy()
    gray = _batch(_task({"train": reader}, input="gray"))[0]["image"].numpy()
    np.testing.assert_allclose(gray, color.mean(axis=-1, keepdims=True), atol=1e-6)


def _reverse_huber(errors, threshold):
    squares = (errors**2 + threshold**2) / (2 * threshold)
    return np.where(np.abs(errors) <= threshold, np.abs(errors), squares)


def _maps():
    random_numbers = np.random.default_rng(1)
    depth = random_numbers.uniform(1, 9, (3, 5, 7)).astype(np.float32)
    predicted = depth + random_numbers.normal(0, 1, depth.shape).astype(np.float32)
    depth[0, 2:] = 0
    depth[1] = 0
    predicted[1] += 100  # not known, and so not the largest error
    return depth, predicted


def test_loss_is_the_reverse_huber_of_what_is_known():
    depth, predicted = _maps()
    task, targets = _task(), {"depth": tf.constant(depth)}
    (loss,) = task.compute_losses(targets, {"map": tf.constant(predicted)}).values()
    errors = predicted - depth
    threshold = 0.2 * np.abs(errors[depth > 0]).max()
    expected = (_reverse_huber(errors, threshold) * (depth > 0)).sum(axis=(1, 2))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_array_equal(task.count_samples(targets), [14, 0, 35])


def test_two_replicas_share_the_threshold():
    depth, predicted = _maps()
    task = _task()
    whole = task.compute_losses({"depth": depth}, {"map": predicted})["reverse_huber"]
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

    @tf.function
    def compute():
        def one():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            part = [tf.where(replica == 0, one[:2], one[1:]) for one in (depth, predicted)]
            return task.compute_losses({"depth": part[0]}, {"map": part[1]})["reverse_huber"]

        return strategy.run(one)

    first, second = strategy.experimental_local_results(compute())
    np.testing.assert_allclose(first, whole[:2], rtol=1e-6)
    np.testing.assert_allclose(second, whole[1:], rtol=1e-6)


def test_metrics_are_those_of_the_compared_pixels():
    # Specification of the pretext tasks, golden 14.
    metrics = _task().build_metrics()
    assert _task().score in metrics
    for metric in metrics.values():
        metric.update_state(
            {"depth": [[[1.0, 2.0, 4.0], [8.0, 1.0, 0.0]]]},
            {"map": [[[1.2, 1.5, 4.0], [12.0, 1.25, 3.0]]]},
        )
    found = {name: float(metric.result()) for name, metric in metrics.items()}
    expected = {"delta_1": 0.4, "delta_2": 1, "delta_3": 1, "mae": 0.99, "mre": 0.24}
    assert found == pytest.approx({**expected, "rmse": 1.808452, "log10": 0.095424}, rel=1e-5)


def test_predictions_begin_at_the_mean_depth_of_the_images(reader):
    options = DepthOptions(**{**SMALL, "mean_depth": 0.0}).completed({"train": reader}, 224)
    depths = np.concatenate([reader.source.depth_of(number).ravel() for number in range(6)])
    assert options.mean_depth == pytest.approx(depths[depths > 0].mean(), abs=1e-4)
    assert DepthOptions(mean_depth=3.0).completed({}, 224).mean_depth == 3.0
    head = DepthTask(options, {}).build_head({"conv3": Tap("conv3", 4, 1.5, 8)}, 0)
    assert float(head.last.bias[0]) == pytest.approx(options.mean_depth)


def test_bad_options_and_images_are_refused(labelled_photos):
    taps = {"conv3": Tap("conv3", 4, 1.5, 8)}
    with pytest.raises(UsageError, match="--depth_channels=8,8,8: the map of conv3 has a stride"):
        _task(channels=(8, 8, 8)).build_head(taps, 0)
    with pytest.raises(UsageError, match="--depth_crop_width=54: expected a multiple of 4, the"):
        _task(crop_width=54).build_head(taps, 0)
    with pytest.raises(UsageError, match="unknown tap 'conv9'; known: conv3"):
        _task(tap="conv9").build_head(taps, 0)
    plain = ExampleReader(open_images(str(labelled_photos)))
    with pytest.raises(UserError, match="has no depth: name images as"):
        DepthOptions().completed({"train": plain}, 224)
    with pytest.raises(UserError, match="has no depth"):
        _task({"train": plain})


def test_pictures_are_dark_where_it_is_far_and_gray_where_nothing_is_known(reader):
    picture = paint_depth(np.array([[0.0, 1.0, 5.0]]), 5.0).astype(int)
    assert tuple(picture[0, 0]) == UNKNOWN_COLOR
    assert picture[0, 1].sum() > picture[0, 2].sum()
    task = _task({"train": reader})
    inputs, targets = _batch(task, batch_size=2)
    rows = task.depict(inputs, targets, {"map": targets["depth"] + 1})
    assert [[panel.caption[:8] for panel in row] for row in rows] == [
        ["view", "depth to", "answer"]
    ] * 2
    assert rows[0][1].pixels.shape == (20, 28, 3)


def test_it_learns_the_depth_of_a_few_rooms(reader):
    task = _task({"train": reader}, max_scale=1.0, channels=(4, 4), crop_width=32)
    kind = BACKBONES["cifar_shallow"]
    backbone = kind(kind.Options(use_batch_norm=True, use_dropout=False), input_channels=3, seed=0)
    network = Network(backbone, task.build_head(backbone.taps(40, 56), 0))
    inputs, targets = _batch(task, batch_size=2)
    optimizer = tf.keras.optimizers.Adam(0.01)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            losses = task.compute_losses(targets, network(inputs, training=True))
            count = tf.reduce_sum(task.count_samples(targets))
            loss = tf.reduce_sum(losses["reverse_huber"]) / count
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    def mean_loss(outputs):
        losses = task.compute_losses(targets, outputs)["reverse_huber"]
        return float(tf.reduce_sum(losses) / tf.reduce_sum(task.count_samples(targets)))

    ones = tf.ones_like(network(inputs)["map"])
    constants = [mean_loss({"map": depth * ones}) for depth in np.linspace(0.1, 10, 100)]
    losses = [float(step()) for _ in range(8)]
    assert losses[-1] < 0.8 * min(losses[0], *constants)


def _experiment(*words):
    flag_values = define_flags(COMMAND)
    flag_values(["train", *words])
    return read_experiment(flag_values)


def test_raw_sums_pass_one_batch_norm_before_the_blocks(monkeypatch):
    words = ["--task=depth", "--depth_channels=8,4", "--depth_crop_height=48"]
    words += ["--depth_crop_width=64", "--depth_mean_depth=3", "--backbone=resnet50_v2"]
    words += ["--resnet50_v2_width_multiplier=0.03125", "--resnet50_v2_block_units=1,1,1"]
    experiment = _experiment(*words)
    network = build_network(experiment, build_task(experiment, {}))
    norm = network.head_input.norms[network.head.tap_name]
    numbers = np.random.default_rng(0)
    norm.scale.assign(numbers.uniform(1, 3, norm.scale.shape))
    norm.bias.assign(numbers.uniform(-1, 1, norm.bias.shape))
    images = tf.constant(numbers.uniform(size=(3, 48, 64, 3)), tf.float32)
    raw = network.backbone(images, training=True, convolutional=True)[network.head.tap_name].numpy()
    seen, call = [], UpProjection.call

    def record(block, inputs, training=False):
        seen.append(inputs.numpy())
        return call(block, inputs, training=training)

    monkeypatch.setattr(UpProjection, "call", record)
    network({"image": images}, training=True)
    assert len(seen) == 2
    normalized = (raw - raw.mean((0, 1, 2))) / np.sqrt(raw.var((0, 1, 2)) + 1e-5)
    expected = np.maximum(normalized * norm.scale.numpy() + norm.bias.numpy(), 0)
    np.testing.assert_allclose(seen[0], expected, atol=1e-3)
    layers = [one for one in network.head.submodules if isinstance(one, TrainableBatchNorm)]
    assert len(layers) == 2 * 3


def test_the_published_rate_is_that_of_all_weights():
    """As of Laina et al., who decay none and let biases learn no faster."""
    options = _experiment("--flagfile=configs/depth_resnet101_v2_nyu.cfg").optimization
    assert (options.optimizer, options.momentum, options.learning_rate) == ("momentum", 0.9, 0.01)
    assert (options.bias_rate_multiplier, options.weight_decay) == (1.0, 0.0)


def test_a_damaged_depth_map_does_not_end_the_pipeline(tmp_path):
    for number in range(3):
        Image.new("RGB", (56, 40), (50 * number, 0, 0)).save(tmp_path / f"{number}.png")
        np.save(tmp_path / f"{number}.npy", np.full((40, 56), number + 1.0))
    (tmp_path / "1.npy").write_bytes(b"torn")
    np.save(tmp_path / "2.npy", np.zeros((0, 56)))
    paths = [[tmp_path / f"{number}.{kind}" for number in range(3)] for kind in ("png", "npy")]
    reader = ExampleReader(DepthFileSource(*paths))
    _, targets = _batch(_task({"train": reader}, min_scale=1.0, max_scale=1.0), batch_size=6)
    assert set(np.unique(targets["depth"])) <= {0, 1}
    assert sorted(reader.unreadable) == [str(tmp_path / "1.npy"), str(tmp_path / "2.npy")]
