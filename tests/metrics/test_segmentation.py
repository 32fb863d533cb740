import inspect

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import confusion_matrix, jaccard_score

from tfcolor.metrics.segmentation import MeanIntersectionOverUnion


def _maps(num_classes=5, shape=(3, 7, 11), seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(num_classes - 1, size=shape).astype(np.uint8)
    predicted = np.where(random.random(shape) < 0.6, labels, random.integers(3, size=shape))
    labels[random.random(shape) < 0.2] = 255
    return labels, predicted.astype(np.int64)


def _measure(labels, predicted, num_classes=5):
    metric = MeanIntersectionOverUnion(num_classes)
    metric.update_state(labels, predicted)
    return metric


def test_golden_value():
    metric = _measure([0, 0, 1, 1, 2, 2, 255, 1], [0, 1, 1, 1, 2, 0, 2, 2], 3)
    np.testing.assert_allclose(metric.per_class(), [1 / 3, 1 / 2, 1 / 3])
    np.testing.assert_allclose(metric.result(), 0.3888888889, rtol=1e-9)
    np.testing.assert_allclose(metric.pixel_accuracy(), 4 / 7)
    assert metric.result().dtype == tf.float64


def test_agrees_with_scikit_learn_and_ignores_void():
    labels, predicted = _maps()
    metric = MeanIntersectionOverUnion(5)
    for one, other in zip(labels, predicted, strict=True):
        metric.update_state(one, other)
    known = labels != 255
    assert not known.all()
    truth, guess = labels[known], predicted[known]
    expected = confusion_matrix(truth, guess, labels=range(5))
    assert metric.confusion.dtype == tf.int64
    np.testing.assert_array_equal(metric.confusion, expected)
    scores = jaccard_score(truth, guess, labels=range(4), average=None)
    np.testing.assert_allclose(metric.per_class()[:4], scores)
    np.testing.assert_allclose(metric.pixel_accuracy(), (truth == guess).mean())


def test_a_class_that_is_nowhere_does_not_count_but_one_only_predicted_does():
    metric = _measure([0, 0, 1, 255], [0, 3, 1, 2])
    np.testing.assert_allclose(metric.per_class(), [1 / 2, 1, np.nan, 0, np.nan])
    np.testing.assert_allclose(metric.result(), 0.5)


def test_predictions_on_void_do_not_matter():
    metric = _measure([255, 1], [77, 1])
    assert metric.result() == 1
    assert int(tf.reduce_sum(metric.confusion)) == 1


@pytest.mark.parametrize(
    ("labels", "predicted", "message"),
    [([5], [0], "true labels"), ([0], [5], "predicted labels"), ([-1], [0], "true labels")],
)
def test_labels_out_of_range_are_refused(labels, predicted, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        _measure(labels, predicted)
    metric = MeanIntersectionOverUnion(5)

    @tf.function
    def update(*maps):
        metric.update_state(*maps)

    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        update(tf.constant(labels), tf.constant(predicted))


def test_nothing_is_zero_and_reset_forgets():
    metric = MeanIntersectionOverUnion(5)
    assert (metric.result(), metric.pixel_accuracy()) == (0, 0)
    metric.update_state(*_maps())
    assert metric.result() > 0
    metric.reset_state()
    assert (metric.result(), metric.pixel_accuracy()) == (0, 0)


def test_counts_beyond_32_bits_stay_exact():
    metric = _measure([0], [0], 2)
    metric.variables[0].assign_add([[2**53, 0], [0, 0]])
    metric.update_state([0], [0])
    assert int(metric.confusion[0, 0]) == 2**53 + 2


def test_merging_equals_seeing_all():
    labels, predicted = _maps()
    parts = [_measure(labels[row], predicted[row]) for row in range(3)]
    parts[0].merge_state(parts[1:])
    np.testing.assert_array_equal(parts[0].confusion, _measure(labels, predicted).confusion)


def test_replicas_add_up():
    labels, predicted = _maps(shape=(2, 5, 6))
    strategy = tf.distribute.MirroredStrategy(tf.config.list_logical_devices("CPU")[:2])
    with strategy.scope():
        metric = MeanIntersectionOverUnion(5)
    assert strategy.num_replicas_in_sync == 2
    rows = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(context.replica_id_in_sync_group)
    )

    @tf.function
    def update():
        strategy.run(
            lambda row: metric.update_state(tf.constant(labels)[row], tf.constant(predicted)[row]),
            args=(rows,),
        )

    update()
    np.testing.assert_allclose(metric.result(), _measure(labels, predicted).result())
    np.testing.assert_array_equal(metric.confusion, _measure(labels, predicted).confusion)


def test_constructor_arguments_are_checked_and_serialized():
    with pytest.raises(ValueError, match="num_classes 0: expected at least 1"):
        MeanIntersectionOverUnion(0)
    with pytest.raises(ValueError, match="void_label 11: expected none of the 12 classes"):
        MeanIntersectionOverUnion(12, void_label=11)
    config = MeanIntersectionOverUnion(3, void_label=3, name="other").get_config()
    assert set(inspect.signature(MeanIntersectionOverUnion).parameters) <= set(config)
    assert MeanIntersectionOverUnion.from_config(config).get_config() == config
