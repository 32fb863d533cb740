"""What is wrong with a request, in the codes that gRPC and REST answer with."""

import grpc

CODES = {code.value[0]: code for code in grpc.StatusCode}
"""gRPC's codes by number; TensorFlow's errors have the same numbers."""

HTTP_STATUS = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
}
"""The HTTP status that TensorFlow Serving's REST interface gives for each code."""

# gRPC sends the message as a header, of which clients take 8 KiB in all.
MAX_MESSAGE_LENGTH = 1000


class RequestError(Exception):
    """A request that is answered with an error.

    Args:
      code: says whether the client, the load or the server is to blame.
      message: the reason, with what would have been accepted.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        shortened = message[:MAX_MESSAGE_LENGTH]
        super().__init__(shortened)
        self.code, self.message = code, shortened


def invalid(message: str) -> RequestError:
    """Returns the error of a request that can never be answered."""
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, message)


def unavailable() -> RequestError:
    """Returns the error of a request that comes while the server stops."""
    return RequestError(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")


def deadline_exceeded() -> RequestError:
    """Returns the error of a request whose answer would come too late."""
    return RequestError(
        grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the answer was ready"
    )
