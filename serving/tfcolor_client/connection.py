"""How a client connects: time limits, retries, credentials."""

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

from tfcolor_client.address import Address
from tfcolor_client.errors import ServingError

MAX_ATTEMPTS, FIRST_WAIT_SECS, MAX_WAIT_SECS, WAIT_FACTOR = 5, 0.2, 3.0, 2.0
"""Retries where the server is UNAVAILABLE; more than five gRPC does not do."""

MAX_MESSAGE_BYTES = 2**31 - 1
"""The limit of protobuf and of the model server. gRPC's own of 4 MiB is too
small for a photograph."""

TOKEN_VARIABLE, CA_VARIABLE = "TFCOLOR_TOKEN", "TFCOLOR_CA_FILE"


@dataclasses.dataclass(frozen=True)
class ConnectionOptions:
    """How a client connects.

    Args:
      timeout_secs: for one request with its retries.
      total_timeout_secs: for all requests of a client together, from the first
        one on; 0 for no limit.
      token: sent as `authorization: Bearer TOKEN`; empty for none. It is sent
        by TLS or within this machine only.
      ca_file: certificates (PEM) that a server's own must be signed by; empty
        for those that the system trusts.
    """

    timeout_secs: float = 120.0
    total_timeout_secs: float = 0.0
    token: str = dataclasses.field(default="", repr=False)
    ca_file: str = ""

    def __post_init__(self) -> None:
        """Raises ServingError if a limit is none."""
        if not self.timeout_secs > 0 or not self.total_timeout_secs >= 0:
            limits = f"timeouts of {self.timeout_secs} and {self.total_timeout_secs} s"
            raise ServingError("INVALID_ARGUMENT", limits, "positive ones")

    def check(self, address: Address) -> None:
        """Makes sure that the credentials fit an address.

        Args:
          address: where to connect.

        Raises:
          ServingError: if a token would be readable on its way, or a file of
            certificates would not be used.
        """
        if self.token and not (address.is_secure or address.is_loopback):
            reason = f"a token for {address} would be readable on its way"
            raise ServingError("INVALID_ARGUMENT", reason, "grpcs:// or https://")
        if not self.token.isprintable() or not self.token.isascii() or " " in self.token:
            raise ServingError("INVALID_ARGUMENT", "the token is not one word of ASCII", "another")

    @property
    def certificates(self) -> bytes | None:
        """Returns the content of `ca_file`, or None for what the system trusts.

        Raises:
          ServingError: if it cannot be read.
        """
        if not self.ca_file:
            return None
        try:
            return Path(self.ca_file).read_bytes()
        except OSError as error:
            reason = f"cannot read {self.ca_file}: {error.strerror}"
            raise ServingError("INVALID_ARGUMENT", reason, "a PEM file") from error


def options_from_environment(
    environment: Mapping[str, str], timeout_secs: float = ConnectionOptions.timeout_secs
) -> ConnectionOptions:
    """Returns options with the credentials that environment variables hold.

    Args:
      environment: `TFCOLOR_TOKEN` and `TFCOLOR_CA_FILE` are read.
      timeout_secs: for one request with its retries.

    Returns:
      The options.
    """
    token, ca_file = environment.get(TOKEN_VARIABLE, ""), environment.get(CA_VARIABLE, "")
    return ConnectionOptions(timeout_secs, token=token.strip(), ca_file=ca_file)


class Stopwatch:
    """What is left of the time limits.

    Args:
      options: the limits.
    """

    def __init__(self, options: ConnectionOptions) -> None:
        self._options = options
        self._start: float | None = None

    def next_timeout(self) -> float:
        """Returns the seconds that the next request may take.

        Returns:
          A positive number.

        Raises:
          ServingError: if the time for all requests is over.
        """
        if not self._options.total_timeout_secs:
            return self._options.timeout_secs
        self._start = time.monotonic() if self._start is None else self._start
        total = self._options.total_timeout_secs
        left = total - (time.monotonic() - self._start)
        if left <= 0:
            raise ServingError("DEADLINE_EXCEEDED", f"all requests took longer than {total:g} s")
        return min(left, self._options.timeout_secs)
