import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.layers import hypercolumn
from tfcolor.layers.hypercolumn import HypercolumnProjection
from tfcolor.ops.sparse_hypercolumn import sparse_hypercolumn

CHANNELS = {"fine": 2, "same": 3, "coarse": 4, "twin": 5, "shifted": 1}
TAPS = {
    "fine": Tap("fine", 1, 0.0, 2),
    "same": Tap("same", 4, 1.5, 3),
    "coarse": Tap("coarse", 8, 3.5, 4),
    "twin": Tap("twin", 8, 3.5, 5),
    "shifted": Tap("shifted", 8, (1.0, 2.0), 1),
}
SIZE = (21, 13)


def _features(batch=2):
    sizes = {
        name: (-(-SIZE[0] // tap.stride), -(-SIZE[1] // tap.stride)) for name, tap in TAPS.items()
    }
    return {
        name: tf.random.normal([batch, *sizes[name], tap.channels]) for name, tap in TAPS.items()
    }


def _layer(units=6):
    layer = HypercolumnProjection(CHANNELS, units, seed=3)
    layer.kernel.assign(tf.random.normal(layer.kernel.shape))
    layer.bias.assign(tf.random.normal([units]))
    return layer


def _centers(grid, size, batch=2):
    rows, columns = np.meshgrid(grid.centers(0, size[0]), grid.centers(1, size[1]), indexing="ij")
    return tf.constant(np.tile(np.stack([rows, columns], -1).reshape(1, -1, 2), [batch, 1, 1]))


def test_sparse_multiplies_the_joined_columns():
    layer, features = _layer(), _features()
    locations = tf.random.uniform([2, 7, 2], -3, 25)
    columns = sparse_hypercolumn(list(features.values()), locations, list(TAPS.values())).numpy()
    expected = columns @ layer.kernel.numpy() + layer.bias.numpy()
    np.testing.assert_allclose(
        layer.sparse(features, locations, TAPS), expected, rtol=1e-4, atol=1e-5
    )


def test_small_taps_are_projected_before_they_are_sampled():
    """Fewer cells than locations: no tensor has their channels for every location."""
    channels = {"fine": 2, "small": 50, "twin": 60}
    layer = HypercolumnProjection(channels, 3, seed=3)
    layer.kernel.assign(tf.random.normal(layer.kernel.shape))
    taps = {
        "fine": Tap("fine", 1, 0.0, 2),
        "small": Tap("small", 8, 3.5, 50),
        "twin": Tap("twin", 8, 3.5, 60),
    }
    shapes = {"fine": [2, 21, 13, 2], "small": [2, 3, 2, 50], "twin": [2, 3, 2, 60]}
    features = {name: tf.random.normal(shape) for name, shape in shapes.items()}
    locations = tf.random.uniform([2, 9, 2], -3, 25)
    run = tf.function(lambda features: layer.sparse(features, locations, taps))
    graph = run.get_concrete_function(features).graph
    columns = [
        out.shape[-1]
        for operation in graph.get_operations()
        for out in operation.outputs
        if out.shape.rank == 3 and out.shape[1] == 9
    ]
    assert max(columns) <= 3
    joined = sparse_hypercolumn(list(features.values()), locations, list(taps.values()))
    expected = joined.numpy() @ layer.kernel.numpy()
    np.testing.assert_allclose(run(features), expected, rtol=1e-4, atol=1e-4)


def test_order_of_projection_does_not_change_gradients():
    layer, features = _layer(), _features()
    locations = tf.random.uniform([2, 31, 2], -3, 25)

    def gradients(project):
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = tf.reduce_sum(tf.sin(project()))
        return tape.gradient(loss, [layer.kernel, *features.values()])

    def sample_first():
        columns = sparse_hypercolumn(list(features.values()), locations, list(TAPS.values()))
        return columns @ layer.kernel + layer.bias

    for one, other in zip(
        gradients(lambda: layer.sparse(features, locations, TAPS)),
        gradients(sample_first),
        strict=True,
    ):
        np.testing.assert_allclose(
            tf.convert_to_tensor(one), tf.convert_to_tensor(other), rtol=1e-3, atol=1e-4
        )


@pytest.mark.native
@pytest.mark.parametrize("num_locations", [3, 31])
def test_passing_through_gives_the_same_outputs(num_locations):
    layer, features = _layer(), _features()
    locations = tf.random.uniform([2, num_locations, 2], -3, 25)
    sampler = layer.build_sampler(locations, TAPS, SIZE)
    if sampler is None:
        pytest.skip("the native op is not built")
    assert (
        tuple(sampler.taps)
        == (tuple(TAPS) if num_locations == 3 else ("fine",))[: len(sampler.taps)]
    )
    passed = {name: sampler(name, one) for name, one in features.items()}
    np.testing.assert_allclose(
        layer.sparse(passed, locations, TAPS, sampler),
        layer.sparse(features, locations, TAPS),
        rtol=1e-4,
        atol=1e-5,
    )


def test_without_the_native_op_nothing_passes_through(monkeypatch):
    monkeypatch.setattr(hypercolumn, "choose_implementation", lambda *_: "reference")
    assert _layer().build_sampler(tf.zeros([2, 3, 2]), TAPS, SIZE) is None


@pytest.mark.parametrize("grid", [Tap("grid", 4, 1.5), Tap("grid", 4, 0.0), Tap("grid", 2, 0.5)])
def test_dense_equals_sparse_at_the_centers(grid):
    layer, features = _layer(), _features()
    size = (-(-SIZE[0] // grid.stride), -(-SIZE[1] // grid.stride))
    dense = layer.dense(features, TAPS, grid, size)
    sparse = layer.sparse(features, _centers(grid, size), TAPS)
    assert dense.shape == [2, *size, 6]
    np.testing.assert_allclose(tf.reshape(dense, sparse.shape), sparse, rtol=1e-4, atol=1e-5)


def test_dense_equals_sparse_with_tensor_offsets():
    layer, features, grid, size = _layer(), _features(), Tap("grid", 4, 1.5), (6, 4)

    @tf.function
    def dense(offset):
        taps = {name: Tap(name, tap.stride, tap.offset) for name, tap in TAPS.items()}
        taps["coarse"] = taps["twin"] = Tap("coarse", 8, offset)
        return layer.dense(features, taps, grid, size)

    np.testing.assert_allclose(
        dense(tf.constant(3.5)), layer.dense(features, TAPS, grid, size), rtol=1e-4, atol=1e-5
    )


def test_coarse_taps_never_reach_the_grid_unprojected():
    """The largest tensor has the size of the output, not of all channels."""
    channels = {"coarse": 500, "fine": 2}
    layer = HypercolumnProjection(channels, 3, seed=3)
    taps = {"coarse": Tap("coarse", 16, 7.5), "fine": Tap("fine", 1, 0.0)}

    @tf.function
    def dense(coarse, fine):
        features = {"coarse": coarse, "fine": fine}
        return layer.dense(features, taps, Tap("grid", 4, 1.5), (16, 16))

    graph = dense.get_concrete_function(tf.zeros([1, 4, 4, 500]), tf.zeros([1, 64, 64, 2])).graph
    sizes = [
        out.shape.num_elements() or 0
        for operation in graph.get_operations()
        for out in operation.outputs
        if out.shape.rank == 4
    ]
    assert max(sizes) == 64 * 64 * 2


def test_low_precision_policy_projects_in_bfloat16():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        layer = _layer()
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    features = {name: tf.cast(one, tf.bfloat16) for name, one in _features().items()}
    grid = Tap("grid", 4, 1.5)
    dense = layer.dense(features, TAPS, grid, (6, 4))
    sparse = layer.sparse(features, _centers(grid, (6, 4)), TAPS)
    assert dense.dtype == sparse.dtype == tf.bfloat16
    assert layer.kernel.dtype == tf.float32
    # bfloat16 has 8 significant bits and the sums have magnitude 10.
    np.testing.assert_allclose(
        tf.cast(tf.reshape(dense, sparse.shape), tf.float32), tf.cast(sparse, tf.float32), atol=0.3
    )


def test_initial_kernel_is_small_and_seeded():
    first, again, other = (
        HypercolumnProjection({"a": 50}, 60, seed=seed).kernel.numpy() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0
    np.testing.assert_allclose(first.std(), 1e-4, rtol=0.1)


def test_no_taps_are_an_error():
    with pytest.raises(ValueError, match="needs at least one"):
        HypercolumnProjection({}, 3, seed=0)
