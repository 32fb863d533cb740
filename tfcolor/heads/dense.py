"""Numbers predicted for every cell of a grid from one map of a backbone."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.ops.dense_sampling import resize_features

LAST_STDDEV = 0.01
"""Of the last kernel: logits start near 0."""


class DenseHead(tf.keras.Model):
    """Predicts one logit for each cell of a grid over the image.

    Three 1 x 1 convolutions on one map, with ReLU between them. Their output is
    read bilinearly at the centers of the grid's cells, wherever the map's cells
    lie, so that maps of every stride and offset give the same grid.

    Args:
      tap: the map to read; only its name and channels are used.
      hidden_units: outputs of the first and of the second convolution.
      cell_size: side of a cell of the grid, pixels.
      seed: every initial kernel derives from it.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 3 (the head for motion segmentation).
    """

    def __init__(self, tap: Tap, hidden_units: int, cell_size: int, *, seed: int) -> None:
        super().__init__(name="dense_head", autocast=False)
        self.tap_name, self.cell_size = tap.name, cell_size
        self.read_taps = (tap.name,)
        self.grid = Tap("grid", cell_size, (cell_size - 1) / 2)
        sizes = {"hidden1": hidden_units, "hidden2": hidden_units, "last": 1}
        self.convolutions = []
        channels = tap.channels
        for name, units in sizes.items():
            kernel_seed = derive_seed(seed, f"dense_head/{name}/kernel")
            is_last = name == "last"
            layer = tf.keras.layers.Dense(  # on cells it is a 1 x 1 convolution
                units,
                activation=None if is_last else "relu",
                kernel_initializer=(
                    tf.keras.initializers.RandomNormal(stddev=LAST_STDDEV, seed=kernel_seed)
                    if is_last
                    else tf.keras.initializers.HeNormal(kernel_seed)
                ),
                dtype="float32" if is_last else None,
                name=name,
            )
            layer.build([None, channels])
            self.convolutions.append(layer)
            channels = units

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Predicts the logits.

        Args:
          features: float [B, h, w, C] maps by tap name.
          inputs: `image`, float32 [B, H, W, C], for its size.
          taps: geometry of each map.
          training: not read.

        Returns:
          `logits`, float32 [B, ceil(H / cell), ceil(W / cell)].
        """
        del training
        maps = features[self.tap_name]
        for convolution in self.convolutions:
            maps = convolution(maps)
        shape = inputs["image"].shape[1:3]
        size = tuple(-(-side // self.cell_size) for side in shape)
        return {"logits": resize_features(maps, taps[self.tap_name], self.grid, size)[..., 0]}
