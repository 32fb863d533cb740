import numpy as np
import scipy.special
import tensorflow as tf

from tfcolor.tasks.label_task import LabelTask
from tfcolor.tasks.pretext import PretextOptions

LABELS = np.array([[0, 1, 2], [4, 2, 2]], np.int32)
LOGITS = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)


def test_loss_is_the_mean_cross_entropy_of_the_patches():
    task = LabelTask(PretextOptions(), {})
    (loss,) = task.compute_losses({"label": LABELS}, {"logits": LOGITS}).values()
    log_probs = scipy.special.log_softmax(LOGITS, axis=-1)
    expected = -np.take_along_axis(log_probs, LABELS[..., np.newaxis], -1).mean(axis=(1, 2))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    whole = task.compute_losses({"label": LABELS[:, 0]}, {"logits": LOGITS[:, 0]})
    np.testing.assert_allclose(whole["cross_entropy"], -log_probs[[0, 1], 0, [0, 4]], rtol=1e-5)


def test_accuracy_counts_patches():
    task = LabelTask(PretextOptions(), {})
    logits = tf.one_hot([[0, 1, 1], [4, 0, 2]], 5)
    (metric,) = task.build_metrics().values()
    metric.update_state({"label": tf.constant(LABELS)}, {"logits": logits})
    np.testing.assert_allclose(metric.result(), 4 / 6)
    assert task.score in task.build_metrics()
