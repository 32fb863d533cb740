import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.data.transforms import center_view
from tfcolor.models.network import Network
from tfcolor.tasks.base import HELDOUT_SPLIT, TRAIN_SPLIT, RoundTask
from tfcolor.tasks.deep_clustering import DeepClusteringOptions, DeepClusteringTask

SIZE, BATCH, N, K = 32, 4, 22, 3
SMALL = {"readout": "average", "crop_size": SIZE, "num_clusters": K, "num_components": 3}


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """Images of one color each: many red, a few green and blue."""
    folder, random = tmp_path_factory.mktemp("colors"), np.random.default_rng(0)
    for number in range(N):
        color = np.zeros([40, 48, 3])
        color[..., _truth(number)] = 200
        pixels = np.clip(color + random.normal(0, 5, color.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    reader = ExampleReader(open_images(str(folder)), cache_bytes=10**7)
    return {TRAIN_SPLIT: reader, HELDOUT_SPLIT: reader}


def _truth(number):
    """Returns the color of an image: 0 for fourteen, 1 for five, 2 for three."""
    return 0 if number < 14 else 1 if number < 19 else 2


class MeanColor(tf.keras.Model):
    """A network whose features are the mean color; that of some images if it is blind."""

    def __init__(self, task, is_blind=False):
        super().__init__(autocast=False)
        self.head = task.build_head({"top": _tap()}, 5)
        self.is_blind = is_blind

    def call(self, inputs, training=False):
        means = tf.reduce_mean(inputs["image"], axis=[1, 2])
        means = tf.zeros_like(means) if self.is_blind else means
        return self.head({"top": means}, inputs, {})


def _tap():
    return Tap("top", 8, 3.5, 3)


def _task(readers, **options):
    return DeepClusteringTask(DeepClusteringOptions(**{**SMALL, **options}), readers)


def _labels(task, split=TRAIN_SPLIT, **plan):
    batches = task.make_dataset(split, BatchPlan(BATCH, seed=1, num_batches=5, **plan))
    return [targets["label"].numpy() for _, targets in batches]


@pytest.fixture(scope="module")
def begun(readers):
    """A task in its first round, its network and the figures."""
    task = _task(readers)
    network = MeanColor(task)
    return task, network, task.begin_round(network, 0, BATCH)


def test_it_is_a_task_with_rounds(readers):
    assert isinstance(_task(readers), RoundTask)


def test_features_that_are_not_finite_are_not_clustered(readers):
    class Diverged(MeanColor):
        def call(self, inputs, training=False):
            return {"embeddings": super().call(inputs)["embeddings"] * np.nan}

    task = _task(readers)
    with pytest.raises(UserError, match=r"features of images are not finite.* --learning_rate"):
        task.begin_round(Diverged(task), 0, BATCH)


def test_images_are_clustered_by_their_features(begun):
    task, _, figures = begun
    labels = task.state.labels[TRAIN_SPLIT].numpy()
    pairs = {(_truth(number), label) for number, label in enumerate(labels)}
    assert len(pairs) == len(set(labels)) == 3
    np.testing.assert_array_equal(task.state.labels[HELDOUT_SPLIT], labels)
    assert figures["num_found"] == 3
    assert figures["largest_share"] == pytest.approx(14 / N)
    assert 0 < figures["kmeans_loss"] < 0.1
    assert "nmi" not in figures


def test_examples_have_the_cluster_of_their_image(begun):
    task, _, _ = begun
    cluster_of = dict(
        zip(map(_truth, range(N)), task.state.labels[TRAIN_SPLIT].numpy(), strict=True)
    )
    for split in (TRAIN_SPLIT, HELDOUT_SPLIT):
        plan = BatchPlan(BATCH, seed=1, num_batches=5)
        for inputs, targets in task.make_dataset(split, plan):
            colors = tf.reduce_mean(inputs["image"], axis=[1, 2]).numpy().argmax(axis=-1)
            assert [cluster_of[color] for color in colors] == targets["label"].numpy().tolist()


def test_clusters_are_trained_on_as_often_as_each_other(begun):
    task, _, _ = begun
    assert task.steps_per_round(BATCH) == N // BATCH
    counts = np.bincount(task.state.labels[TRAIN_SPLIT].numpy()[task.state.order.numpy()])
    assert counts.sum() == N
    assert counts.max() <= N // 3 + 1  # of 14, 5 and 3 images


def test_a_round_is_the_same_wherever_it_is_resumed(begun):
    task, _, _ = begun
    whole = _labels(task)
    np.testing.assert_array_equal(whole[3], _labels(task, first_batch=3)[0])
    np.testing.assert_array_equal(whole[0], _labels(task, first_batch=N // BATCH)[0])
    halves = _labels(task, shards=((0, 2), (2, 4)))
    np.testing.assert_array_equal(np.concatenate(halves), np.concatenate(whole))


def test_checkpoints_keep_a_round(begun, readers, tmp_path):
    task, _, _ = begun
    path = tf.train.Checkpoint(state=task.state).write(str(tmp_path / "saved"))
    other = _task(readers)
    assert np.any(np.concatenate(_labels(other)) != np.concatenate(_labels(task)))
    tf.train.Checkpoint(state=other.state).read(path).assert_consumed()
    np.testing.assert_array_equal(np.concatenate(_labels(other)), np.concatenate(_labels(task)))


def test_rounds_are_compared_and_the_last_layer_is_drawn_anew(readers):
    task = _task(readers)
    network = MeanColor(task)
    first, second = (task.begin_round(network, number, BATCH) for number in (0, 1))
    assert second["nmi"] == pytest.approx(1)  # nothing has changed but the numbers
    assert second["kmeans_loss"] == pytest.approx(first["kmeans_loss"])
    kernel = network.head.clusters.kernel.numpy()
    network.head.restart(0)
    assert np.any(kernel != network.head.clusters.kernel.numpy())


def test_every_worker_makes_the_same_round(begun, readers):
    task, _, figures = begun
    other = _task(readers)
    assert other.begin_round(MeanColor(other), 0, BATCH) == figures
    for name in (TRAIN_SPLIT, HELDOUT_SPLIT):
        np.testing.assert_array_equal(other.state.labels[name], task.state.labels[name])
    np.testing.assert_array_equal(other.state.order, task.state.order)


def test_features_that_collapse_do_not_put_all_images_into_one_cluster(readers):
    task = _task(readers)
    figures = task.begin_round(MeanColor(task, is_blind=True), 0, BATCH)
    assert figures["num_found"] == 1  # what is prevented
    labels = task.state.labels[TRAIN_SPLIT].numpy()
    assert np.bincount(labels, minlength=K).min() >= N // (2 * K)
    counts = np.bincount(labels[task.state.order.numpy()], minlength=K)
    assert counts.max() <= N // K + 1  # answering the largest always is at chance


def test_clustering_changes_nothing_of_the_backbone(readers):
    task = _task(readers, hidden_sizes=(6,))
    kind = BACKBONES["alexnet"]
    options = kind.Options(width_multiplier=1 / 32, front_end="sobel")
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        backbone = kind(options, input_channels=3, seed=0)
        network = Network(backbone, task.build_head(backbone.taps(SIZE, SIZE), 0))
    before = [variable.numpy() for variable in backbone.variables]
    figures = task.begin_round(network, 0, BATCH)
    assert np.isfinite(list(figures.values())).all()
    assert 2 <= len(np.unique(task.state.labels[TRAIN_SPLIT])) <= K
    tf.nest.map_structure(np.testing.assert_array_equal, before, backbone.get_weights())


def test_the_middle_of_an_image_is_clustered(readers):
    rgb = np.random.default_rng(0).integers(0, 256, (60, 50, 3), np.uint8)
    inputs, targets = _task(readers).make_center_view(tf.constant(rgb), tf.constant([0, 1]))
    np.testing.assert_array_equal(inputs["image"], center_view(tf.constant(rgb), 37, SIZE))
    assert not targets


def test_options_are_completed(readers):
    options = DeepClusteringOptions(readout="average").completed(readers, 227)
    assert (options.crop_size, options.num_clusters, options.round_examples) == (227, 2, N)
    assert DeepClusteringOptions(num_clusters=5).completed(readers, 227).num_clusters == 5


@pytest.mark.parametrize("number", [1, N + 1])
def test_numbers_of_clusters_that_cannot_be_are_refused(readers, number):
    with pytest.raises(UsageError, match=f"num_clusters={number}: expected at least 2 and at most"):
        DeepClusteringOptions(num_clusters=number).completed(readers, 227)


def test_views_of_another_size_than_the_top_takes_are_refused(readers):
    with pytest.raises(UsageError, match="crop_size=32: the backbone takes 227"):
        DeepClusteringOptions(crop_size=32).completed(readers, 227)


def test_rounds_are_at_least_one_step(readers):
    assert _task(readers, round_examples=10).steps_per_round(4) == 2
    assert _task(readers, round_examples=10).steps_per_round(16) == 1


def test_pictures_name_clusters(readers):
    assert _task(readers).label_name(7) == "cluster 7"
