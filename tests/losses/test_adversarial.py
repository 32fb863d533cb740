import numpy as np
import pytest
import tensorflow as tf

from tfcolor.losses.adversarial import discriminator_loss, judgement_loss


def _logit(probability):
    return tf.constant([np.log(probability / (1 - probability))])


def test_the_published_losses():
    assert float(judgement_loss(_logit(0.3), is_real=True)[0]) == pytest.approx(-np.log(0.3))
    assert float(discriminator_loss(_logit(0.8), _logit(0.3))[0]) == pytest.approx(
        0.579818, abs=1e-6
    )


def test_agrees_with_the_cross_entropy_of_keras():
    logits = np.random.default_rng(2).normal(0, 5, 9)
    for is_real in (True, False):
        expected = tf.keras.losses.binary_crossentropy(
            np.full([9, 1], float(is_real)), logits[:, None], from_logits=True
        )
        np.testing.assert_allclose(judgement_loss(tf.constant(logits), is_real=is_real), expected)


def test_a_sure_discriminator_still_gives_a_gradient_to_what_it_judges():
    logits = tf.constant([-40.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        wanted = judgement_loss(logits, is_real=True)
        saturating = -judgement_loss(logits, is_real=False)
    assert float(tape.gradient(wanted, logits)[0]) == -1
    assert abs(float(tape.gradient(saturating, logits)[0])) < 1e-15
