import h5py
import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.models.weights.caffe_hdf5 import read_caffe_hdf5


def test_every_tensor_is_read_under_its_layer_and_index(caffe, tmp_path):
    layers = {"conv1": [np.ones([2, 1, 3, 3]), np.zeros(2)], "batch_conv1": [np.full(1, 999.0)]}
    tensors = read_caffe_hdf5(caffe.write_hdf5(tmp_path / "w.h5", layers))
    assert {name: array.shape for name, array in tensors.items()} == {
        "conv1/0": (2, 1, 3, 3),
        "conv1/1": (2,),
        "batch_conv1/0": (1,),
    }
    assert tensors["conv1/0"].dtype == np.float32 and tensors["batch_conv1/0"] == 999


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_a_truncated_file_is_named(caffe, tmp_path, kept):
    path = caffe.write_hdf5(tmp_path / "w.h5", {"conv1": [np.ones([64, 64])]})
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UserError, match=r"cannot read .*w\.h5.*truncated"):
        read_caffe_hdf5(path)


def test_a_tensor_that_cannot_be_decoded_is_named(tmp_path):
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        data = np.random.default_rng(0).normal(size=[64, 64])
        stored = file.create_dataset("data/fc6/0", data=data, compression="gzip")
        offset = stored.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read tensor fc6/0 of .*w\.h5"):
        read_caffe_hdf5(path)


def test_other_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "keras.h5", "w") as file:
        file["block1_conv1/kernel"] = np.ones(1)
    with pytest.raises(UserError, match="has no group /data"):
        read_caffe_hdf5(tmp_path / "keras.h5")
    with pytest.raises(UserError, match=r"cannot read .*absent\.h5"):
        read_caffe_hdf5(tmp_path / "absent.h5")
