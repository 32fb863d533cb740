import shutil

import grpc
import numpy as np
import pytest
import tensorflow as tf

from tfcolor.server.servable import (
    ServedSignature,
    TensorDescription,
    failure_reason,
    load_servable,
    read_signatures,
)
from tfcolor.server.status import RequestError


@pytest.fixture(scope="module")
def servable(tiny_version):
    return load_servable("tiny", 7, tiny_version)


def test_signatures_are_described_and_run(servable):
    assert servable.version == 7
    signature = servable.signature("pair")
    assert signature.inputs["weights"] == TensorDescription(tf.float32, (None, 2))
    outputs = signature.run({"count": np.int32([3]), "weights": np.float32([[1, 2]])})
    assert outputs["total"].tolist() == [9.0]
    assert outputs["next"].tolist() == [4]


def test_an_empty_name_is_the_default_signature(servable):
    assert servable.signature("") is servable.signature("serving_default")


def test_an_unknown_signature_names_the_known_ones(servable):
    with pytest.raises(RequestError, match=r'"nope" not found.*pair.*serving_default') as error:
        servable.signature("nope")
    assert error.value.code == grpc.StatusCode.FAILED_PRECONDITION


def test_a_failing_operation_says_why_and_not_where(servable):
    with pytest.raises(RequestError) as error:
        servable.signature("parse").run({"text": np.array([b"seven"], object)})
    assert error.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert error.value.message == "StringToNumberOp could not correctly convert string: seven"


def test_an_error_that_quotes_what_is_no_text_is_the_clients_too(servable):
    with pytest.raises(RequestError, match="convert string: \N{REPLACEMENT CHARACTER}") as error:
        servable.signature("parse").run({"text": np.array([b"\x89"], object)})
    assert error.value.code == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("plain", "plain"),
        ("Graph execution error:\n\nat x.py\nNode: 'a'\nbad\n\t [[{{node a}}]] [Op:b]", "bad"),
        ("Detected at node a: <stack traces unavailable>\nbad\n\t [[{{node a}}]]", "bad"),
        ("", "the model failed"),
    ],
)
def test_reasons_are_cut_out(message, reason):
    assert failure_reason(message) == reason


def test_only_signatures_with_a_free_first_axis_are_joined(servable):
    assert servable.signature("pair").is_batchable
    assert not servable.signature("negate").is_batchable
    free, fixed = TensorDescription(tf.int32, (None,)), TensorDescription(tf.int32, None)
    assert not ServedSignature("a", "", {}, {"y": free}, dict).is_batchable
    assert not ServedSignature("a", "", {"x": free}, {"y": fixed}, dict).is_batchable


@pytest.mark.parametrize(
    ("shape", "fitting", "other"),
    [((None, 2), (5, 2), (5, 3)), ((), (), (1,)), (None, (4, 4), None), ((3,), (3,), (3, 1))],
)
def test_shapes_fit_or_not(shape, fitting, other):
    description = TensorDescription(tf.float32, shape)
    assert description.accepts(fitting)
    assert other is None or not description.accepts(other)


def damage(folder, how):
    if how == "missing":
        (folder / "saved_model.pb").unlink()
    elif how == "cut":
        data = (folder / "saved_model.pb").read_bytes()
        (folder / "saved_model.pb").write_bytes(data[: len(data) // 2])
    elif how == "empty":
        (folder / "saved_model.pb").write_bytes(b"")
    elif how == "variables":
        shutil.rmtree(folder / "variables")


@pytest.mark.parametrize("how", ["missing", "cut", "empty", "variables"])
def test_a_damaged_model_is_an_error_and_no_crash(tiny_version, tmp_path, how):
    shutil.copytree(tiny_version, tmp_path / "1")
    damage(tmp_path / "1", how)
    with pytest.raises(RequestError, match=str(tmp_path)) as error:
        load_servable("tiny", 1, tmp_path / "1")
    assert error.value.code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.DATA_LOSS)


def test_signatures_are_those_of_the_file(tiny_version):
    definitions = read_signatures(tiny_version).signature_def
    assert definitions["upper"].inputs["text"].dtype == tf.string.as_datatype_enum
    assert definitions["upper"].method_name == "tensorflow/serving/predict"
