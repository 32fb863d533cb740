"""Answers about the patches of an example, to each or to all of them together."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.heads.embedding import embedding_size, patch_embeddings

NAME = "patch_head"


class PatchHead(tf.keras.Model):
    """Predicts the logits of labels from the top of a backbone for each patch.

    A rectified layer whose weights all patches share codes each of them. The
    codes of patches that are answered together are put one after the other, in
    order; then come rectified layers of their own and a linear one. Logits are
    float32 under every precision policy.

    Args:
      taps: of the backbone; the last one is its top.
      num_labels: K.
      num_joined: patches that one answer is about; 1 answers about each.
      code_size: features of a patch; 0 takes the top itself.
      hidden_sizes: features of the layers behind the codes.
      kernel_deviation: of the normal distribution that the kernels of the codes
        and of the labels start from; 0, and hidden layers, for that of He.
      seed: every initial kernel derives from it.
    """

    read_taps: tuple[str, ...] = ()

    def __init__(
        self,
        taps: Mapping[str, Tap],
        num_labels: int,
        *,
        num_joined: int = 1,
        code_size: int = 0,
        hidden_sizes: Sequence[int] = (),
        kernel_deviation: float = 0.0,
        seed: int,
    ) -> None:
        super().__init__(name=NAME, autocast=False)
        self.is_joint = num_joined > 1
        size, self.code = embedding_size(taps), None
        if code_size:
            self.code = _dense("code", size, code_size, kernel_deviation, seed)
        size = num_joined * (code_size or size)
        self.hidden = []
        for number, width in enumerate(hidden_sizes, 1):
            self.hidden.append(_dense(f"hidden{number}", size, width, 0.0, seed))
            size = width
        self.labels = _dense("labels", size, num_labels, kernel_deviation, seed)

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Predicts labels of patches.

        Args:
          features: `top`, float [B * T, D] or [B * T, h, w, D], which is averaged.
          inputs: `image`, float32 [B, T, H, W, C]. Where patches are answered
            together in several orders, `slots`, int32 [B, R, T], those orders.
          taps: not read.
          training: not read.

        Returns:
          `logits`, float32 [B, K] of patches that are answered together, [B, R, K]
          of their orders, and [B, T, K] of patches on their own.
        """
        del taps, training
        values = patch_embeddings(features, inputs)
        if self.code is not None:
            values = tf.nn.relu(self.code(values))
        if "slots" in inputs:
            values = tf.gather(values, inputs["slots"], axis=1, batch_dims=1)
        if self.is_joint:
            *orders, num_patches, size = values.shape[1:]
            values = tf.reshape(values, [-1, *orders, num_patches * size])
        for layer in self.hidden:
            values = tf.nn.relu(layer(values))
        return {"logits": self.labels(values)}


def _dense(
    name: str, in_size: int, size: int, kernel_deviation: float, seed: int
) -> tf.keras.layers.Dense:
    """Returns a linear layer with its variables."""
    kernel_seed = derive_seed(seed, f"{NAME}/{name}/kernel")
    if kernel_deviation:
        initializer = tf.keras.initializers.RandomNormal(0.0, kernel_deviation, kernel_seed)
    else:
        initializer = tf.keras.initializers.HeNormal(kernel_seed)
    layer = tf.keras.layers.Dense(size, kernel_initializer=initializer, dtype="float32", name=name)
    layer.build([None, in_size])
    return layer
