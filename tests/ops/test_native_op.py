"""What the native op promises beyond the reference's own tests."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.ops.sparse_hypercolumn import sparse_hypercolumn

# (height, width, channels, stride, offset): no two sizes agree; channels around
# the vector widths; one cell, one row, one column; coarse and fine.
MAPS = (
    (41, 37, 1, 1, (0.0, 0.0)),
    (20, 19, 67, 2, (0.5, 0.5)),
    (9, 11, 300, 3, (1.0, 2.25)),
    (5, 6, 31, 8, (3.5, 3.5)),
    (1, 7, 8, 6, (2.0, -1.5)),
    (8, 1, 9, 5, (0.0, 4.0)),
    (1, 1, 13, 32, (15.5, 15.5)),
    (2, 2, 0, 16, (7.5, 7.5)),
    (3, 2, 515, 16, (7.5, 7.5)),
)
TAPS = [Tap(f"tap{i}", stride, offset, c) for i, (_, _, c, stride, offset) in enumerate(MAPS)]


def _random_maps(batch=3, dtype=np.float32, seed=5):
    random = np.random.default_rng(seed)
    return [random.normal(size=[batch, h, w, c]).astype(dtype) for h, w, c, _, _ in MAPS]


def _locations(batch=3, count=90, seed=6):
    """Inside, outside, on corners and borders, on whole pixels, and repeated."""
    random = np.random.default_rng(seed)
    locations = random.uniform(-8, 50, [batch, count, 2]).astype(np.float32)
    locations[:, ::4] = np.round(locations[:, ::4])
    locations[:, :5] = [[0, 0], [40, 36], [0, 36], [-1e9, 1e9], [1e30, -3e38]]
    locations[:, 30:37] = locations[:, 4:5] / 3e37
    return locations


def _differentiate(maps, locations, taps, columns_gradient, implementation):
    maps = [tf.convert_to_tensor(one) for one in maps]
    with tf.GradientTape() as tape:
        tape.watch(maps)
        columns = sparse_hypercolumn(maps, tf.constant(locations), taps, implementation)
    return columns, tape.gradient(columns, maps, output_gradients=columns_gradient)


@pytest.mark.native
def test_columns_are_exact(native_ops, exact_columns):
    maps, locations = _random_maps(), _locations()
    columns = sparse_hypercolumn(maps, locations, TAPS, "native")
    # Four products of numbers up to 4 in float32; relative to the summands.
    np.testing.assert_allclose(columns, exact_columns(maps, locations, TAPS), rtol=1e-6, atol=1e-6)


@pytest.mark.native
def test_gradients_are_exact(native_ops, exact_gradients):
    maps, locations = _random_maps(), _locations()
    columns_gradient = np.random.default_rng(7).normal(size=[3, 90, sum(m[2] for m in MAPS)])
    columns_gradient = columns_gradient.astype(np.float32)
    _, gradients = _differentiate(maps, locations, TAPS, columns_gradient, "native")
    expected = exact_gradients(maps, locations, TAPS, columns_gradient)
    for one, other in zip(gradients, expected, strict=True):
        # Up to 90 summands meet in the single cell of a 1x1 map.
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-5)


@pytest.mark.native
@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.half])
def test_gradients_in_low_precision_are_rounded_once(native_ops, exact_gradients, dtype):
    maps = [tf.cast(one, dtype) for one in _random_maps()]
    locations = _locations()
    columns_gradient = tf.cast(tf.random.normal([3, 90, sum(m[2] for m in MAPS)]), dtype)
    _, gradients = _differentiate(maps, locations, TAPS, columns_gradient, "native")
    expected = exact_gradients(
        [tf.cast(one, tf.float32).numpy() for one in maps],
        locations,
        TAPS,
        tf.cast(columns_gradient, tf.float32).numpy(),
    )
    epsilon = {tf.bfloat16: 2**-8, tf.half: 2**-11}[dtype]
    for one, other in zip(gradients, expected, strict=True):
        assert one.dtype == dtype
        np.testing.assert_allclose(tf.cast(one, tf.float32), other, rtol=1.01 * epsilon, atol=2e-5)


@pytest.mark.native
def test_gradients_match_numerical_ones(native_ops):
    locations = tf.constant(_locations(2, 9))
    taps = [TAPS[index] for index in (1, 3, 4)]
    maps = [tf.constant(one[:2, :6, :7, :3]) for one in (_random_maps()[i] for i in (1, 3, 4))]

    def sample(*maps):
        return sparse_hypercolumn(maps, locations, taps, "native")

    # The op is linear, so that a step of 1 has no truncation error.
    analytic, numeric = tf.test.compute_gradient(sample, maps, delta=1.0)
    for one, other in zip(analytic, numeric, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.native
def test_cells_of_weight_zero_are_not_read(native_ops):
    features = np.full([1, 3, 3, 2], np.nan, np.float32)
    features[0, 2, 1] = 4
    columns = sparse_hypercolumn(
        [features], tf.constant([[[2.0, 1.0], [9.0, 1.0]]]), [Tap("a", 1, 0.0, 2)], "native"
    )
    np.testing.assert_array_equal(columns, np.full([1, 2, 2], 4))


@pytest.mark.native
def test_large_gradients_equal_those_made_in_parts(native_ops):
    # 35 MB go past the caches, 17 MB do not; no cell begins on a cache line.
    channels, part = 517, 258
    random = np.random.default_rng(8)
    maps = [np.zeros([1, 130, 131, channels], np.float32)]
    columns_gradient = random.normal(size=[1, 90, channels]).astype(np.float32)
    locations = _locations(1)
    _, (whole,) = _differentiate(
        maps, locations, [Tap("a", 1, 0.0, channels)], columns_gradient, "native"
    )
    for start, end in ((0, part), (part, channels)):
        tap = Tap("a", 1, 0.0, end - start)
        one = [maps[0][..., start:end]]
        _, (piece,) = _differentiate(
            one, locations, [tap], columns_gradient[..., start:end], "native"
        )
        np.testing.assert_array_equal(whole[..., start:end], piece)
    assert np.count_nonzero(np.any(whole != 0, axis=-1)) > 90


@pytest.mark.native
@pytest.mark.parametrize(("batch", "count"), [(0, 4), (3, 0), (0, 0)])
def test_empty_batches_and_location_lists(native_ops, batch, count):
    maps = [one[:batch] for one in _random_maps()]
    channels = sum(m[2] for m in MAPS)
    columns, gradients = _differentiate(
        maps,
        np.zeros([batch, count, 2], np.float32),
        TAPS,
        tf.ones([batch, count, channels]),
        "native",
    )
    assert columns.shape == [batch, count, channels]
    for one, other in zip(gradients, maps, strict=True):
        assert one.shape == other.shape
        assert not np.any(one)


@pytest.mark.native
def test_forty_maps_at_once(native_ops, exact_columns):
    random = np.random.default_rng(3)
    maps = [random.normal(size=[2, 3 + i, 43 - i, 1 + i]).astype(np.float32) for i in range(40)]
    taps = [Tap(f"tap{i}", 1 + i % 5, 0.5 * i, 1 + i) for i in range(40)]
    locations = random.uniform(-5, 60, [2, 11, 2]).astype(np.float32)
    columns = sparse_hypercolumn(maps, locations, taps, "native")
    np.testing.assert_allclose(columns, exact_columns(maps, locations, taps), rtol=1e-6, atol=1e-6)


@pytest.mark.native
@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.half])
def test_every_16_bit_number_survives(native_ops, dtype):
    """All 65536 of them, half's subnormals and infinities too, sampled on a cell."""
    bits = tf.bitcast(tf.reshape(tf.range(65536), [1, 1, 1, -1]), tf.uint16)[..., 0]
    features = tf.reshape(tf.bitcast(bits, dtype), [1, 1, 1, -1])
    columns = sparse_hypercolumn([features], tf.zeros([1, 1, 2]), [Tap("a", 1, 0.0)], "native")
    before, after = (tf.cast(one, tf.float32).numpy().ravel() for one in (features, columns))
    # Those of bfloat16 are subnormal in float32 too: TensorFlow's threads flush them.
    before[np.abs(before) < np.finfo(np.float32).tiny] = 0
    np.testing.assert_array_equal(after, before)


REPEAT = """
import hashlib, sys
import numpy as np, tensorflow as tf
from tfcolor.core.taps import Tap
from tfcolor.ops.sparse_hypercolumn import sparse_hypercolumn
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
random = np.random.default_rng(1)
sizes = [(64, 50, 24, 1), (31, 33, 96, 2), (8, 9, 520, 8)]
maps = [tf.constant(random.normal(size=[3, h, w, c]).astype("f")) for h, w, c, _ in sizes]
taps = [Tap("tap", s, 0.5, c) for _, _, c, s in sizes]
locations = tf.constant(random.uniform(0, 64, [3, 300, 2]).astype("f"))
for _ in range(int(sys.argv[2])):
    with tf.GradientTape() as tape:
        tape.watch(maps)
        columns = sparse_hypercolumn(maps, locations, taps, "native")
    results = [columns, *tape.gradient(columns, maps, output_gradients=columns)]
    print(hashlib.sha256(b"".join(one.numpy().tobytes() for one in results)).hexdigest())
"""


@pytest.mark.native
def test_bits_repeat_over_runs_and_threads(native_ops):
    """Fifty runs, on one, two and eight threads."""
    digests = []
    for threads, runs in ((1, 10), (2, 20), (8, 20)):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment.pop("TF_NUM_INTRAOP_THREADS", None)
        command = [sys.executable, "-c", REPEAT, str(threads), str(runs)]
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        )
        digests += result.stdout.split()
    assert len(digests) == 50
    assert len(set(digests)) == 1
    assert digests[0] != hashlib.sha256(b"").hexdigest()


@pytest.mark.native
def test_runs_in_a_function_of_unknown_shapes(native_ops):
    taps = TAPS[:2]
    specs = [tf.TensorSpec([None, None, None, c]) for _, _, c, _, _ in MAPS[:2]]

    @tf.function(input_signature=[specs, tf.TensorSpec([None, None, 2]), tf.TensorSpec([])])
    def run(maps, locations, offset):
        moved = [taps[0], Tap("tap1", 2, (offset, 0.5), 67)]
        with tf.GradientTape() as tape:
            tape.watch(maps)
            columns = sparse_hypercolumn(maps, locations, moved, "native")
        assert columns.shape.as_list() == [None, None, 68]
        return columns, tape.gradient(columns, maps)

    maps, locations = _random_maps()[:2], _locations()
    columns, gradients = run(maps, locations, 0.5)
    expected, expected_gradients = _differentiate(
        maps, locations, taps, tf.ones([3, 90, 68]), "native"
    )
    np.testing.assert_array_equal(columns, expected)
    for one, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.native
def test_runs_on_mirrored_replicas(native_ops):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    features, locations = _random_maps(4)[3], _locations(4)
    with strategy.scope():
        kernel = tf.Variable(tf.ones([31, 1]))

    def replica(index):
        return slice(2 * index, 2 * index + 2)

    def split(value):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(value[replica(context.replica_id_in_sync_group)])
        )

    @tf.function
    def run(features, locations):
        gradients = strategy.run(_gradient, args=(features, locations, kernel))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, gradients, axis=None)

    expected = _gradient(tf.constant(features), tf.constant(locations), tf.ones([31, 1]))
    np.testing.assert_allclose(run(split(features), split(locations)), expected, rtol=1e-4)


def _gradient(features, locations, kernel):
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        columns = sparse_hypercolumn([features * kernel[:, 0]], locations, TAPS[3:4], "native")
        loss = tf.reduce_sum(columns**2)
    return tape.gradient(loss, kernel)


@pytest.mark.native
def test_lives_in_a_saved_training_graph(native_ops, tmp_path):
    taps = TAPS[1:2]

    class Trainer(tf.Module):
        def __init__(self):
            super().__init__()
            self.scale = tf.Variable(2.0)

        @tf.function(
            input_signature=[tf.TensorSpec([None, 20, 19, 67]), tf.TensorSpec([None, 5, 2])]
        )
        def step(self, features, locations):
            with tf.GradientTape() as tape:
                columns = sparse_hypercolumn([features * self.scale], locations, taps, "native")
                loss = tf.reduce_sum(columns**2)
            self.scale.assign_sub(1e-4 * tape.gradient(loss, self.scale))
            return loss

    trainer = Trainer()
    options = tf.saved_model.SaveOptions(namespace_whitelist=["Tfcolor"])
    tf.saved_model.save(trainer, str(tmp_path / "saved"), options=options)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    features, locations = _random_maps(2)[1], _locations(2, 5)
    assert loaded.step(features, locations) == trainer.step(features, locations)
    assert loaded.scale.numpy() == trainer.scale.numpy() != 2
