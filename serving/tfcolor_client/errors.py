"""The one error of the client: what happened and what would be right."""

from collections.abc import Mapping

EXPECTED: Mapping[str, str] = {
    "DEADLINE_EXCEEDED": "a longer timeout, a smaller photograph or a less busy server",
    "INVALID_ARGUMENT": "inputs of the names, types and shapes that the metadata gives",
    "NOT_FOUND": "the name, version or label of a model that the server has loaded",
    "PERMISSION_DENIED": "a token that is allowed to do this",
    "RESOURCE_EXHAUSTED": "smaller requests, or fewer at once",
    "UNAUTHENTICATED": "the token that the server was started with",
    "UNAVAILABLE": "a model server that runs at this address, with TLS if its scheme says so",
    "UNIMPLEMENTED": "the gRPC port of a model server, usually 8500; REST takes http://",
}
"""What would be right, by the code of the error."""


class ServingError(Exception):
    """A request that failed, or an address or file that cannot be used.

    Args:
      code: gRPC's name of the kind of failure ("UNAVAILABLE"), also over REST.
      message: what went wrong, in one line.
      expected: what would be right; by default what `EXPECTED` has for the code.
    """

    def __init__(self, code: str, message: str, expected: str | None = None) -> None:
        self.code = code
        self.message = " ".join(message.split())
        self.expected = EXPECTED.get(code, "") if expected is None else expected
        tail = f"; expected {self.expected}" if self.expected else ""
        super().__init__(f"{code}: {self.message}{tail}")

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        """Pickles by the constructor's arguments, for worker processes."""
        return type(self), (self.code, self.message, self.expected)
