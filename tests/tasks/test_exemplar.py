import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.taps import Tap
from tfcolor.losses.contrastive import cosine_triplet
from tfcolor.tasks.exemplar import ExemplarOptions, ExemplarTask, TripletAccuracy, triplets
from tfcolor.training.distribution import build_strategy
from tfcolor.training.options import DistributionOptions

SMALL = {"readout": "average", "patch_size": 16}


def _task(**options):
    return ExemplarTask(ExemplarOptions(**{**SMALL, **options}), {})


def _outputs(count=4):
    views = np.random.default_rng(0).normal(size=(count, 2, 3)).astype(np.float32)
    return {"example": tf.range(7, 7 + count, dtype=tf.int64)}, {"embeddings": tf.constant(views)}


def test_size_of_patches_is_the_backbones_unless_asked():
    assert ExemplarOptions().completed({}, 227).patch_size == 227
    assert ExemplarOptions(readout="average", patch_size=96).completed({}, 227).patch_size == 96
    with pytest.raises(UsageError, match="--exemplar_patch_size=96: the backbone takes 227"):
        ExemplarOptions(patch_size=96).completed({}, 227)
    message = "--exemplar_head=residual reads a map: expected --exemplar_readout=average, not top"
    with pytest.raises(UsageError, match=message):
        ExemplarOptions(head="residual")


def test_published_head_gives_the_flattened_map_of_residual_units():
    task = _task(head="residual", residual_channels=(6, 5), residual_width=3, patch_size=36)
    taps = {"block3_unit3": Tap("block3_unit3", 8, 2.0, 4)}
    features = {"top": tf.random.stateless_normal([4, 5, 5, 4], [1, 2])}
    outputs = task.build_head(taps, 0)(features, {"image": tf.zeros([2, 2, 36, 36, 3])}, taps)
    assert outputs["embeddings"].shape == [2, 2, 2 * 2 * 5]


def test_both_patches_are_copies_of_one_place():
    # Each pixel tells its place by which of the 3x4 tiles it is in: only one is bright.
    image = np.zeros([90, 120, 3], np.uint8)
    image[30:60, 60:90] = np.random.default_rng(1).integers(60, 256, (30, 30, 3))
    pairs = []
    for number in range(16):
        seed = tf.constant([2, number], tf.int64)
        inputs, targets = _task(patch_share=0.3).make_example(tf.constant(image), seed)
        assert inputs["image"].shape == [2, 16, 16, 3]
        assert int(targets["example"]) == number
        pairs.append(inputs["image"].numpy().std(axis=(1, 2, 3)) > 0.03)
    agree = np.mean([one == other for one, other in pairs])
    assert agree > 0.8
    assert 0.1 < np.mean(pairs) < 0.9
    assert len({tuple(pair) for pair in pairs}) > 1


def test_negatives_are_of_the_next_image_and_the_loss_is_that_of_triplets():
    targets, outputs = _outputs()
    views = outputs["embeddings"].numpy()
    anchor, positive, negative = triplets(targets, outputs)
    np.testing.assert_array_equal(anchor, views[:, 0])
    np.testing.assert_array_equal(positive, views[:, 1])
    np.testing.assert_array_equal(negative, np.roll(views[:, 0], -1, axis=0))
    (loss,) = _task(margin=0.7).compute_losses(targets, outputs).values()
    np.testing.assert_allclose(loss, cosine_triplet(anchor, positive, negative, 0.7), rtol=1e-6)


def test_negatives_come_from_the_batch_of_all_replicas():
    targets, outputs = _outputs(5)
    strategy = build_strategy(DistributionOptions(strategy="mirrored"))

    @tf.function(autograph=False)
    def step():
        def replica_step():
            place = tf.distribute.get_replica_context().replica_id_in_sync_group
            begin, end = 2 * place, 2 + 3 * place
            own = tf.nest.map_structure(lambda one: one[begin:end], (targets, outputs))
            return _task().compute_losses(*own)["triplet"]

        return strategy.experimental_local_results(strategy.run(replica_step))

    whole = _task().compute_losses(targets, outputs)["triplet"]
    np.testing.assert_allclose(np.concatenate(step()), whole, rtol=1e-5)


def test_collapsed_embeddings_cost_the_margin():
    targets, _ = _outputs()
    losses = _task().compute_losses(targets, {"embeddings": tf.ones([4, 2, 3])})
    np.testing.assert_allclose(losses["triplet"], 0.5)


def test_accuracy_counts_triplets_in_order():
    targets = {"example": tf.constant([4, 9], tf.int64)}
    metric = TripletAccuracy()
    views = tf.constant([[[1.0, 0.0], [0.9, 0.1]], [[0.6, 0.4], [-1.0, 0.0]]])
    metric.update_state(targets, {"embeddings": views})
    assert float(metric.result()) == 0.5
    metric = TripletAccuracy()
    metric.update_state(targets, {"embeddings": tf.ones([2, 2, 3])})
    assert float(metric.result()) == 0
