import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from tfcolor.layers.convolution import Convolution


def _reference(images, kernel, bias, groups):
    """Stride 1, VALID: cross-correlates every output channel with its group."""
    outputs = []
    num_in, num_out = kernel.shape[2], kernel.shape[3] // groups
    for channel in range(kernel.shape[3]):
        first = channel // num_out * num_in
        block = images[..., first : first + num_in]
        correlated = [
            scipy.signal.correlate(one, kernel[..., channel], mode="valid")[..., 0] for one in block
        ]
        outputs.append(np.stack(correlated) + bias[channel])
    return np.stack(outputs, -1)


def _layer(groups):
    layer = Convolution(6, 3, groups=groups, kernel_initializer="random_normal")
    layer.build([None, None, None, 4])
    layer.bias.assign(tf.range(6.0))
    return layer


@pytest.mark.parametrize("groups", [1, 2])
def test_groups_read_their_own_channels(groups):
    layer = _layer(groups)
    images = np.random.default_rng(1).normal(size=[2, 7, 5, 4]).astype(np.float32)
    expected = _reference(images, layer.kernel.numpy(), layer.bias.numpy(), groups)
    np.testing.assert_allclose(layer(images, padding="VALID"), expected, rtol=1e-4, atol=1e-5)


def test_padding_is_chosen_by_the_call():
    layer = _layer(groups=2)
    images = tf.random.normal([2, 7, 5, 4])
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    np.testing.assert_allclose(
        layer(images, padding="SAME"), layer(padded, padding="VALID"), rtol=1e-5, atol=1e-6
    )
    assert layer.kernel.shape == [3, 3, 2, 6]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_grouped_gradient_in_a_graph(policy):
    """A grouped tf.nn.conv2d fails here: on the fused bias, or in bfloat16."""
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        layer = _layer(groups=2)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")

    @tf.function
    def gradients(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(images), tf.float32))
        return tape.gradient(loss, [layer.kernel, layer.bias])

    kernel_gradient, bias_gradient = gradients(tf.ones([2, 7, 5, 4]))
    np.testing.assert_allclose(bias_gradient, [70.0] * 6)
    np.testing.assert_allclose(kernel_gradient[1, 1], np.full([2, 6], 70.0))
    np.testing.assert_allclose(kernel_gradient[0, 0], np.full([2, 6], 2 * 6 * 4.0))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_a_large_kernel_is_one_product_with_the_same_result(padding):
    layer = Convolution(5, 7, kernel_initializer="random_normal")
    layer.build([None, None, None, 3])
    images = tf.random.stateless_normal([2, 9, 8, 3], seed=[1, 2])
    weights = tf.random.stateless_normal([2, 9, 8, 5], seed=[3, 4])[:, :3, :2]

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(images)
            output = function()
            total = tf.reduce_sum(output[:, :3, :2] * weights)
        return output, *tape.gradient(total, [images, layer.kernel])

    found = gradients(lambda: layer(images, padding=padding))
    expected = gradients(lambda: tf.nn.conv2d(images, layer.kernel, 1, padding))
    for one, other in zip(found, expected, strict=True):
        # float32 sums of 147 products in another order
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    if padding == "VALID":
        reference = _reference(images.numpy(), layer.kernel.numpy(), np.zeros(5), groups=1)
        np.testing.assert_allclose(found[0], reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_large_kernel_may_be_a_convolution_again(groups):
    layer = Convolution(6, 7, groups=groups, kernel_initializer="random_normal")
    images = np.random.default_rng(2).normal(size=[1, 9, 8, 4]).astype(np.float32)
    layer.build(images.shape)
    layer.uses_product = False
    traced = tf.function(layer).get_concrete_function(tf.TensorSpec(images.shape))
    assert {"ExtractImagePatches"}.isdisjoint(op.type for op in traced.graph.get_operations())
    expected = _reference(images, layer.kernel.numpy(), layer.bias.numpy(), groups)
    np.testing.assert_allclose(layer(images, padding="VALID"), expected, rtol=1e-4, atol=1e-5)
