import h5py
import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.models.weights.formats import FORMATS, detect_format, read_tensors

LAYERS = {"conv1": [np.ones([2, 1, 3, 3]), np.arange(2.0)]}


def _write(caffe, folder, format_name):
    if format_name == "caffe_hdf5":
        return caffe.write_hdf5(folder / "a.bin", LAYERS)
    if format_name == "caffemodel":
        return caffe.write_caffemodel(folder / "a.caffemodel", LAYERS)
    with h5py.File(folder / "a.bin", "w") as file:
        file.attrs["layer_names"] = ["conv1"]
        file.create_group("conv1").attrs["weight_names"] = ["kernel", "bias"]
        file["conv1/kernel"], file["conv1/bias"] = np.ones([3, 3, 1, 2]), np.arange(2.0)
    return folder / "a.bin"


@pytest.mark.parametrize("format_name", FORMATS)
def test_each_kind_is_recognized_and_read(caffe, tmp_path, format_name):
    path = _write(caffe, tmp_path, format_name)
    assert detect_format(path) == format_name
    tensors = read_tensors(path, format_name, ["conv1"])
    bias = tensors[f"conv1/{FORMATS[format_name].parts[1]}"]
    np.testing.assert_array_equal(bias.ravel(), [0, 1])


def test_what_cannot_be_told_is_asked_for(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"\x0a\x03abc")
    with pytest.raises(UserError, match=r"cannot tell what .*weights\.bin is.*caffe_hdf5"):
        detect_format(path)
    with pytest.raises(UserError, match=r"cannot read .*absent"):
        detect_format(tmp_path / "absent")
