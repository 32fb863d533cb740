import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.models.columns import combine_columns

COUNT = 3
WIDTH = 3 / 8  # conv1 has 4 channels and the last one 72: columns of unequal width


def _build(column="", *, kind="cifar_shallow", channels=3, seed=0, **options):
    options = BACKBONES[kind].Options(**{"width_multiplier": WIDTH, "column": column, **options})
    return BACKBONES[kind](options, channels, seed=seed)


def _columns(**options):
    """Columns with random biases and statistics, as after training."""
    columns = [_build(f"{index}/{COUNT}", seed=index, **options) for index in range(COUNT)]
    random_numbers = np.random.default_rng(0)
    for variable in [one for column in columns for one in column.variables]:
        if variable.shape.rank == 1:
            variable.assign(random_numbers.uniform(0.5, 1.5, variable.shape))
    return columns


def _assert_side_by_side(columns, target):
    images = tf.random.stateless_uniform([2, 32, 32, 3], [1, 2])
    found = target(images, convolutional=False)
    parts = [column(images, convolutional=False) for column in columns]
    for name in target.convolutions:
        expected = np.concatenate([part[name] for part in parts], axis=-1)
        assert expected.max() > 0.1
        np.testing.assert_allclose(found[name], expected, atol=3e-6 * expected.max(), err_msg=name)
    tops = [tf.reshape(part["top"], [2, 16, -1]) for part in parts]
    expected = np.reshape(np.concatenate(tops, axis=-1), [2, -1])
    np.testing.assert_allclose(found["top"], expected, atol=3e-6 * expected.max())


@pytest.mark.parametrize("options", [{}, {"use_batch_norm": True}, {"padding": "bias"}])
def test_without_weights_between_them_the_maps_are_those_of_the_columns(options):
    columns, target = _columns(**options), _build(**options)
    combine_columns(columns, target, cross_scale=0.0, seed=0)
    _assert_side_by_side(columns, target)


def test_weights_between_columns_are_small_normal_and_follow_the_seed():
    columns, target = _columns(width_multiplier=1.0), _build(width_multiplier=1.0)
    before = [column.get_weights() for column in columns]
    kernels = []
    for seed in (5, 5, 6):
        combine_columns(columns, target, cross_scale=0.01, seed=seed)
        kernels.append(target.convolutions["conv4b"].kernel.numpy())
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert kernels[0].shape == (3, 3, 32, 192)
    inputs = np.split(np.arange(32), [11, 22])
    is_cross = np.ones(kernels[0].shape, bool)
    for index, column in enumerate(columns):
        block = np.ix_(range(3), range(3), inputs[index], range(64 * index, 64 * (index + 1)))
        is_cross[block] = False
        np.testing.assert_array_equal(kernels[0][block], column.convolutions["conv4b"].kernel)
    cross = kernels[0][is_cross]
    glorot = np.sqrt(2 / (9 * (32 + 192)))
    assert cross.std() == pytest.approx(0.01 * glorot, rel=0.02)
    assert np.abs(cross).max() > 3.5 * cross.std()
    assert np.all(cross != kernels[2][is_cross])
    for column, weights in zip(columns, before, strict=True):
        for ours, theirs in zip(column.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda columns: columns[:2],
        lambda columns: columns[::-1],
        lambda columns: [*columns[:2], _build("2/3", channels=1)],
        lambda columns: [*columns[:2], _build("2/3", use_batch_norm=True)],
        lambda columns: [*columns[:2], _build("2/3", kind="cifar_deep")],
    ],
    ids=["number", "order", "input", "batch norm", "network"],
)
def test_other_columns_are_refused(wrong):
    target = _build()
    before = target.get_weights()
    with pytest.raises(ValueError, match=r"is not column \d of \d of cifar_shallow: expected {'x'"):
        combine_columns(wrong(_columns()), target, cross_scale=0.0, seed=0)
    for ours, theirs in zip(target.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
