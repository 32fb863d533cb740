import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.heads.histogram import HistogramHead
from tfcolor.metrics.definitions import PSNR_CAP_DB
from tfcolor.models.network import Network
from tfcolor.savedmodel.compact import HalfStorage, copy_weights, measure_compact


def _network(policy, seed):
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        kind = BACKBONES["alexnet"]
        backbone = kind(kind.Options(width_multiplier=1 / 32), input_channels=1, seed=seed)
        head = HistogramHead(backbone.taps(32, 32), {"hue": 3}, 5, seed=seed)
        return Network(backbone, head)
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_weights_are_stored_as_half_and_computed_in_the_policys_type(policy):
    network = _network(HalfStorage(policy), seed=0)
    kernels = [layer.kernel for layer in network.backbone.convolutions.values()]
    assert {kernel.dtype for kernel in [*kernels, network.head.hidden.kernel]} == {tf.float16}
    features = network.features(tf.ones([1, 32, 40, 1]))
    assert features["fc7"].dtype.name == policy.removeprefix("mixed_")
    sizes = {tf.float16: 0, tf.float32: 0, tf.int64: 0}
    for variable in network.variables:
        sizes[variable.dtype] += np.prod(variable.shape)
    assert sizes[tf.float32] < 0.02 * sizes[tf.float16]


def test_result_is_that_of_rounded_weights():
    full, half = _network("float32", seed=1), _network(HalfStorage("float32"), seed=2)
    copy_weights(full, half)
    for variable in full.variables:
        if variable.dtype == tf.float32:
            variable.assign(tf.cast(tf.cast(variable, tf.float16), tf.float32))
    gray = np.random.default_rng(0).uniform(0, 1, (2, 32, 40, 1)).astype(np.float32)
    expected = full.features(gray)
    for name, value in half.features(gray).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5)


def test_weights_out_of_range_are_refused():
    full, half = _network("float32", seed=1), _network(HalfStorage("float32"), seed=1)
    kernel = full.head.hidden.kernel
    kernel.assign(tf.fill(kernel.shape, 1e6))
    with pytest.raises(ValueError, match="kernel:0 does not fit float16"):
        copy_weights(full, half)


class _Shifted:
    """Gives gray back, brighter by a constant."""

    def __init__(self, shift):
        self._shift = shift

    def colorize(self, gray):
        return {"rgb": tf.repeat(gray, 3, axis=-1) + self._shift}


def test_loss_is_the_difference_of_two_psnrs():
    photographs = [np.full(shape, 100, np.uint8) for shape in ((5, 4, 3), (2, 7, 3))]
    figures = measure_compact(_Shifted(0.01), _Shifted(0.03), iter(photographs))
    expected = {name: -20 * np.log10(shift) for name, shift in (("full", 0.01), ("compact", 0.03))}
    assert figures == pytest.approx(
        {
            "psnr_db_full": expected["full"],
            "psnr_db_compact": expected["compact"],
            "loss_db": expected["full"] - expected["compact"],
            "agreement_db": -20 * np.log10(0.02),
            "num_images": 2,
        },
        rel=1e-4,
    )
    same = measure_compact(_Shifted(0.01), _Shifted(0.01), iter(photographs))
    assert same["loss_db"] == 0
    assert same["agreement_db"] == pytest.approx(PSNR_CAP_DB)
