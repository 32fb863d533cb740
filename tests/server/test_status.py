import grpc
import pytest
from tensorflow.core.lib.core import error_codes_pb2

from tfcolor.server.status import CODES, HTTP_STATUS, MAX_MESSAGE_LENGTH, RequestError, invalid


def test_codes_have_the_numbers_of_tensorflow():
    for name, number in error_codes_pb2.Code.items():
        if name in grpc.StatusCode.__members__:
            assert CODES[number].name == name


def test_every_code_has_an_http_status_that_blames_the_right_side():
    assert set(HTTP_STATUS) == set(grpc.StatusCode)
    ours = {"UNKNOWN", "INTERNAL", "DATA_LOSS", "UNIMPLEMENTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
    for code, status in HTTP_STATUS.items():
        assert code == grpc.StatusCode.OK or (status >= 500) == (code.name in ours)


@pytest.mark.parametrize("length", [10, MAX_MESSAGE_LENGTH + 1])
def test_messages_fit_into_a_header(length):
    error = invalid("x" * length)
    assert isinstance(error, RequestError)
    assert error.code == grpc.StatusCode.INVALID_ARGUMENT
    assert len(error.message) == min(length, MAX_MESSAGE_LENGTH)
