import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data import scene_depths
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_depths import depth_annotation, mean_depth
from tfcolor.data.sources.depth_maps import DepthFileSource
from tfcolor.data.sources.image_folder import open_images

DEPTHS = (
    np.array([[1.0, 2.0], [np.nan, 3.0]]),
    np.array([[-1.0, np.inf], [0.0, 6.0]]),
    np.full((2, 2), 5.0),
)


@pytest.fixture
def reader(tmp_path):
    for number, depth in enumerate(DEPTHS):
        Image.new("RGB", (2, 2), (number, 0, 0)).save(tmp_path / f"{number}.png")
        np.save(tmp_path / f"{number}.npy", depth)
    paths = [[tmp_path / f"{number}.{kind}" for number in range(3)] for kind in ("png", "npy")]
    return ExampleReader(DepthFileSource(*paths))


def test_what_is_not_known_is_zero(reader):
    annotation = depth_annotation(reader)
    assert (annotation.dtype, annotation.shape) == (tf.float32, (None, None))
    read = annotation.read(0)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, [[1, 2], [0, 3]])
    np.testing.assert_array_equal(annotation.read(1), [[0, 0], [0, 6]])


def test_mean_is_over_the_known_pixels(reader, monkeypatch):
    assert mean_depth(reader) == pytest.approx((1 + 2 + 3 + 6 + 4 * 5) / 8)
    monkeypatch.setattr(scene_depths, "NUM_SAMPLED", 2)
    assert mean_depth(reader) == pytest.approx((1 + 2 + 3 + 4 * 5) / 7)


def test_unreadable_maps_are_left_out_of_the_mean(reader, tmp_path):
    (tmp_path / "0.npy").write_bytes(b"no array")
    assert mean_depth(reader) == pytest.approx(26 / 5)
    for number in (1, 2):
        np.save(tmp_path / f"{number}.npy", np.zeros((2, 2)))
    with pytest.raises(UserError, match="no depth is known anywhere"):
        mean_depth(reader)


def test_images_without_depth_are_refused(labelled_photos):
    plain = ExampleReader(open_images(str(labelled_photos)))
    with pytest.raises(UserError, match=r"has no depth: name images as nyu:FOLDER\[:SPLIT\]"):
        depth_annotation(plain)
