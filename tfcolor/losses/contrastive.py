"""Losses that compare the embeddings of images with each other."""

import tensorflow as tf

MASKED = -1e9
"""Logit of what is no candidate."""


def unit_vectors(embeddings: tf.Tensor) -> tf.Tensor:
    """Returns embeddings of length 1; zero stays zero.

    Args:
      embeddings: float [..., D].

    Returns:
      float [..., D] of the same dtype.

    Example:
      >>> unit_vectors(tf.constant([[3.0, 4.0], [0.0, 2.0]])).numpy()
      array([[0.6, 0.8],
             [0. , 1. ]], dtype=float32)
    """
    return tf.math.l2_normalize(embeddings, axis=-1)


def cosine_distance(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Returns 1 minus the cosine of the angle between embeddings.

    Args:
      one: float [..., D].
      other: float [..., D].

    Returns:
      float [...], in [0, 2].
    """
    return 1 - tf.reduce_sum(unit_vectors(one) * unit_vectors(other), axis=-1)


def cosine_triplet(
    anchor: tf.Tensor, positive: tf.Tensor, negative: tf.Tensor, margin: float
) -> tf.Tensor:
    """Returns by how much the negative is not farther from the anchor than the positive.

    Args:
      anchor: float [B, D].
      positive: float [B, D], of the same image.
      negative: float [B, D], of another image.
      margin: how much farther it has to be; the loss where all are equal.

    Returns:
      float [B], `max(D(anchor, positive) - D(anchor, negative) + margin, 0)` for
      the cosine distance D, in [0, 2 + margin].

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017.
    """
    difference = cosine_distance(anchor, positive) - cosine_distance(anchor, negative)
    return tf.nn.relu(difference + margin)


def next_in_batch(numbers: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Returns where the next example of a batch is: a batch that is rolled by one.

    It depends on the numbers of examples alone, not on where they lie.

    Args:
      numbers: int64 [B], of some examples of the batch.
      batch: int64 [N], of all of them, all different.

    Returns:
      int64 [B] in [0, N), the place of the next higher number; after the highest
      comes the lowest.

    Example:
      >>> batch = tf.constant([7, 4, 9, 5])
      >>> next_in_batch(tf.constant([4, 9]), batch).numpy()
      array([3, 1])
    """
    ahead = batch - numbers[:, tf.newaxis]
    last = tf.reduce_max(batch) - tf.reduce_min(batch) + 1
    return tf.argmin(tf.where(ahead > 0, ahead, ahead + last), axis=1)


def contrastive_logits(
    views: tf.Tensor, batch: tf.Tensor, own: tf.Tensor, temperature: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns how similar each view is to all others of a batch.

    Args:
      views: float [B, 2, D], embeddings of two views of each of some images.
      batch: float [N, 2, D], those of all images.
      own: bool [B, N], which of them is the same image, one in each row.
      temperature: what the cosine of two embeddings is divided by.

    Returns:
      (logits, is_positive), float and bool [B, 2, 2 * N]: cosines over the
      temperature, `MASKED` for the view itself; and which of them is the other
      view of the image.
    """
    cosines = tf.einsum("bvd,nwd->bvnw", unit_vectors(views), unit_vectors(batch))
    is_same_view = tf.eye(2, dtype=tf.bool)[:, tf.newaxis]
    own = own[:, tf.newaxis, :, tf.newaxis]
    logits = tf.where(own & is_same_view, tf.cast(MASKED, cosines.dtype), cosines / temperature)
    shape = tf.stack([tf.shape(views)[0], 2, 2 * tf.shape(batch)[0]])
    return tf.reshape(logits, shape), tf.reshape(own & ~is_same_view, shape)


def nt_xent(views: tf.Tensor, batch: tf.Tensor, own: tf.Tensor, temperature: float) -> tf.Tensor:
    """Returns the cross-entropy of finding the other view of an image.

    Args:
      views: float [B, 2, D], embeddings of two views of each of some images.
      batch: float [N, 2, D], those of all images.
      own: bool [B, N], which of them is the same image, one in each row.
      temperature: what the cosine of two embeddings is divided by.

    Returns:
      float [B], nats, the mean over both views; `log(2 * N - 1)` where all
      embeddings are equal. The mean over a batch is the published loss; the
      published code gives twice that.

    References:
      Chen, Kornblith, Norouzi, Hinton. A Simple Framework for Contrastive Learning
      of Visual Representations. ICML 2020, equation 1.
    """
    logits, is_positive = contrastive_logits(views, batch, own, temperature)
    positive = tf.reduce_sum(tf.where(is_positive, logits, 0), axis=-1)
    return tf.reduce_mean(tf.reduce_logsumexp(logits, axis=-1) - positive, axis=-1)
