"""What a discriminator's opinion costs itself, and those whom it judges."""

import tensorflow as tf


def judgement_loss(logits: tf.Tensor, *, is_real: bool) -> tf.Tensor:
    """Returns what it costs that something is not taken for real, or for a fake.

    The cross-entropy of the discriminator's own labels trains it; that of the
    opposite ones trains what it judges, with a gradient that does not vanish
    where the discriminator is sure.

    Args:
      logits: float32 [B], of being real.
      is_real: the wanted judgement.

    Returns:
      float32 [B], nats.

    Example:
      >>> print(f"{judgement_loss(tf.zeros([1]), is_real=True)[0]:.4f}")
      0.6931

    References:
      Goodfellow et al. Generative Adversarial Nets. NIPS 2014, section 3.
    """
    return tf.math.softplus(-logits if is_real else logits)


def discriminator_loss(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Returns what its mistakes cost a discriminator.

    Args:
      real_logits: float32 [B], of what is real.
      fake_logits: float32 [B], of fakes.

    Returns:
      float32 [B], nats, the sum over both.
    """
    return judgement_loss(real_logits, is_real=True) + judgement_loss(fake_logits, is_real=False)
