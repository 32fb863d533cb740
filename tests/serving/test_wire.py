import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
)

from tfcolor_client.wire import MESSAGES, METHODS, WIRE, build_messages

OFFICIAL = {
    "Dim": tensor_shape_pb2.TensorShapeProto.Dim,
    "TensorShapeProto": tensor_shape_pb2.TensorShapeProto,
    "TensorProto": tensor_pb2.TensorProto,
    "ModelSpec": model_pb2.ModelSpec,
    "PredictRequest": predict_pb2.PredictRequest,
    "PredictResponse": predict_pb2.PredictResponse,
    "StatusProto": type(get_model_status_pb2.ModelVersionStatus().status),
    "ModelVersionStatus": get_model_status_pb2.ModelVersionStatus,
    "GetModelStatusRequest": get_model_status_pb2.GetModelStatusRequest,
    "GetModelStatusResponse": get_model_status_pb2.GetModelStatusResponse,
    "GetModelMetadataRequest": get_model_metadata_pb2.GetModelMetadataRequest,
    "GetModelMetadataResponse": get_model_metadata_pb2.GetModelMetadataResponse,
    "TensorInfo": meta_graph_pb2.TensorInfo,
    "SignatureDef": meta_graph_pb2.SignatureDef,
    "SignatureDefMap": get_model_metadata_pb2.SignatureDefMap,
}


def wire_type(field) -> tuple:
    """Returns what decides a field's bytes; an enum is written as an int32."""
    kind = field.TYPE_INT32 if field.type == field.TYPE_ENUM else field.type
    return field.number, kind, field.label == field.LABEL_REPEATED


@pytest.mark.parametrize("name", OFFICIAL)
def test_declared_fields_are_the_official_ones(name):
    official = OFFICIAL[name].DESCRIPTOR.fields_by_name
    for field in WIRE[name].DESCRIPTOR.fields:
        assert wire_type(field) == wire_type(official[field.name])


def test_every_message_is_compared_but_those_of_protobuf_itself():
    assert set(MESSAGES) - set(OFFICIAL) == {"Int64Value", "Any"}


def test_requests_parse_with_the_official_messages():
    request = WIRE["PredictRequest"]()
    request.model_spec.name, request.model_spec.signature_name = "tfcolor", "colorize"
    request.model_spec.version.value = 7
    request.inputs["gray"].dtype = 1
    request.inputs["gray"].tensor_shape.dim.add(size=2)
    request.inputs["gray"].float_val.extend([0.25, 0.5])
    parsed = predict_pb2.PredictRequest.FromString(request.SerializeToString())
    assert (parsed.model_spec.name, parsed.model_spec.version.value) == ("tfcolor", 7)
    assert tf.make_ndarray(parsed.inputs["gray"]).tolist() == [0.25, 0.5]
    back = WIRE["PredictRequest"].FromString(parsed.SerializeToString(deterministic=True))
    assert back == request


def test_any_is_unpacked():
    signatures = get_model_metadata_pb2.SignatureDefMap()
    signatures.signature_def["colorize"].method_name = "predict"
    official = get_model_metadata_pb2.GetModelMetadataResponse()
    official.metadata["signature_def"].Pack(signatures)
    answer = WIRE["GetModelMetadataResponse"].FromString(official.SerializeToString())
    found = WIRE["SignatureDefMap"].FromString(answer.metadata["signature_def"].value)
    assert found.signature_def["colorize"].method_name == "predict"


def test_newer_fields_are_passed_over():
    newer = build_messages({"ModelSpec": ("string name = 1", "repeated int64 later = 99")})
    content = newer["ModelSpec"](name="tfcolor", later=[1, 2]).SerializeToString()
    assert WIRE["ModelSpec"].FromString(content).name == "tfcolor"


def test_methods_have_messages():
    assert {name for pair in METHODS.values() for name in pair} <= set(WIRE)
