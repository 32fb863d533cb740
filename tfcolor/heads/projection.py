"""Embeddings of whole patches, for losses that compare them."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.heads.embedding import embedding_size, patch_embeddings
from tfcolor.layers.batch_norm import TrainableBatchNorm


class ProjectionHead(tf.keras.Model):
    """Projects a backbone's top, through hidden layers as wide as it is.

    With batch norm, which is over the patches of all replicas together, no dense
    layer has a bias: each hidden layer is followed by batch norm with scale and
    shift and by a ReLU, the last layer by batch norm with scale only. What is
    transferred to other tasks is what is projected.

    Args:
      taps: the backbone's geometry by tap name; the last one is the top.
      size: D, features of an embedding.
      num_layers: dense layers, at least 1.
      use_batch_norm: whether there is batch norm; if not, dense layers have a bias.
      seed: every initial kernel derives from it.

    Raises:
      ValueError: if there is no layer.

    References:
      Chen, Kornblith, Norouzi, Hinton. A Simple Framework for Contrastive Learning
      of Visual Representations. ICML 2020 (two layers).
      Chen, Kornblith, Swersky, Norouzi, Hinton. Big Self-Supervised Models are
      Strong Semi-Supervised Learners. NeurIPS 2020 (three layers).
    """

    read_taps: tuple[str, ...] = ()

    def __init__(
        self,
        taps: Mapping[str, Tap],
        size: int,
        num_layers: int,
        *,
        use_batch_norm: bool,
        seed: int,
    ) -> None:
        super().__init__(name="projection_head", autocast=False)
        if num_layers < 1:
            raise ValueError(f"num_layers={num_layers}; expected at least 1")
        width = embedding_size(taps)
        self.layers_in_order: list[tf.keras.layers.Layer] = []
        for number in range(num_layers):
            is_last = number == num_layers - 1
            name = f"projection{number + 1}"
            kernel_seed = derive_seed(seed, f"projection_head/{name}/kernel")
            dense = tf.keras.layers.Dense(
                size if is_last else width,
                use_bias=not use_batch_norm,
                kernel_initializer=tf.keras.initializers.GlorotUniform(kernel_seed),
                dtype="float32",
                name=name,
            )
            dense.build([None, width])
            self.layers_in_order.append(dense)
            if use_batch_norm:
                norm = TrainableBatchNorm(
                    synchronize=True, use_ramp=True, use_center=not is_last, name=f"{name}_norm"
                )
                norm.build([None, dense.units])
                self.layers_in_order.append(norm)
            if not is_last:
                self.layers_in_order.append(tf.keras.layers.ReLU(name=f"{name}_relu"))

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Embeds every patch.

        Args:
          features: `top`, float [B * T, W] or [B * T, h, w, W].
          inputs: `image`, float32 [B, T, H, W, C].
          taps: not read.
          training: whether batch norm uses the statistics of the batch.

        Returns:
          `embeddings`, float32 [B, T, D], of any length.
        """
        del taps
        values = patch_embeddings(features, inputs)
        for layer in self.layers_in_order:
            is_norm = isinstance(layer, TrainableBatchNorm)
            values = layer(values, training=training) if is_norm else layer(values)
        return {"embeddings": values}
