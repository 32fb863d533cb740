import numpy as np
import pytest

from tfcolor.data.images import Photograph
from tfcolor.inference.photographs import color_photograph


def _photograph(pixels, alpha=None):
    return Photograph("test", pixels, alpha, "PNG")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lightness_of_the_photograph_is_kept(tint, dtype):
    peak = np.iinfo(dtype).max
    pixels = np.random.default_rng(0).integers(0, peak, (7, 9, 3)).astype(dtype)
    colored = color_photograph(tint, _photograph(pixels))
    lightness = 255 * pixels.mean(axis=-1) / peak
    error = np.abs(colored.rgb.mean(axis=-1) - lightness)
    assert error.max() <= 1 / 6 + 1e-4  # float32
    np.testing.assert_allclose(colored.gray, lightness / 255, atol=1e-6)
    np.testing.assert_array_equal(colored.uncertainty, colored.gray)
    assert colored.alpha is None
