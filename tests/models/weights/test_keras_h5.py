import h5py
import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.models.weights.keras_h5 import read_keras_h5


@pytest.fixture(scope="module")
def model():
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Conv2D(5, 3, name="block1_conv1", input_shape=(8, 9, 3)),
            layers.Flatten(name="flatten"),
            layers.Dense(4, name="fc1"),
            layers.BatchNormalization(name="norm"),
        ]
    )


@pytest.mark.parametrize("what", ["weights", "model"])
def test_weights_and_whole_models_are_read(model, tmp_path, what):
    path = tmp_path / "k.h5"
    model.save_weights(path) if what == "weights" else model.save(path)
    tensors = read_keras_h5(path)
    assert tensors["block1_conv1/kernel"].shape == (3, 3, 3, 5)
    assert [name for name in tensors if name.startswith("norm/")] == [
        f"norm/{index}" for index in range(4)
    ]
    kernel, bias = model.get_layer("fc1").get_weights()
    np.testing.assert_array_equal(tensors["fc1/kernel"], kernel)
    np.testing.assert_array_equal(tensors["fc1/bias"], bias)


def test_names_of_the_first_keras_are_read(tmp_path):
    path = tmp_path / "k.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"input_1", b"block1_conv1"]
        file.create_group("input_1").attrs["weight_names"] = []
        group = file.create_group("block1_conv1")
        group.attrs["weight_names"] = [b"block1_conv1_W_1:0", b"block1_conv1_b_1:0"]
        group["block1_conv1_W_1:0"] = np.ones([3, 3, 3, 2])
        group["block1_conv1_b_1:0"] = np.zeros(2)
    tensors = read_keras_h5(path)
    assert list(tensors) == ["block1_conv1/kernel", "block1_conv1/bias"]


def test_a_tensor_that_is_not_there_is_named(model, tmp_path):
    path = tmp_path / "k.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["fc1"]["fc1"]["bias:0"]
    with pytest.raises(UserError, match=r"cannot read tensor fc1/bias of .*k\.h5"):
        read_keras_h5(path)


def test_other_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "caffe.h5", "w") as file:
        file["data/conv1/0"] = np.ones(1)
    with pytest.raises(UserError, match="has no attribute layer_names"):
        read_keras_h5(tmp_path / "caffe.h5")
    (tmp_path / "text.h5").write_text("<html>")
    with pytest.raises(UserError, match=r"cannot read .*text\.h5"):
        read_keras_h5(tmp_path / "text.h5")
