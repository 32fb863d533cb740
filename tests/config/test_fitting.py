"""Tests of the stages of a fit of parts; tests/test_fit_parts.py runs it whole."""

import numpy as np
import pytest

from tfcolor.config.fitting import check_labels, middle_squares
from tfcolor.core.errors import UserError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.array import ArraySource
from tfcolor.data.transforms import center_view


@pytest.mark.parametrize("height, width", [(6, 6), (9, 6), (6, 9), (7, 10), (5, 8)])
def test_middle_square_is_that_of_the_protocols(height, width):
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
    side = min(height, width)
    expected = [center_view(image, side, side).numpy() * 255 for image in images]
    np.testing.assert_allclose(middle_squares(images), expected, atol=1e-3)


def test_first_image_without_a_class_is_named():
    images = np.zeros((3, 4, 4, 1), np.uint8)
    source = ArraySource(images, ["a", "b", "c"], np.zeros(3, np.int64), ("one",))
    reader = ExampleReader(source)
    check_labels(np.zeros(3, np.int64), reader)
    with pytest.raises(UserError, match=r"b has no class.*--classifier=none"):
        check_labels(np.array([0, -1, -1]), reader)
