import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.models.weights.caffe_model import read_caffemodel


@pytest.fixture
def layers():
    generator = np.random.default_rng(3)
    shapes = {
        "conv1": [(4, 3, 5, 5), (4,)],
        "fc6": [(8, 36), (8,)],
        "fc7": [(1, 1, 6, 8), (1, 1, 1, 6)],
        "batch_conv1": [(4,), (4,), (1,)],
    }
    return {
        name: [generator.normal(size=shape).astype(np.float32) for shape in each]
        for name, each in shapes.items()
    }


def test_the_layers_asked_for_are_read(caffe, tmp_path, layers):
    path = caffe.write_caffemodel(tmp_path / "w.caffemodel", layers)
    tensors = read_caffemodel(path, ["conv1", "fc6", "fc7", "absent"])
    assert sorted(tensors) == ["conv1/0", "conv1/1", "fc6/0", "fc6/1", "fc7/0", "fc7/1"]
    for name, array in tensors.items():
        layer, index = name.split("/")
        stored = layers[layer][int(index)]
        assert array.shape in (stored.shape, (*stored.shape, 1))
        np.testing.assert_array_equal(array.ravel(), stored.ravel())


def test_a_batch_norm_keeps_its_three_tensors(caffe, tmp_path, layers):
    path = caffe.write_caffemodel(tmp_path / "w.caffemodel", layers)
    tensors = read_caffemodel(path, ["batch_conv1"])
    for index, stored in enumerate(layers["batch_conv1"]):
        np.testing.assert_array_equal(tensors[f"batch_conv1/{index}"].ravel(), stored)


def test_a_truncated_file_is_named(caffe, tmp_path, layers):
    path = caffe.write_caffemodel(tmp_path / "w.caffemodel", layers)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UserError, match=r"cannot read .*w\.caffemodel: it is damaged"):
        read_caffemodel(path, ["conv1"])


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.caffemodel: there is no such file"):
        read_caffemodel(tmp_path / "absent.caffemodel", ["conv1"])
