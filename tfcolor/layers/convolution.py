"""Convolution whose padding and dilation are chosen at each call."""

import tensorflow as tf

MIN_PRODUCT_KERNEL = 6
"""From this size on the kernel is applied as one matrix product. The fc6 of
VGG-16 and AlexNet is a kernel larger than the map it reads; there TensorFlow's
and oneDNN's convolution gradients took 2.2 times as long as the product."""


class Convolution(tf.keras.layers.Conv2D):
    """A 2-D convolution with one set of variables for both paddings and all dilations.

    Groups are convolved one by one. Keras would compile them with XLA, once for
    every input size, and a grouped `tf.nn.conv2d` fails on CPU once the graph
    optimizer has fused the bias into it, and in bfloat16 gradients.

    Args:
      filters: number of output channels.
      kernel_size: cells along each side of the kernel.
      strides: cells between two positions.
      groups: groups of channels; the kernel is [k, k, in / groups, filters].
      kernel_initializer: how the kernel starts; the bias starts at zero.
      use_bias: whether there is a bias.
      name: name of the layer.

    Attributes:
      uses_product: whether a large kernel is applied as one matrix product. Its
        ops are unknown to TensorFlow Lite, and only training gains by it.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        groups: int = 1,
        kernel_initializer: str | tf.keras.initializers.Initializer = "glorot_uniform",
        use_bias: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding="same",
            groups=groups,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            name=name,
        )
        self.uses_product = kernel_size >= MIN_PRODUCT_KERNEL and strides == groups == 1

    def convolution_op(
        self, inputs: tf.Tensor, kernel: tf.Tensor, padding: str = "SAME", dilation: int = 1
    ) -> tf.Tensor:
        """Convolves with a kernel, without the bias.

        Args:
          inputs: float [B, H, W, C].
          kernel: float [k, k, C / groups, filters].
          padding: "SAME" or "VALID".
          dilation: cells from one cell of the kernel to the next; above 1 only
            for layers of stride 1 without groups.

        Returns:
          float [B, h, w, filters].
        """
        if dilation > 1:
            if padding == "SAME":
                inputs = _pad(inputs, kernel, dilation)
            # Of tf.nn.conv2d the gradient is missing on CPU where oneDNN is off.
            return tf.nn.convolution(inputs, kernel, 1, "VALID", dilations=dilation)
        if self.uses_product:
            return _convolve_by_product(inputs, kernel, padding)
        if self.groups == 1:
            return tf.nn.conv2d(inputs, kernel, self.strides, padding)
        parts = zip(
            tf.split(inputs, self.groups, axis=-1),
            tf.split(kernel, self.groups, axis=-1),
            strict=True,
        )
        return tf.concat(
            [tf.nn.conv2d(part, group, self.strides, padding) for part, group in parts], axis=-1
        )

    def call(
        self,
        inputs: tf.Tensor,
        padding: str = "SAME",
        edge: tf.Tensor | None = None,
        dilation: int = 1,
    ) -> tf.Tensor:
        """Convolves and adds the bias if there is one.

        Args:
          inputs: float [B, H, W, C].
          padding: "SAME" or "VALID".
          edge: float [C], what the cells of "SAME" padding hold; None for 0.
            Gradients flow into it.
          dilation: as for `convolution_op`.

        Returns:
          float [B, h, w, filters]; H and W divided by the stride and rounded up
          for "SAME".
        """
        bias = self.bias if self.use_bias else None
        if edge is not None and padding == "SAME" and max(self.kernel_size) > 1:
            # Exact: with `edge` subtracted the padding is 0, and what a kernel
            # of constant cells would give is added to every output.
            edge = tf.cast(edge, inputs.dtype)
            inputs = inputs - edge
            constant = self._response(edge)
            bias = constant if bias is None else tf.cast(bias, tf.float32) + constant
        outputs = self.convolution_op(inputs, self.kernel, padding, dilation)
        return outputs if bias is None else tf.nn.bias_add(outputs, tf.cast(bias, outputs.dtype))

    def _response(self, cell: tf.Tensor) -> tf.Tensor:
        """Returns what a map whose cells all hold [C] gives: float32 [filters]."""
        weights = tf.reduce_sum(tf.cast(self.kernel, tf.float32), axis=[0, 1])
        weights = tf.reshape(weights, [weights.shape[0], self.groups, -1])
        cells = tf.reshape(tf.cast(cell, tf.float32), [self.groups, -1])
        return tf.reshape(tf.einsum("cgo,gc->go", weights, cells), [self.filters])


def _pad(inputs: tf.Tensor, kernel: tf.Tensor, dilation: int) -> tf.Tensor:
    """Returns a map with as many cells of 0 around it as "SAME" takes at stride 1.

    Of a dilated "SAME" convolution of [B, None, 16, C] TensorFlow's graph optimizer
    believes that it has 16 rows, so that the gradient of a sum with it fails.
    """
    spans = [dilation * (size - 1) for size in kernel.shape[:2]]
    around = [(span // 2, span - span // 2) for span in spans]
    return tf.pad(inputs, [(0, 0), *around, (0, 0)])


def _convolve_by_product(inputs: tf.Tensor, kernel: tf.Tensor, padding: str) -> tf.Tensor:
    """Convolves [B, H, W, C] at stride 1 by gathering patches and one product."""
    rows, columns, in_channels, filters = kernel.shape
    patches = tf.image.extract_patches(
        inputs, [1, rows, columns, 1], [1, 1, 1, 1], [1, 1, 1, 1], padding
    )
    flat = tf.reshape(kernel, [rows * columns * in_channels, filters])
    return tf.tensordot(patches, flat, axes=1)
