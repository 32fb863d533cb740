import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import PIXELS, Tap, Window, compose_tap, map_size, top_channels

VGG_POOL = Window(2, 2)
ALEXNET = {
    "conv1": [Window(11, 4)],
    "conv2": [Window(11, 4), Window(3, 2), Window(5)],
    "conv5": [Window(11, 4), Window(3, 2), Window(5), Window(3, 2), Window(3), Window(3)],
    "fc6": [Window(11, 4), Window(3, 2), Window(5), Window(3, 2), Window(3, 2), Window(6)],
}
RESNET_CONV1 = Window(7, 2, padding=3)
# (windows, size) -> (stride, offset): section 4.2 of the specification.
GOLDENS = [
    ([Window(3)] * 2, 64, 1, 0.0),
    ([Window(3), VGG_POOL, Window(3)], 96, 2, 0.5),
    ([VGG_POOL] * 2, 96, 4, 1.5),
    ([VGG_POOL] * 3, 96, 8, 3.5),
    ([VGG_POOL] * 4, 224, 16, 7.5),
    ([*[VGG_POOL] * 5, Window(7), Window(1)], 224, 32, 15.5),
    ([*[VGG_POOL] * 5, Window(7), VGG_POOL, Window(3)], 448, 64, 31.5),
    ([*[VGG_POOL] * 5, Window(7), VGG_POOL, Window(3), VGG_POOL, Window(3)], 448, 128, 63.5),
    *[(ALEXNET[name], 227, stride, 1.0) for name, stride in (("conv1", 4), ("conv2", 8))],
    (ALEXNET["conv5"], 227, 16, 1.0),
    (ALEXNET["fc6"], 227, 32, 17.0),
    *[
        (ALEXNET[name], size, stride, offset)
        for size in (352, 448)
        for name, stride, offset in (
            ("conv1", 4, 2.0),
            ("conv2", 8, 6.0),
            ("conv5", 16, 14.0),
            ("fc6", 32, 46.0),
        )
    ],
    ([RESNET_CONV1], 224, 2, 0.0),
    ([RESNET_CONV1, Window(3, 2), Window(1, 2), Window(3)], 224, 8, 2.0),
]


@pytest.mark.parametrize(("windows", "size", "stride", "offset"), GOLDENS)
def test_offsets_of_published_networks(windows, size, stride, offset):
    tap = compose_tap("layer", 5, windows, (size, size))
    assert tap == Tap("layer", stride, (offset, offset), 5)


@pytest.mark.parametrize(("windows", "size", "stride", "offset"), GOLDENS)
def test_offsets_of_tensor_sizes_agree(windows, size, stride, offset):
    tap = compose_tap("layer", 5, windows, (tf.constant(size), tf.constant(size + 3)))
    assert float(tap.offset[0]) == offset
    assert float(tap.offset[1]) == compose_tap("", 0, windows, (1, size + 3)).offset[1]


@pytest.mark.parametrize("size", [8, 9, 13, 20])
@pytest.mark.parametrize("window", [Window(3, 2), Window(6), Window(4, 3), Window(5, 2, "VALID")])
def test_offset_is_the_center_of_what_a_cell_sees(window, size):
    """The reference looks which pixels move a middle cell of a real convolution."""
    signal = tf.Variable(tf.zeros([1, 1, size, 1]))
    with tf.GradientTape() as tape:
        kernel = tf.ones([1, window.kernel, 1, 1])
        outputs = tf.nn.conv2d(signal, kernel, [1, window.stride], window.padding)
        middle = outputs[0, 0, outputs.shape[2] // 2, 0]
    seen = np.flatnonzero(tape.gradient(middle, signal))
    tap = compose_tap("layer", 1, [window], (1, size))
    assert outputs.shape[2] == window.output_size(size)
    assert len(seen) == window.kernel
    assert tap.stride * (outputs.shape[2] // 2) + tap.offset[1] == seen.mean()


@pytest.mark.parametrize("as_size", [int, tf.constant], ids=["static", "tensor"])
@pytest.mark.parametrize("sizes", [(448, 352), (227, 203), (75, 41), (3, 130)])
def test_a_chain_may_be_continued_from_any_map(sizes, as_size):
    windows, given = ALEXNET["fc6"], tuple(map(as_size, sizes))
    whole = compose_tap("fc6", 4, windows, given)
    for first in range(1, len(windows)):
        start = compose_tap("", 9, windows[:first], given)
        cells = given
        for window in windows[:first]:
            cells = tuple(window.output_size(size) for size in cells)
        found = compose_tap("fc6", 4, windows[first:], cells, start=start)
        assert (found.name, found.stride, found.channels) == ("fc6", 32, 4)
        assert [*map(float, found.offset)] == [*map(float, whole.offset)]


def test_a_continued_chain_keeps_zero_alignment():
    start = Tap("conv5", 16, 0.0, 7)
    tap = compose_tap("conv8_1", 4, [VGG_POOL, Window(3)], (14, 9), "zero", start)
    assert tap == Tap("conv8_1", 32, (0.0, 0.0), 4)


def test_zero_alignment_keeps_the_stride_only():
    tap = compose_tap("fc6", 4, ALEXNET["fc6"], (227, 131), alignment="zero")
    assert tap == Tap("fc6", 32, (0.0, 0.0), 4)


def test_unknown_alignment_is_an_error():
    with pytest.raises(ValueError, match=r"alignment='corner'.*centered, zero"):
        compose_tap("fc6", 4, [], (8, 8), alignment="corner")


def test_alignments_read_a_ramp_differently():
    """HOUSE 2.6: location 1 of a 2-cell ramp reads 0.25 or 0.5 along one axis."""
    positions = tf.constant([1.0])
    assert Tap("a", 2, 0.5).to_cells(positions, 0, 2).numpy() == [0.25]
    assert Tap("a", 2, 0.0).to_cells(positions, 0, 2).numpy() == [0.5]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_neighbors_stay_inside_and_bracket_the_position(size):
    tap = Tap("a", 3, (1.0, 1.25))
    positions = tf.constant([-1e6, -1.0, 0.0, 2.9, 4.0, 7.77, 13.0, 14.0, 1e6])
    low, high, fraction = (value.numpy() for value in tap.neighbors(positions, 1, size))
    assert low.dtype == high.dtype == np.int32
    assert low.min() >= 0
    assert high.max() <= size - 1
    assert np.all(high == np.minimum(low + 1, size - 1))
    expected = np.clip((positions.numpy().astype(np.float64) - 1.25) / 3, 0, size - 1)
    np.testing.assert_allclose(low + fraction, expected, atol=1e-6)


def test_last_cell_is_reached_exactly_in_float32():
    """size - 1.0000001 rounds to size - 1 from size 4 on: no margin is safe."""
    low, high, fraction = Tap("a", 1, 0.0).neighbors(tf.constant([1e9]), 0, 4097)
    assert (int(low[0]), int(high[0]), float(fraction[0])) == (4096, 4096, 0.0)


def test_centers_map_back_to_their_cells():
    tap = Tap("a", 8, (3.5, 2.0))
    for axis in (0, 1):
        np.testing.assert_array_equal(tap.to_cells(tap.centers(axis, 6), axis, 6), np.arange(6))
    np.testing.assert_array_equal(PIXELS.centers(0, tf.constant(3)), [0, 1, 2])


def test_map_size_is_static_where_it_can_be():
    seen = []

    @tf.function(input_signature=[tf.TensorSpec([None, 5, None, 2])])
    def size_of(features):
        rows, columns = map_size(features)
        seen.append((rows, tf.is_tensor(columns)))
        return columns

    assert int(size_of(tf.zeros([1, 5, 7, 2]))) == 7
    assert seen == [(5, True)]


@pytest.mark.parametrize(
    ("taps", "channels"),
    [
        ([Tap("conv4", 8, 0.0, 32), Tap("conv4b", 8, 3.5, 48), Tap("top", 32, 15.5, 768)], 48),
        ([Tap("fc6", 32, 0.0, 6), Tap("fc7", 32, 0.0, 8), Tap("top", 32, 15.5, 8)], 8),
        ([Tap("conv4b", 8, 3.5, 48), Tap("top", 32, 15.5, 100)], 100),
        ([Tap("conv1", 8, 3.5, 4), Tap("conv2", 8, 3.5, 48)], 48),
        ([Tap("top", 1, 0.0, 7)], 7),
    ],
    ids=["a flattened map", "fully connected", "no map", "convolutional mode", "nothing below"],
)
def test_channels_of_a_collapsed_top_are_those_of_its_map(taps, channels):
    assert top_channels({tap.name: tap for tap in taps}) == channels
