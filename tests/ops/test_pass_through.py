import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.ops.pass_through import PassThroughColumns
from tfcolor.ops.sparse_hypercolumn import sparse_hypercolumn

pytestmark = pytest.mark.native
TAPS = {
    "fine": Tap("fine", 1, 0.0, 5),
    "middle": Tap("middle", 2, (0.5, 1.0), 9),
    "coarse": Tap("coarse", 4, 1.5, 3),
}
KERNELS = [tf.random.stateless_normal([3, 3, a, b], [a, b]) for a, b in ((2, 5), (5, 9), (9, 3))]
LOCATIONS = tf.random.stateless_uniform([2, 17, 2], [1, 2], -4, 30)
IMAGES = tf.random.stateless_normal([2, 22, 27, 2], [3, 4])


def _chain(images, kernels, visit):
    """A network of three layers whose maps `visit` sees; returns all maps."""
    maps, current = {}, images
    for name, kernel, stride in zip(TAPS, kernels, (1, 2, 2), strict=True):
        current = visit(name, tf.nn.relu(tf.nn.conv2d(current, kernel, stride, "SAME")))
        maps[name] = current
    return maps


def _loss(columns, last):
    weights = tf.range(float(columns.shape[-1])) + 1
    columns = tf.cast(columns, tf.float32)
    return tf.reduce_sum(columns**2 * weights) + tf.reduce_sum(tf.cast(last, tf.float32) ** 3)


def _passed(images, kernels):
    sampler = PassThroughColumns(LOCATIONS, TAPS)
    with tf.GradientTape() as tape:
        tape.watch([images, *kernels])
        maps = _chain(images, kernels, sampler)
        loss = _loss(sampler.columns, maps["coarse"])
    return sampler.columns, tape.gradient(loss, [images, *kernels])


def _plain(images, kernels):
    with tf.GradientTape() as tape:
        tape.watch([images, *kernels])
        maps = _chain(images, kernels, lambda name, features: features)
        columns = sparse_hypercolumn(
            list(maps.values()), LOCATIONS, list(TAPS.values()), "reference"
        )
        loss = _loss(columns, maps["coarse"])
    return columns, tape.gradient(loss, [images, *kernels])


@pytest.mark.parametrize("wrap", [tf.function, lambda function: function], ids=["graph", "eager"])
def test_columns_and_gradients_are_those_of_the_reference(native_ops, wrap):
    columns, gradients = wrap(_passed)(IMAGES, KERNELS)
    expected, expected_gradients = _plain(IMAGES, KERNELS)
    np.testing.assert_allclose(columns, expected, rtol=1e-5, atol=1e-5)
    for one, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


def test_bits_repeat(native_ops):
    run = tf.function(_passed)
    results = [tf.nest.flatten(run(IMAGES, KERNELS)) for _ in range(10)]
    for again in results[1:]:
        for one, other in zip(results[0], again, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.half])
def test_low_precision_gradients(native_ops, dtype):
    images, *kernels = (tf.cast(0.3 * one, dtype) for one in (IMAGES, *KERNELS))
    columns, gradients = _passed(images, kernels)
    exact = [tf.cast(one, tf.float32) for one in (images, *kernels)]
    expected, expected_gradients = _plain(exact[0], exact[1:])
    assert columns.dtype == gradients[0].dtype == dtype
    # Three layers in 8 bits; what counts is that the scale is right.
    for one, other in zip([columns, *gradients], [expected, *expected_gradients], strict=True):
        error = np.abs(tf.cast(one, tf.float32) - other).max()
        assert error < 0.05 * np.abs(other).max()


def test_gradient_is_added_in_place(native_ops):
    """Nothing of the size of the map is made besides its dense gradient."""
    sampler = PassThroughColumns(LOCATIONS, {"fine": TAPS["fine"]})

    @tf.function
    def gradient(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            passed = PassThroughColumns(LOCATIONS, {"fine": TAPS["fine"]})
            current = passed("fine", features)
            loss = tf.reduce_sum(tf.sin(current)) + tf.reduce_sum(passed.columns)
        return tape.gradient(loss, features)

    graph = gradient.get_concrete_function(tf.zeros([2, 22, 27, 5])).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("Tfcolor>HypercolumnTapGrad") == 1
    assert "AddN" not in kinds
    assert sampler.taps == {"fine": TAPS["fine"]}


def test_inputs_in_use_elsewhere_are_left_alone(native_ops):
    dense, columns_gradient = tf.ones([2, 22, 27, 5]), tf.ones([2, 17, 5])
    total = native_ops.tfcolor_hypercolumn_tap_grad(
        dense, columns_gradient, LOCATIONS, [0.0, 0.0], stride=1, first_channel=0
    )
    np.testing.assert_array_equal(dense, tf.ones_like(dense))
    np.testing.assert_allclose(tf.reduce_sum(total - dense), 2 * 17 * 5, rtol=1e-5)


def test_other_maps_are_returned_untouched(native_ops):
    sampler = PassThroughColumns(LOCATIONS, TAPS)
    features = tf.zeros([1, 2, 3, 4])
    assert sampler("pool", features) is features


def test_visiting_twice_or_not_at_all_is_an_error(native_ops):
    sampler = PassThroughColumns(LOCATIONS, TAPS)
    sampler("fine", tf.zeros([2, 22, 27, 5]))
    with pytest.raises(ValueError, match="tap 'fine' is visited twice"):
        sampler("fine", tf.zeros([2, 22, 27, 5]))
    with pytest.raises(ValueError, match="not visited yet: middle, coarse"):
        sampler.columns  # noqa: B018
