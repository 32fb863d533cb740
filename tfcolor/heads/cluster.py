"""Clusters of images predicted from the features that are clustered."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfcolor.core.features import unrectified_top
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.heads.embedding import embedding_size

NAME = "cluster_head"
DEVIATION = 0.01
"""Of the normal distribution that the kernel of the logits is drawn from."""


class ClusterHead(tf.keras.Model):
    """Predicts the logits of clusters; gives the features to be clustered.

    Rectified layers, if any, follow the top of a backbone, and the logits follow
    these. What is clustered is the last layer before its ReLU. All is float32
    under every precision policy.

    Args:
      taps: of the backbone; the last one is its top.
      num_clusters: K.
      hidden_sizes: features of the layers between the top and the logits.
      seed: every kernel derives from it.

    Attributes:
      seed: as given.

    References:
      Caron, Bojanowski, Joulin, Douze. Deep Clustering for Unsupervised Learning
      of Visual Features. ECCV 2018.
    """

    read_taps: tuple[str, ...] = ()

    def __init__(
        self,
        taps: Mapping[str, Tap],
        num_clusters: int,
        hidden_sizes: Sequence[int] = (),
        *,
        seed: int,
    ) -> None:
        super().__init__(name=NAME, autocast=False)
        self.seed = seed
        self.hidden = []
        size = embedding_size(taps)
        for number, width in enumerate(hidden_sizes, 1):
            name = f"hidden{number}"
            initializer = tf.keras.initializers.HeNormal(derive_seed(seed, f"{NAME}/{name}/kernel"))
            layer = tf.keras.layers.Dense(
                width, kernel_initializer=initializer, dtype="float32", name=name
            )
            layer.build([None, size])
            self.hidden.append(layer)
            size = width
        self.clusters = tf.keras.layers.Dense(
            num_clusters, kernel_initializer="zeros", dtype="float32", name="clusters"
        )
        self.clusters.build([None, size])
        self.restart(0)

    def restart(self, number: int) -> None:
        """Forgets which cluster is which: draws the last layer anew, in place.

        Args:
          number: of the draw, from 0.
        """
        draw_seed = [derive_seed(self.seed, f"{NAME}/clusters/kernel"), number]
        kernel, bias = self.clusters.kernel, self.clusters.bias
        kernel.assign(tf.random.stateless_normal(kernel.shape, draw_seed, stddev=DEVIATION))
        bias.assign(tf.zeros(bias.shape))

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Predicts the cluster of each image.

        Args:
          features: `top`, float [B, D] or [B, h, w, D], which is averaged, and,
            if there is one, `UNRECTIFIED_TOP`, float [B, D].
          inputs: not read.
          taps: not read.
          training: not read.

        Returns:
          `logits`, float32 [B, K]; `embeddings`, float32 [B, D], what is
          clustered.
        """
        del inputs, taps, training
        values, embeddings = _vectors(features["top"]), _vectors(unrectified_top(features))
        for layer in self.hidden:
            embeddings = layer(values)
            values = tf.nn.relu(embeddings)
        return {"logits": self.clusters(values), "embeddings": embeddings}


def _vectors(top: tf.Tensor) -> tf.Tensor:
    """Returns float32 [B, D] of float [B, D], or of [B, h, w, D], averaged."""
    top = tf.cast(top, tf.float32)
    return tf.reduce_mean(top, axis=[1, 2]) if top.shape.rank == 4 else top
