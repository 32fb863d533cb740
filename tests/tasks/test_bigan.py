import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.models.network import JointNetwork, Network
from tfcolor.tasks.bigan import BiganOptions, BiganTask, MatchingAccuracy, ReconstructionError
from tfcolor.tasks.inpainting import InpaintingOptions, InpaintingTask
from tfcolor.training.loop import Run, Trainer
from tfcolor.training.members import Member, shared_network
from tfcolor.training.optimizers import Update
from tfcolor.training.options import JointOptions, OptimizationOptions, TrainingOptions
from tfcolor.training.run_directory import RunDirectory
from tfcolor.training.signals import StopRequest

SIDE = 16
VIEW = {"crop_size": SIDE, "min_side": SIDE, "max_side": 20, "channels": 2}
SMALL = BiganOptions(readout="average", code_size=5, num_units=6, **VIEW)


@pytest.fixture(scope="module")
def reader(photos):
    return ExampleReader(open_images(str(photos)), cache_bytes=10**7)


@pytest.fixture(scope="module")
def batch(reader):
    return next(
        iter(_task({"train": reader}).make_dataset("train", BatchPlan(3, 0, num_batches=1)))
    )


def _task(readers=None, **options):
    return BiganTask(dataclasses.replace(SMALL, **options), readers or {})


def _backbone():
    kind = BACKBONES["cifar_shallow"]
    return kind(kind.Options(width_multiplier=1 / 16), input_channels=3, seed=0)


def _network(task, backbone=None):
    backbone = backbone or _backbone()
    head = task.build_head(backbone.taps(SIDE, SIDE), 0)
    return Network(backbone, head, convolutional=task.convolutional)


def test_the_target_is_the_image_that_is_seen(batch):
    inputs, targets = batch
    assert inputs["image"].shape == [3, SIDE, SIDE, 3]
    np.testing.assert_array_equal(inputs["image"], targets["image"])


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [("uniform", stats.uniform(-1, 2)), ("normal", stats.norm())],
)
def test_codes_have_their_distribution_and_ignore_the_image(distribution, expected):
    task = _task(code_distribution=distribution, code_size=40)
    make_example = tf.function(task.make_example, autograph=False)
    black, white = (tf.fill([24, 24, 3], tf.constant(value, tf.uint8)) for value in (0, 255))
    codes = []
    for number in range(60):
        seed = tf.constant([7, number], tf.int64)
        codes.append(make_example(black, seed)[0]["code"].numpy())
        np.testing.assert_array_equal(make_example(white, seed)[0]["code"], codes[-1])
    assert stats.kstest(np.ravel(codes), expected.cdf).pvalue > 0.001
    assert np.abs(np.corrcoef(np.transpose(codes))[0, 1:]).max() < 0.5
    assert len(np.unique(codes)) > 2000


def test_losses_are_cross_entropies_of_labels_and_of_opposite_labels():
    task = _task()
    probs = {"real": np.array([0.8, 0.5]), "fake": np.array([0.3, 0.9])}
    outputs = {
        f"{fixed}{kind}_logits": tf.constant(np.log(some / (1 - some)), tf.float32)
        for fixed in ("", "fixed_")
        for kind, some in probs.items()
    }
    losses = task.compute_losses({}, outputs)
    expected = {
        "encoder": -np.log(1 - probs["real"]),
        "generator": -np.log(probs["fake"]),
        "discriminator": -(np.log(probs["real"]) + np.log(1 - probs["fake"])),
    }
    assert list(losses) == list(expected)
    for name, loss in losses.items():
        np.testing.assert_allclose(loss, expected[name], rtol=1e-5)


def test_each_loss_trains_its_own_networks(batch):
    task, (inputs, targets) = _task(), batch
    network = _network(task)
    head = network.head
    encoding = [*network.backbone.trainable_variables, *head.encoder.trainable_variables]
    generating, judging = (
        part.trainable_variables for part in (head.generator, head.discriminator)
    )
    parts = encoding, generating, judging
    assert sum(map(len, parts)) == len(network.trainable_variables)
    with tf.GradientTape(persistent=True) as tape:
        losses = task.compute_losses(targets, network(inputs, training=True))
        sums = {name: tf.reduce_sum(loss) for name, loss in losses.items()}
    # As surprised as can be at first.
    for name, value in sums.items():
        chance = np.log(4) if name == "discriminator" else np.log(2)
        assert float(value) / 3 == pytest.approx(chance, abs=0.3)
    for name, own, foreign in (
        ("encoder", encoding, [*generating, *judging]),
        ("generator", generating, [*encoding, *judging]),
    ):
        assert tape.gradient(sums[name], foreign) == [None] * len(foreign)
        kernels = [one for one in own if one.shape.rank > 1]
        assert all(float(tf.norm(one)) > 0 for one in tape.gradient(sums[name], kernels))
    others = [*encoding, *generating]
    assert tape.gradient(sums["discriminator"], others) == [None] * len(others)
    assert None not in tape.gradient(sums["discriminator"], judging)


def test_matching_agrees_with_numpy_and_is_a_half_by_chance():
    random_numbers = np.random.default_rng(5)
    images, answers = random_numbers.uniform(size=(2, 4, 3, 3, 2)).astype(np.float32)
    answers[:2] += 2 * images[:2]
    metric = MatchingAccuracy()
    metric.update_state({"image": images}, {"reconstruction": answers})
    likeness = np.corrcoef(answers.reshape(4, -1), images.reshape(4, -1))[:4, 4:]
    wins = [likeness[i, i] > likeness[i, j] for i in range(4) for j in range(4) if i != j]
    assert float(metric.result()) == pytest.approx(np.mean(wins))
    for answer, expected in ((images, 1), (images[:1].repeat(4, 0), 0.5), (0 * images, 0.5)):
        metric = MatchingAccuracy()
        metric.update_state({"image": images}, {"reconstruction": answer})
        assert float(metric.result()) == pytest.approx(expected)


def test_reconstruction_error_is_the_mean_of_squares(batch):
    metric, images = ReconstructionError(), batch[1]["image"]
    metric.update_state({"image": images}, {"reconstruction": images - 0.2})
    assert float(metric.result()) == pytest.approx(0.04, rel=1e-5)


def test_pictures_show_image_reconstruction_and_sample(batch):
    task, (inputs, targets) = _task(), batch
    outputs = _network(task)(inputs)
    rows = task.depict(inputs, targets, outputs)
    captions = ["image", "reconstruction", "sample"]
    assert [[panel.caption for panel in row] for row in rows] == [captions] * 3
    tensors = inputs["image"], outputs["reconstruction"], outputs["generated"]
    for column, tensor in enumerate(tensors):
        pixels = np.stack([row[column].pixels for row in rows])
        np.testing.assert_array_equal(pixels, np.round(255 * tensor.numpy()))


def test_options_are_completed_by_the_backbone():
    assert BiganOptions().completed({}, 224) == BiganOptions(crop_size=224)
    assert SMALL.completed({}, 224) == SMALL
    with pytest.raises(UsageError, match="--bigan_crop_size=200: the backbone takes 227"):
        BiganOptions(crop_size=200).completed({}, 227)
    with pytest.raises(UsageError, match="--bigan_crop_size=7: expected at least 8"):
        dataclasses.replace(SMALL, crop_size=7).completed({}, 227)
    with pytest.raises(UsageError, match=r"crop_size=64, min_side=.*: expected crop_size <= min"):
        dataclasses.replace(SMALL, crop_size=64).completed({}, 227)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"code_distribution": "cauchy"}, "=cauchy: expected one of uniform, normal"),
        ({"code_size": 0}, "--bigan_code_size=0: expected at least 1"),
        ({"discriminator_rate": 0.0}, "--bigan_discriminator_rate=0.0: expected at least 0.001"),
    ],
)
def test_values_that_are_not_accepted_are_usage_errors(options, message):
    with pytest.raises(UsageError, match=message):
        check_options(dataclasses.replace(SMALL, **options), "bigan_")


@pytest.fixture(scope="module")
def adversaries(reader):
    """Two adversarial tasks upon one backbone: members, backbone and both heads."""
    painting = InpaintingOptions(readout="map", reconstruction_weight=0.9, overlap=1, **VIEW)
    tasks = [_task({"train": reader}), InpaintingTask(painting, {"train": reader})]
    backbone = _backbone()
    members = tuple(Member(task, _network(task, backbone), 3, 1, task.name) for task in tasks)
    heads = [member.network.head for member in members]
    return members, backbone, JointNetwork(backbone, heads)


@pytest.fixture(scope="module")
def gradients(adversaries):
    """The gradients of both tasks' losses, in the order of an update."""
    members, backbone, _ = adversaries
    variables = Update(
        shared_network(backbone, members),
        OptimizationOptions(),
        JointOptions(),
        use_loss_scaling=False,
    ).variables_of
    found = {}
    for task, member in enumerate(members):
        plan = BatchPlan(3, 0, num_batches=1)
        inputs, targets = next(iter(member.task.make_dataset("train", plan)))
        with tf.GradientTape() as tape:
            losses = member.task.compute_losses(targets, member.network(inputs, training=True))
            loss = tf.add_n([tf.reduce_mean(loss) for loss in losses.values()])
        found[task] = tape.gradient(loss, variables(task))
    return found


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "norm_sgd", "multi_adam"])
def test_every_optimizer_updates_both_sides_in_one_step(adversaries, gradients, optimizer):
    members, backbone, both = adversaries
    options = OptimizationOptions(optimizer=optimizer, learning_rate=0.01)
    shared = shared_network(backbone, members)
    update = Update(shared, options, JointOptions(), use_loss_scaling=False)
    before = [variable.numpy() for variable in both.trainable_variables]
    figures = update.apply(gradients)
    assert np.isfinite(float(figures["gradient_norm"]))
    for variable, old in zip(both.trainable_variables, before, strict=True):
        new = variable.numpy()
        assert np.all(np.isfinite(new))
        assert old.ndim == 1 or np.any(new != old)


@pytest.fixture
def without_graphs():
    """Runs functions as they are; tracing the two tasks took three times as long."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.filterwarnings("ignore:Even though the")
@pytest.mark.usefixtures("without_graphs")
def test_adversaries_train_beside_each_other(adversaries, tmp_path):
    members, backbone, both = adversaries
    run = Run(
        members=members,
        network=both,
        backbone=backbone,
        strategy=tf.distribute.get_strategy(),
        training=TrainingOptions(num_steps=2, log_every_steps=1, evaluate_num_examples=3),
        optimization=OptimizationOptions(
            optimizer="norm_sgd", learning_rate=1e-5, rate_drops=(), watch="score"
        ),
        joint=JointOptions(),
        directory=RunDirectory(tmp_path / "run"),
        flags={},
    )
    result = Trainer(run, StopRequest()).train()
    assert all(np.isfinite(value) for value in result.values())
    assert 0 <= result["train/bigan/discriminator_accuracy"] <= 1
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    logged = json.loads(lines[-1])
    for name in ("bigan/loss_encoder", "bigan/loss_generator", "inpainting/loss_adversarial"):
        assert logged[name] > 0
