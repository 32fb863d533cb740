import numpy as np
import pytest

from tfcolor.analysis.first_filters import kernel_smoothness, show_first_filters
from tfcolor.analysis.observation import ObservedNetwork
from tfcolor.backbones import BACKBONES


def test_norms_are_those_of_the_kernels(build_chain):
    network = build_chain(input_channels=3)
    found = show_first_filters(network).numbers
    kernel = network.backbone.convolutions["conv1"].kernel.numpy()
    norms = [np.linalg.norm(kernel[..., index]) for index in range(4)]
    assert [row["l2_norm"] for row in found["filters"]] == pytest.approx(norms)
    assert [row["l2_norm_absorbed"] for row in found["filters"]] == pytest.approx(norms)
    assert found["num_dead"] == 1
    assert (found["layer"], found["num_channels"], found["num_filters"]) == ("conv1", 3, 4)
    assert found["batch_norm"] is False
    assert np.isnan(found["filters"][3]["smoothness"])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (np.ones((3, 5)), 1.0),
        ((-1.0) ** np.add.outer(np.arange(3), np.arange(5)), -1.0),
        # 12 pairs across, all 1; 10 pairs down, all -1.
        (np.repeat([[1.0], [-1.0], [1.0]], 5, axis=1), (12 - 10) / 22),
    ],
)
def test_smoothness_of_patterns_is_known(pattern, expected):
    kernel = np.stack([pattern, 2 * pattern], axis=-1)[:, :, None]
    assert kernel_smoothness(kernel).tolist() == pytest.approx([expected] * 2)


def test_noise_is_not_smooth_and_a_point_has_no_smoothness():
    noise = np.random.default_rng(0).normal(size=(11, 11, 3, 20))
    assert abs(kernel_smoothness(noise)).max() < 0.25
    assert np.isnan(kernel_smoothness(np.ones([1, 1, 3, 2]))).all()


@pytest.mark.parametrize("name", ["vgg16", "resnet50"])
def test_absorbed_norms_are_those_after_batch_norm(name):
    kind = BACKBONES[name]
    backbone = kind(kind.Options(width_multiplier=1 / 32), 1, seed=0)
    layer = next(iter(backbone.convolutions))
    variance = np.linspace(0.5, 4, 4)
    backbone.batch_norms[layer].moving_variance.assign(variance)
    factors = 1 / np.sqrt(variance + 1e-5)
    if backbone.batch_norms[layer].scale is not None:
        backbone.batch_norms[layer].scale.assign([1.0, -2.0, 0.5, 3.0])
        factors *= [1, 2, 0.5, 3]
    found = show_first_filters(ObservedNetwork("run", backbone, np.asarray)).numbers
    assert found["batch_norm"] is True
    norms = np.sqrt((backbone.convolutions[layer].kernel.numpy() ** 2).sum(axis=(0, 1, 2)))
    expected = norms * factors
    assert [row["l2_norm_absorbed"] for row in found["filters"]] == pytest.approx(expected)
