import io

import numpy as np
import pytest
from PIL import Image

from tfcolor.data.sources.array import ArraySource

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 5, 3, 3)).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_given_one_by_one_and_all_at_once(channels):
    source = ArraySource(PIXELS[..., :channels], "abcd", np.array([2, 0, 1, 2]), "xyz")
    for chosen, positions in ((source, range(4)), (source.select([3, 1]), [3, 1])):
        assert chosen.num_examples == len(positions)
        assert chosen.images().shape == (len(positions), 5, 3, channels)
        for index, position in enumerate(positions):
            image = np.asarray(Image.open(io.BytesIO(chosen.read_bytes(index))))
            np.testing.assert_array_equal(image.reshape(5, 3, channels), chosen.images()[index])
            np.testing.assert_array_equal(chosen.images()[index], PIXELS[position, ..., :channels])
            assert chosen.label_of(index) == chosen.labels()[index] == [2, 0, 1, 2][position]
            assert chosen.name_of(index) == "abcd"[position]
    assert source.labels().dtype == np.int64
    assert type(source.label_of(0)) is int
