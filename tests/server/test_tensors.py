import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from tfcolor.server.servable import ServedSignature, TensorDescription
from tfcolor.server.status import RequestError
from tfcolor.server.tensors import check_array, check_names, decode_tensor, encode_tensor

ANY = TensorDescription(tf.float32, None)
IMAGES = TensorDescription(tf.string, (None,))
SIGNATURE = ServedSignature("s", "", {"a": ANY, "b": ANY}, {}, dict)
TYPES = [*["f4", "f8", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"], "c8"]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 3), (1,)])
def test_arrays_arrive_as_tensorflow_reads_them(kind, shape):
    array = np.random.default_rng(0).integers(0, 2, shape).astype(kind)
    back = tf.make_ndarray(
        tensor_pb2.TensorProto.FromString(encode_tensor(array).SerializeToString())
    )
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_floats_are_exact_in_the_list_where_clients_look_for_them():
    values = np.float32([0.1, np.nan, -np.inf, 3e-45, 1e38])
    assert np.float32(encode_tensor(values).float_val).tobytes() == values.tobytes()
    doubles = np.arange(200.0).reshape(10, 20)[:, ::2]
    assert list(encode_tensor(doubles).double_val) == doubles.ravel().tolist()
    assert list(encode_tensor(np.int32([5])).int_val) == [5]


def test_strings_keep_every_byte():
    array = np.array([[b"a\0", b"\xff\0\0"]], object)
    proto = encode_tensor(array)
    assert list(proto.string_val) == [b"a\0", b"\xff\0\0"]
    assert tf.make_ndarray(proto).tolist() == array.tolist()


@pytest.mark.parametrize(
    "value", [np.float32([[1, 2]]), np.float32(7), np.zeros((0, 2), np.float32)]
)
def test_inputs_are_read_from_either_form(value):
    for proto in (tf.make_tensor_proto(value), encode_tensor(value)):
        np.testing.assert_array_equal(decode_tensor("x", proto, ANY), value)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a"], r"does not match signature: 1!=2 .*Missing but required: \{b\}"),
        (["a", "b", "c"], r"3!=2 .*Sent extra: \{c\}"),
        (["a", "c"], r"alias not found in signature: c\. Inputs expected .*\{a,b\}"),
        ([], r"0!=2"),
    ],
)
def test_names_must_be_those_of_the_signature(names, words):
    with pytest.raises(RequestError, match=words):
        check_names(SIGNATURE, names)
    check_names(SIGNATURE, ["b", "a"])


def proto_of(dtype="DT_FLOAT", shape=(2,), **fields):
    proto = tensor_pb2.TensorProto(dtype=dtype, **fields)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


@pytest.mark.parametrize(
    ("proto", "words"),
    [
        (proto_of("DT_INT32", int_val=[1, 2]), r"expected float32 \[\?\], got int32 \[2\]"),
        (proto_of("DT_STRING", string_val=[b"a"]), r"got string \[2\]"),
        (proto_of(99), "got type 99"),
        (proto_of(0), "got type 0"),
        (proto_of(shape=(2, 1), float_val=[1]), r"got float32 \[2,1\]"),
        (proto_of(shape=(-1,)), "not fully known"),
        (proto_of(shape=(2,), tensor_content=b"123"), "does not fill"),
        (proto_of(shape=(2,), float_val=[1, 2, 3]), "does not fill"),
        (proto_of(shape=(10**9,), float_val=[1]), "larger than 1000 bytes"),
        (proto_of(shape=(2**62,), float_val=[1]), "larger than 1000 bytes"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(proto, words):
    description = TensorDescription(tf.float32, (None,))
    with pytest.raises(RequestError, match=f'input "x": .*{words}'):
        decode_tensor("x", proto, description, max_bytes=1000)


def test_an_unknown_rank_is_refused():
    proto = proto_of(shape=())
    proto.tensor_shape.unknown_rank = True
    with pytest.raises(RequestError, match="not fully known"):
        decode_tensor("x", proto, ANY)


def test_one_string_cannot_become_many():
    with pytest.raises(RequestError, match="larger"):
        decode_tensor("x", proto_of("DT_STRING", (10**7,), string_val=[b"a"]), IMAGES, 10**6)


def test_arrays_are_checked_too():
    check_array("x", np.zeros((3,)), TensorDescription(tf.float64, (None,)))
    with pytest.raises(RequestError, match=r"expected float64 \[\?\], got float64 \[3,1\]"):
        check_array("x", np.zeros((3, 1)), TensorDescription(tf.float64, (None,)))
