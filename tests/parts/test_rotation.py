import numpy as np
import pytest

from tfcolor.data.rotation import rotate_images
from tfcolor.parts.rotation import complete_images, pad_to_square


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_padding_is_centered(dtype):
    images = np.arange(1, 16, dtype=dtype).reshape(1, 3, 5, 1)
    expected = np.pad(images, [(0, 0), (1, 1), (0, 0), (0, 0)])
    np.testing.assert_array_equal(pad_to_square(images), expected)
    odd = pad_to_square(images.transpose(0, 2, 1, 3)[:, :4])
    np.testing.assert_array_equal(odd[0, :, -1], 0)
    assert odd.shape == (1, 4, 4, 1)
    square = images[:, :, :3]
    np.testing.assert_array_equal(pad_to_square(square), square)


def test_complete_sample_of_four_pixels():
    image = np.array([[1, 2], [3, 4]], np.uint8).reshape(1, 2, 2, 1)
    found = np.rint(complete_images(image, 4)[0, ..., 0].numpy() * 255)
    expected = [[[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]]]
    np.testing.assert_array_equal(found, expected)


def test_blocks_are_ordered_by_polarity_then_rotation():
    images = np.random.RandomState(2).rand(2, 5, 7, 3).astype(np.float32)
    found = complete_images(images, 3, 2).numpy()
    assert found.shape == (2, 6, 7, 7, 3)
    square = pad_to_square(images)
    for r in range(3):
        turned = rotate_images(square, 120.0 * r).numpy()
        np.testing.assert_array_equal(found[:, r], turned)
        np.testing.assert_array_equal(found[:, 3 + r], 1 - turned)


def test_three_polarities_are_refused():
    with pytest.raises(ValueError, match="num_polarities=3: expected 1 or 2"):
        complete_images(np.zeros([1, 4, 4, 1], np.uint8), 4, 3)
