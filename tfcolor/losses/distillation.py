"""What a student loses by answering otherwise than its teacher."""

import tensorflow as tf

from tfcolor.losses.alpha_beta import alpha_beta_divergence, alpha_beta_terms


def temperature_divergence(teacher: tf.Tensor, student: tf.Tensor, temperature: float) -> tf.Tensor:
    """Returns the usual loss: the divergence of two softmaxes at a temperature.

    `T^2 KL(softmax(y / T) || softmax(z / T))`, which is the sum of the
    alpha-beta divergences at (1 / T, 0) of the normalized measures. Constants
    that are added to all of y or of z change nothing. No gradient reaches the
    teacher.

    Args:
      teacher: float [..., C], logits y.
      student: float [..., C], logits z.
      temperature: T > 0; half the squared distance of the centered logits over C
        for T to infinity.

    Returns:
      float32 [...] (float64 for a float64 student), not negative.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, equation 4.1.
    """
    log_p, log_q = (
        temperature * tf.nn.log_softmax(_widened(logits) / temperature, axis=-1)
        for logits in (teacher, student)
    )
    return tf.reduce_sum(alpha_beta_terms(log_p, log_q, 1 / temperature, 0.0), axis=-1)


def normalized_divergence(
    teacher: tf.Tensor,
    student: tf.Tensor,
    scales: tf.Tensor,
    alpha: float,
    beta: float,
    *,
    normalize_student: bool = True,
) -> tf.Tensor:
    """Returns the new loss: an alpha-beta divergence of normalized activations.

    Activations over their scales are taken for logarithms of measures. At a
    temperature T the loss of equation 4.2 is that of alpha = 1 / T and beta = 0,
    with its factor T^2. No gradient reaches the teacher.

    Args:
      teacher: float [..., C], activations y of any sign.
      student: float [..., C], activations z.
      scales: float [C] or [], s > 0, as `teacher_scales` measures them.
      alpha: 1 / T where beta is 0.
      beta: 0 for the generalized Kullback-Leibler divergence.
      normalize_student: whether z is divided by s too; if not, the student
        learns y / s.

    Returns:
      float32 [...] (float64 for a float64 student), the mean over C, not
      negative.

    References:
      Larsson, 2017, equations 4.2 to 4.7.
    """
    student = _widened(student)
    scales = tf.cast(scales, student.dtype)
    targets = tf.cast(teacher, student.dtype) / scales
    outputs = student / scales if normalize_student else student
    return alpha_beta_divergence(targets, outputs, alpha, beta)


def _widened(values: tf.Tensor) -> tf.Tensor:
    """Returns values of at least 32 bits."""
    values = tf.convert_to_tensor(values)
    return values if values.dtype == tf.float64 else tf.cast(values, tf.float32)
