"""Settings files of TensorFlow Serving in protobuf's text format.

Three of their messages are not among the official Python stubs; they are
declared here, field by field as in the official .proto files.
"""

import os
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import descriptor_pb2, message, text_format, wrappers_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from tfcolor.core.errors import UserError

Message = TypeVar("Message", bound=message.Message)
Field = descriptor_pb2.FieldDescriptorProto

PACKAGE = "tensorflow.serving"
INTEGER, TEXT = "google.protobuf.Int64Value", "google.protobuf.StringValue"
# (name, number, type, whether it is repeated); a name is the type of a message.
FIELDS: dict[str, tuple[tuple[str, int, int | str, bool], ...]] = {
    "BatchingParameters": (
        ("max_batch_size", 1, INTEGER, False),
        ("batch_timeout_micros", 2, INTEGER, False),
        ("max_enqueued_batches", 3, INTEGER, False),
        ("num_batch_threads", 4, INTEGER, False),
        ("thread_pool_name", 5, TEXT, False),
        ("allowed_batch_sizes", 6, Field.TYPE_INT64, True),
        ("pad_variable_length_inputs", 7, Field.TYPE_BOOL, False),
    ),
    "SSLConfig": (
        ("server_key", 1, Field.TYPE_STRING, False),
        ("server_cert", 2, Field.TYPE_STRING, False),
        ("custom_ca", 3, Field.TYPE_STRING, False),
        ("client_verify", 4, Field.TYPE_BOOL, False),
    ),
    "PrometheusConfig": (
        ("enable", 1, Field.TYPE_BOOL, False),
        ("path", 2, Field.TYPE_STRING, False),
    ),
    "MonitoringConfig": (("prometheus_config", 1, f"{PACKAGE}.PrometheusConfig", False),),
}


def new_message(name: str) -> Any:
    """Returns an empty message of one of the types in `FIELDS`."""
    return GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))()


def read_text_proto(path: str | os.PathLike[str], into: Message) -> Message:
    """Reads a settings file.

    Args:
      path: a file in protobuf's text format.
      into: an empty message of the expected type; it is filled.

    Returns:
      `into`.

    Raises:
      UserError: if the file cannot be read or holds something else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    try:
        return text_format.Parse(text, into)
    except text_format.ParseError as error:
        raise UserError(f"{path} is no {into.DESCRIPTOR.name} in text format: {error}") from error


def _build_pool() -> DescriptorPool:
    """Returns a pool of its own, so that the official stubs never clash with ours."""
    pool = DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="tfcolor/server/settings.proto",
        package=PACKAGE,
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for name, fields in FIELDS.items():
        declared = file.message_type.add(name=name)
        for field_name, number, kind, is_repeated in fields:
            label = Field.LABEL_REPEATED if is_repeated else Field.LABEL_OPTIONAL
            field = declared.field.add(name=field_name, number=number, label=label)
            if isinstance(kind, str):
                field.type, field.type_name = Field.TYPE_MESSAGE, f".{kind}"
            else:
                field.type = kind
    pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _build_pool()
