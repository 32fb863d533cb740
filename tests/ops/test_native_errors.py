"""Every bad call of the native ops is an error that names the input."""

import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.native
ERRORS = tf.errors.InvalidArgumentError
MAPS = [tf.zeros([2, 5, 4, 3]), tf.zeros([2, 3, 2, 1])]
LOCATIONS = tf.zeros([2, 7, 2])
OFFSETS = tf.zeros([2, 2])
STRIDES = [1, 2]


def _poisoned(value):
    locations = np.zeros([2, 7, 2], np.float32)
    locations[1, 3, 0] = value
    return tf.constant(locations)


SAMPLE = {"features": MAPS, "locations": LOCATIONS, "offsets": OFFSETS, "strides": STRIDES}
SAMPLE_ERRORS = [
    ({"locations": tf.zeros([2, 7])}, r"locations has shape \[2,7\]; expected \[B, L, 2\]"),
    ({"locations": tf.zeros([2, 7, 3])}, r"locations has shape \[2,7,3\]"),
    ({"locations": tf.zeros([3, 7, 2])}, r"features\[0\] has batch size 2 but locations has 3"),
    ({"locations": _poisoned(np.nan)}, r"locations has the value nan at flat index 20"),
    ({"locations": _poisoned(-np.inf)}, r"locations has the value -inf at flat index 20"),
    ({"offsets": tf.zeros([3, 2])}, r"offsets has shape \[3,2\]; expected \[2,2\]"),
    ({"offsets": tf.zeros([4])}, r"offsets has shape \[4\]"),
    ({"offsets": OFFSETS + np.inf}, r"offsets has the value inf at flat index 0"),
    ({"strides": [1]}, r"strides"),
    ({"strides": [1, 0]}, r"strides has the value 0; expected >= 1"),
    ({"strides": [1, 2, 4]}, r"strides has 3 values; expected one for each of 2 maps"),
    ({"features": [MAPS[0], tf.zeros([2, 3, 2])]}, r"features\[1\] has shape \[2,3,2\]"),
    ({"features": [MAPS[0], tf.zeros([3, 3, 2, 1])]}, r"features\[1\] has batch size 3"),
    ({"features": [tf.zeros([2, 0, 4, 3]), MAPS[1]]}, r"features\[0\].* at least one row"),
    ({"features": [MAPS[0], tf.zeros([2, 3, 0, 1])]}, r"features\[1\].* at least one row"),
]
GRADIENT = {
    "columns_gradient": tf.zeros([2, 7, 4]),
    "locations": LOCATIONS,
    "offsets": OFFSETS,
    "sizes": [[2, 5, 4, 3], [2, 3, 2, 1]],
    "strides": STRIDES,
}
GRADIENT_ERRORS = [
    ({"columns_gradient": tf.zeros([2, 7, 5])}, r"columns_gradient has shape \[2,7,5\]"),
    ({"columns_gradient": tf.zeros([2, 8, 4])}, r"columns_gradient has shape \[2,8,4\]"),
    ({"columns_gradient": tf.zeros([8])}, r"columns_gradient has shape \[8\]"),
    ({"locations": _poisoned(np.inf)}, r"locations has the value inf"),
    ({"offsets": OFFSETS * np.nan}, r"offsets has the value nan"),
    ({"sizes": [[2, 5, 4, 3], [3, 3, 2, 1]]}, r"sizes\[1\] has batch size 3"),
    ({"sizes": [[2, 5, 4], [2, 3, 2, 1]]}, r"sizes\[0\] has shape \[2,5,4\]"),
    ({"sizes": [[[2, 5, 4, 3]], [2, 3, 2, 1]]}, r"sizes\[0\] has shape \[1,4\]; .* vector"),
    ({"sizes": [[2, 5, -4, 3], [2, 3, 2, 1]]}, r"sizes\[0\]: .*-4"),
    ({"sizes": [[2, 2**30, 2**30, 2**30], [2, 3, 2, 1]]}, r"sizes\[0\]: .*2\*\*63"),
]
TAP = {
    "features": MAPS[0],
    "locations": LOCATIONS,
    "offset": tf.zeros([2]),
    "columns": [tf.zeros([2, 7, 8])],
    "stride": 2,
    "first_channel": 4,
    "num_channels": 8,
}
TAP_ERRORS = [
    ({"features": tf.zeros([2, 5, 4])}, r"features has shape \[2,5,4\]"),
    ({"features": tf.zeros([1, 5, 4, 3])}, r"features has batch size 1"),
    ({"locations": _poisoned(np.nan)}, r"locations has the value nan"),
    ({"offset": tf.zeros([1, 2])}, r"offset has shape \[1,2\]; expected \[2\]"),
    ({"columns": [tf.zeros([2, 7, 9])]}, r"columns has shape \[2,7,9\]; expected \[2,7,8\]"),
    ({"columns": [tf.zeros([2, 7, 8])] * 2}, r"columns has 2 tensors; expected at most one"),
    ({"stride": 0}, r"stride is 0; expected >= 1"),
    ({"first_channel": -1}, r"first_channel is -1"),
    ({"first_channel": 6}, r"features has 3 channels, which from first_channel=6 on exceed the 8"),
    ({"first_channel": 2**62}, r"exceed the 8"),
    ({"num_channels": -8}, r"exceed the -8|must be >= 0"),
]
TAP_GRADIENT = {
    "gradient": MAPS[0],
    "columns_gradient": tf.zeros([2, 7, 8]),
    "locations": LOCATIONS,
    "offset": tf.zeros([2]),
    "stride": 2,
    "first_channel": 4,
}
TAP_GRADIENT_ERRORS = [
    ({"gradient": tf.zeros([2, 5])}, r"gradient has shape \[2,5\]"),
    ({"gradient": tf.zeros([4, 5, 4, 3])}, r"gradient has batch size 4"),
    ({"columns_gradient": tf.zeros([2, 8])}, r"columns_gradient has shape \[2,8\]"),
    ({"columns_gradient": tf.zeros([2, 6, 8])}, r"columns_gradient has shape \[2,6,8\]"),
    ({"columns_gradient": tf.zeros([2, 7, 6])}, r"exceed the 6 of columns"),
    ({"locations": tf.zeros([2, 7, 1])}, r"locations has shape \[2,7,1\]"),
    ({"offset": tf.constant([0, np.nan])}, r"offset has the value nan at flat index 1"),
]
CALLS = [
    ("sparse_hypercolumn", SAMPLE, SAMPLE_ERRORS),
    ("sparse_hypercolumn_grad", GRADIENT, GRADIENT_ERRORS),
    ("hypercolumn_tap", TAP, TAP_ERRORS),
    ("hypercolumn_tap_grad", TAP_GRADIENT, TAP_GRADIENT_ERRORS),
]


@pytest.mark.parametrize(
    ("name", "arguments", "change", "message"),
    [(name, good, *bad) for name, good, cases in CALLS for bad in cases],
)
def test_bad_call_names_the_input(native_ops, name, arguments, change, message):
    call = getattr(native_ops, f"tfcolor_{name}")
    call(**arguments)
    with pytest.raises(ERRORS, match=message):
        call(**{**arguments, **change})


@pytest.mark.parametrize(
    ("name", "arguments", "change"),
    [
        ("sparse_hypercolumn", SAMPLE, {"locations": tf.zeros([3, 7, 2])}),
        ("sparse_hypercolumn", SAMPLE, {"offsets": tf.zeros([2, 3])}),
        ("hypercolumn_tap", TAP, {"columns": [tf.zeros([2, 7, 9])]}),
        ("hypercolumn_tap_grad", TAP_GRADIENT, {"columns_gradient": tf.zeros([2, 6, 8])}),
    ],
)
def test_graphs_find_shapes_that_cannot_belong_together(native_ops, name, arguments, change):
    call = tf.function(lambda: getattr(native_ops, f"tfcolor_{name}")(**{**arguments, **change}))
    with pytest.raises(ValueError, match=r"must be equal|must be \d"):
        call.get_concrete_function()


def test_random_calls_end_in_a_result_or_an_error(native_ops):
    """Shapes that fit or not, any offset, NaN and infinite locations."""
    random = np.random.default_rng(11)
    outcomes = {True: 0, False: 0}
    for _ in range(400):
        batch, count, num_maps = random.integers(0, 4), random.integers(0, 9), random.integers(1, 5)
        sizes = [
            [batch, *random.integers(1, 9, 2), random.integers(0, 40)] for _ in range(num_maps)
        ]
        locations = random.normal(size=[batch, count, 2]) * 10.0 ** random.integers(-3, 38)
        offsets = random.normal(size=[num_maps, 2]) * 10.0 ** random.integers(-3, 38)
        strides = random.integers(1, 2**40, num_maps).tolist()
        if random.random() < 0.5:
            bad = random.integers(5)
            if bad == 0 and locations.size:
                locations.flat[random.integers(locations.size)] = random.choice([np.nan, np.inf])
            elif bad == 1:
                offsets.flat[random.integers(offsets.size)] = random.choice([np.nan, -np.inf])
            elif bad == 2:
                strides[0] = -strides[0]
            else:
                sizes[random.integers(num_maps)][random.integers(3)] = random.integers(0, 4)
        outcomes[_call_all(native_ops, sizes, locations, offsets, strides)] += 1
    assert min(outcomes.values()) > 50


def _call_all(native_ops, sizes, locations, offsets, strides):
    """Returns whether forward and backward both succeeded."""
    locations, offsets = (tf.constant(one, tf.float32) for one in (locations, offsets))
    maps = [tf.random.normal([int(cells) for cells in size]) for size in sizes]
    columns_gradient = tf.ones([*locations.shape[:2], sum(one.shape[-1] for one in maps)])
    succeeded = []
    for call in (
        lambda: native_ops.tfcolor_sparse_hypercolumn(maps, locations, offsets, strides=strides),
        lambda: native_ops.tfcolor_sparse_hypercolumn_grad(
            columns_gradient, locations, offsets, [one.shape for one in maps], strides=strides
        ),
    ):
        try:
            results = call()
            assert all(np.isfinite(one).all() for one in results)
            succeeded.append(True)
        except ERRORS as error:
            assert any(
                word in str(error)
                for word in ("features", "sizes", "locations", "offsets", "strides")
            )
            succeeded.append(False)
    assert succeeded[0] == succeeded[1]
    return succeeded[0]
