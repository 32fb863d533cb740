"""Tests of the stages of a fit of parts; tests/test_fit_parts.py runs it whole."""

import numpy as np
import pytest

from tfcolor.config.fitting import middle_squares
from tfcolor.data.transforms import center_view


@pytest.mark.parametrize("height, width", [(6, 6), (9, 6), (6, 9), (7, 10), (5, 8)])
def test_middle_square_is_that_of_the_protocols(height, width):
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
    side = min(height, width)
    expected = [center_view(image, side, side).numpy() * 255 for image in images]
    np.testing.assert_allclose(middle_squares(images), expected, atol=1e-3)
