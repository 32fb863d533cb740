import tensorflow as tf

from tfcolor.metrics.judgement import JudgementAccuracy


def test_counts_both_kinds_and_halves_doubt():
    metric = JudgementAccuracy()
    metric.update_state({}, {"real_logits": tf.constant([1.0, -2.0]), "fake_logits": tf.zeros([2])})
    assert float(metric.result()) == (1 + 0 + 0.5 + 0.5) / 4
    metric.update_state({}, {"real_logits": tf.ones([4]), "fake_logits": -tf.ones([4])})
    assert float(metric.result()) == (2 + 8) / 12
