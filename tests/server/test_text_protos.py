import pytest

from tfcolor.core.errors import UserError
from tfcolor.server.text_protos import FIELDS, new_message, read_text_proto


def test_messages_have_the_official_field_numbers():
    # session_bundle_config.proto, ssl_config.proto and monitoring_config.proto.
    batching = new_message("BatchingParameters")
    batching.max_batch_size.value = 3
    batching.allowed_batch_sizes.extend([1, 3])
    assert batching.SerializeToString() == b"\x0a\x02\x08\x03\x32\x02\x01\x03"
    encryption = new_message("SSLConfig")
    encryption.server_cert, encryption.client_verify = "c", True
    assert encryption.SerializeToString() == b"\x12\x01c\x20\x01"
    monitoring = new_message("MonitoringConfig")
    monitoring.prometheus_config.enable = True
    assert monitoring.SerializeToString() == b"\x0a\x02\x08\x01"


def test_text_is_read_with_comments(tmp_path):
    path = tmp_path / "batching"
    path.write_text("# A comment.\nmax_batch_size { value: 8 }\npad_variable_length_inputs: true\n")
    message = read_text_proto(path, new_message("BatchingParameters"))
    assert message.max_batch_size.value == 8
    assert message.pad_variable_length_inputs
    assert not message.HasField("batch_timeout_micros")


@pytest.mark.parametrize("content", [b"max_batch_size: 8", b"size { value: 1 }", b"\xff\xfe", None])
def test_a_wrong_file_is_named(tmp_path, content):
    path = tmp_path / "batching"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="batching"):
        read_text_proto(path, new_message("BatchingParameters"))


@pytest.mark.parametrize("name", FIELDS)
def test_every_declared_message_can_be_made(name):
    assert {field.name for field in new_message(name).DESCRIPTOR.fields} == {
        field[0] for field in FIELDS[name]
    }
