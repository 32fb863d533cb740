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


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_dilation_is_a_kernel_with_zeros_between_its_cells(padding):
    layer = _layer(groups=1)
    images = np.random.default_rng(2).normal(size=[2, 11, 9, 4]).astype(np.float32)
    spread = np.zeros([7, 7, 4, 6], np.float32)
    spread[::3, ::3] = layer.kernel
    around = 3 if padding == "SAME" else 0
    padded = np.pad(images, [(0, 0), (around, around), (around, around), (0, 0)])
    expected = _reference(padded, spread, layer.bias.numpy(), 1)
    with tf.GradientTape() as tape:
        found = layer(images, padding=padding, dilation=3)
        total = tf.reduce_sum(found)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    # The sum's gradient by a cell of the kernel is the sum of what the cell meets.
    height, width = found.shape[1:3]
    sums = np.stack(
        [
            [
                padded[:, row : row + height, column : column + width].sum((0, 1, 2))
                for column in (0, 3, 6)
            ]
            for row in (0, 3, 6)
        ]
    )
    gradient = tape.gradient(total, layer.kernel)
    np.testing.assert_allclose(gradient, np.repeat(sums[..., None], 6, -1), rtol=1e-3, atol=1e-4)


def _pad(images, edge, kernel, stride):
    """Puts `edge` around the maps where TensorFlow's SAME puts zeros."""
    batch, height, width, _ = images.shape
    before, totals = [], []
    for size in (height, width):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        before.append(total // 2)
        totals.append(total)
    padded = np.tile(edge, (batch, height + totals[0], width + totals[1], 1))
    padded[:, before[0] : before[0] + height, before[1] : before[1] + width] = images
    return padded


@pytest.mark.parametrize(
    ("kernel", "stride", "groups"),
    [(3, 1, 1), (3, 1, 2), (5, 2, 1), (4, 3, 2), (2, 2, 1), (7, 1, 1), (7, 1, 2), (7, 2, 1)],
)
def test_padding_may_hold_a_value_of_each_channel(kernel, stride, groups):
    layer = Convolution(6, kernel, stride, groups, "random_normal")
    layer.build([None, None, None, 4])
    layer.bias.assign(tf.range(6.0))
    random = np.random.default_rng(kernel)
    images = random.normal(size=[2, 8, 5, 4]).astype(np.float32)
    edge = random.uniform(0, 2, 4).astype(np.float32)
    padded = _pad(images.astype(np.float64), edge, kernel, stride)
    expected = _reference(padded, layer.kernel.numpy().astype(np.float64), np.arange(6), groups)
    found = layer(images, edge=tf.constant(edge))
    # float32 sums of up to 196 products, against float64
    np.testing.assert_allclose(found, expected[:, ::stride, ::stride], rtol=1e-4, atol=1e-5)
    larger = np.tile(images, [1, 2, 2, 1])
    np.testing.assert_array_equal(
        layer(larger, padding="VALID", edge=tf.constant(edge)), layer(larger, padding="VALID")
    )


@pytest.mark.parametrize(("edge", "expected"), [(0.0, [-1, -0.5, 4]), (0.4, [-0.8, -0.5, 3.6])])
def test_edge_padding_of_the_specification(edge, expected):
    layer = Convolution(1, 3)
    layer.build([None, None, None, 1])
    layer.kernel.assign(tf.reshape([0.0, 0, 0, 0.5, 1, -1, 0, 0, 0], [3, 3, 1, 1]))
    found = layer(tf.reshape([1.0, 2, 3], [1, 1, 3, 1]), edge=tf.constant([edge]))
    np.testing.assert_allclose(tf.reshape(found, [3]), expected, rtol=1e-6)


@pytest.mark.parametrize("kernel", [3, 7])
def test_gradient_flows_into_kernel_and_edge(kernel):
    """The outputs are linear in both: a difference of any size is the gradient."""
    layer = Convolution(4, kernel, groups=2, kernel_initializer="random_normal")
    layer.build([None, None, None, 6])
    images = tf.random.stateless_normal([2, 5, 8, 6], seed=[1, 2])
    weights = tf.random.stateless_normal([2, 5, 8, 4], seed=[3, 4])
    edge = tf.Variable(tf.random.stateless_uniform([6], seed=[5, 6]))

    def total():
        return tf.reduce_sum(layer(images, edge=edge) * weights)

    with tf.GradientTape() as tape:
        before = total()
    for variable, gradient in zip(
        [layer.kernel, edge], tape.gradient(before, [layer.kernel, edge]), strict=True
    ):
        change = tf.random.stateless_normal(variable.shape, seed=[7, 8])
        variable.assign_add(change)
        # float32 totals of thousands of products
        np.testing.assert_allclose(
            total() - before, tf.reduce_sum(gradient * change), rtol=1e-3, atol=1e-2
        )
        variable.assign_sub(change)


def test_edge_padding_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        layer = _layer(groups=2)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    random = np.random.default_rng(3)
    images = random.normal(size=[2, 6, 5, 4]).astype(np.float32)
    edge = random.uniform(0, 1, 4).astype(np.float32)
    found = layer(tf.cast(images, tf.bfloat16), edge=tf.constant(edge))
    assert found.dtype == tf.bfloat16
    expected = _reference(_pad(images, edge, 3, 1), layer.kernel.numpy(), np.arange(6), 2)
    # bfloat16 keeps 8 bits of inputs and of outputs up to 5
    np.testing.assert_allclose(tf.cast(found, tf.float32), expected, atol=0.06)


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


@pytest.mark.parametrize("sides", [(None, 16), (16, None), (None, None), (16, 16)])
def test_dilated_gradient_of_a_sum_whatever_a_graph_knows_of_the_sides(sides):
    layer = Convolution(4, 3, kernel_initializer="random_normal")
    layer.build([None, None, None, 4])

    def differentiate(maps):
        with tf.GradientTape() as tape:
            tape.watch(maps)
            total = tf.reduce_sum((maps + layer(maps, dilation=2)) ** 2)
        return tape.gradient(total, [maps, layer.kernel])

    in_graph = tf.function(differentiate, input_signature=[tf.TensorSpec([2, *sides, 4])])
    shape = [2, *(side or 12 for side in sides), 4]
    maps = tf.constant(np.random.default_rng(3).normal(size=shape), tf.float32)
    for found, expected in zip(in_graph(maps), differentiate(maps), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
