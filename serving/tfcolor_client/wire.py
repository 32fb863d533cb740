"""The messages of TensorFlow Serving's gRPC interface.

They live in a descriptor pool of their own, so that TensorFlow and
`tensorflow-serving-api` may be loaded in the same process. Fields that the
client neither sends nor reads are left out: protobuf passes over them.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

MESSAGES: Mapping[str, tuple[str, ...]] = {
    "Dim": ("int64 size = 1",),
    "TensorShapeProto": ("repeated Dim dim = 2", "bool unknown_rank = 3"),
    "TensorProto": (
        "int32 dtype = 1",
        "TensorShapeProto tensor_shape = 2",
        "bytes tensor_content = 4",
        "repeated float float_val = 5",
        "repeated double double_val = 6",
        "repeated int32 int_val = 7",
        "repeated bytes string_val = 8",
        "repeated int64 int64_val = 10",
        "repeated bool bool_val = 11",
        "repeated int32 half_val = 13",
    ),
    "Int64Value": ("int64 value = 1",),
    "ModelSpec": (
        "string name = 1",
        "Int64Value version = 2",
        "string signature_name = 3",
        "string version_label = 4",
    ),
    "PredictRequest": ("ModelSpec model_spec = 1", "map<string, TensorProto> inputs = 2"),
    "PredictResponse": ("map<string, TensorProto> outputs = 1", "ModelSpec model_spec = 2"),
    "StatusProto": ("int32 error_code = 1", "string error_message = 2"),
    "ModelVersionStatus": ("int64 version = 1", "int32 state = 2", "StatusProto status = 3"),
    "GetModelStatusRequest": ("ModelSpec model_spec = 1",),
    "GetModelStatusResponse": ("repeated ModelVersionStatus model_version_status = 1",),
    "Any": ("string type_url = 1", "bytes value = 2"),
    "GetModelMetadataRequest": ("ModelSpec model_spec = 1", "repeated string metadata_field = 2"),
    "GetModelMetadataResponse": ("ModelSpec model_spec = 1", "map<string, Any> metadata = 2"),
    "TensorInfo": ("string name = 1", "int32 dtype = 2", "TensorShapeProto tensor_shape = 3"),
    "SignatureDef": (
        "map<string, TensorInfo> inputs = 1",
        "map<string, TensorInfo> outputs = 2",
        "string method_name = 3",
    ),
    "SignatureDefMap": ("map<string, SignatureDef> signature_def = 1",),
}
"""Fields of each message as a .proto file writes them; an enum is its number."""

METHODS: Mapping[str, tuple[str, str]] = {
    "/tensorflow.serving.PredictionService/Predict": ("PredictRequest", "PredictResponse"),
    "/tensorflow.serving.PredictionService/GetModelMetadata": (
        "GetModelMetadataRequest",
        "GetModelMetadataResponse",
    ),
    "/tensorflow.serving.ModelService/GetModelStatus": (
        "GetModelStatusRequest",
        "GetModelStatusResponse",
    ),
}
"""Request and answer of each method, by its path."""

_PACKAGE = "tfcolor_client"
_Field = descriptor_pb2.FieldDescriptorProto


def build_messages(messages: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Returns the classes of messages that know only each other.

    Args:
      messages: fields by the name of the message; see `MESSAGES`.

    Returns:
      Classes by the same names.

    Example:
      >>> point = build_messages({"Point": ("int64 row = 1", "int64 column = 2")})["Point"]
      >>> point(row=3, column=1).SerializeToString().hex()
      '08031001'
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in messages.items():
        declared = file.message_type.add(name=name)
        for field in fields:
            _declare(declared, field)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    find = pool.FindMessageTypeByName
    return {name: message_factory.GetMessageClass(find(f"{_PACKAGE}.{name}")) for name in messages}


def _declare(message: Any, line: str) -> None:
    """Adds the field that a line declares to a message's declaration."""
    kind, name, number = line.replace(" = ", " ").rsplit(" ", 2)
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if kind.startswith("repeated "):
        kind = kind.removeprefix("repeated ")
        field.label = _Field.LABEL_REPEATED
    elif kind.startswith("map<"):
        # A map is a repeated message of key and value.
        entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        _declare(entry, "string key = 1")
        _declare(entry, f"{kind.removeprefix('map<string, ').removesuffix('>')} value = 2")
        field.label = _Field.LABEL_REPEATED
        kind = f"{message.name}.{entry.name}"
    if kind[0].isupper():
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    else:
        field.type = _Field.Type.Value(f"TYPE_{kind.upper()}")


WIRE = build_messages(MESSAGES)
"""The message classes by name."""
