import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from tfcolor_client.errors import ServingError
from tfcolor_client.tensors import DTYPES, JSON_NAMES, NUMBERS, decode, encode, to_array
from tfcolor_client.wire import WIRE

VALUES = {
    "float32": [[-1.5, np.nan, np.inf], [0, 3e38, 1e-45]],
    "float64": [[-1.5, np.nan, np.inf], [0, 1e300, 5e-324]],
    "float16": [[-1.5, np.nan, np.inf], [0, 65504, 6e-8]],
    "int32": [[-(2**31), 0, 2**31 - 1], [1, 2, 3]],
    "int64": [[-(2**63), 0, 2**63 - 1], [1, 2, 3]],
    "uint8": [[0, 127, 255], [1, 2, 3]],
    "bool": [[True, False, True], [False, False, True]],
    "string": [[b"", b"\x00", b"a\x00"], [b"\xff", "ü".encode(), b"x" * 300]],
}
SHAPES = ((2, 3), (6,), (3, 1, 2), (1, 6))


def array_of(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.array(VALUES[name], object if name == "string" else name).reshape(shape)


def to_official(message) -> tensor_pb2.TensorProto:
    return tensor_pb2.TensorProto.FromString(message.SerializeToString())


def from_official(message: tensor_pb2.TensorProto):
    return WIRE["TensorProto"].FromString(message.SerializeToString())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NUMBERS)
def test_tensors_travel_both_ways(name, shape):
    array = array_of(name, shape)
    np.testing.assert_array_equal(tf.make_ndarray(to_official(encode(array))), array)
    official = tf.make_tensor_proto(array)
    actual = decode(from_official(official))
    assert actual.dtype == array.dtype
    np.testing.assert_array_equal(actual, array)


@pytest.mark.parametrize("name", NUMBERS)
def test_values_one_by_one_and_a_repeated_last_one(name):
    array = array_of(name, (6,))
    number, field = NUMBERS[name], DTYPES[NUMBERS[name]][1]
    for count in (0, 1, 4, 6):
        message = tensor_pb2.TensorProto(dtype=number)
        message.tensor_shape.dim.add(size=2)
        message.tensor_shape.dim.add(size=3)
        values = array.view(np.uint16) if name == "float16" else array
        getattr(message, field).extend(values[:count].tolist())
        expected = tf.make_ndarray(message)
        if name == "string" and not count:  # for which TensorFlow gives text
            expected = np.full((2, 3), b"", object)
        np.testing.assert_array_equal(decode(from_official(message)), expected)


@pytest.mark.parametrize("name", NUMBERS)
def test_scalars_and_empty_arrays(name):
    for shape in ((), (0,), (2, 0, 3)):
        array = array_of(name, (6,))[: int(np.prod(shape))].reshape(shape)
        assert decode(encode(array)).shape == shape
        np.testing.assert_array_equal(decode(from_official(tf.make_tensor_proto(array))), array)


def test_numbers_and_names_are_those_of_tensorflow():
    for number, (name, _) in DTYPES.items():
        assert tf.as_dtype(number).name == {"float16": "float16"}.get(name, name)
    enum = tensor_pb2.TensorProto.DESCRIPTOR.fields_by_name["dtype"].enum_type
    assert {enum.values_by_name[key].number: name for key, name in JSON_NAMES.items()} == {
        number: name for number, (name, _) in DTYPES.items()
    }


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (1.5, "float32"),
        ([[1, 2]], "int32"),
        ([2**40], "int64"),
        ([True], "bool"),
        (np.float64([1]), "float64"),
        ([np.float64(1)], "float64"),
        ([], "float32"),
        (b"a\x00", "object"),
        (["a", b"b"], "object"),
        (np.array([b"a"]), "object"),
    ],
)
def test_inputs_become_what_models_expect(values, dtype):
    assert to_array(values).dtype == dtype


def test_trailing_zeros_of_bytes_stay():
    assert to_array([b"a\x00", b"longer\x00"]).tolist() == [b"a\x00", b"longer\x00"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.complex64([1]), "complex64"),
        (np.array(["2020"], "datetime64"), "datetime64"),
        (np.array([None]), "NoneType"),
    ],
)
def test_other_types_are_refused(values, words):
    with pytest.raises(ServingError, match=words) as caught:
        to_array(values)
    assert caught.value.code == "INVALID_ARGUMENT"


def message(dtype=1, sizes=(2,), **values):
    built = WIRE["TensorProto"](dtype=dtype, **values)
    for size in sizes:
        built.tensor_shape.dim.add(size=size)
    return built


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (message(dtype=8), "type number 8"),
        (message(sizes=(-1,)), "shape"),
        (message(tensor_content=b"123"), "3 bytes"),
        (message(float_val=[1, 2, 3]), "3 values"),
        (message(sizes=(2**20, 2**20), float_val=[1]), "1 values"),
    ],
)
def test_contradictions_are_refused(broken, words):
    with pytest.raises(ServingError, match=words):
        decode(broken)
