"""Addresses that the server listens on."""

import dataclasses
import ipaddress
import socket

from tfcolor.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class ServingAddress:
    """Where a service can be reached.

    Args:
      host: name or address.
      port: its number, never 0.
      is_encrypted: whether it speaks TLS.
    """

    host: str
    port: int
    is_encrypted: bool = False

    def __str__(self) -> str:
        """Returns "host:port", with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach an address.

    Example:
      >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
      (True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """Opens a socket that nobody else listens on.

    Args:
      host: name or address.
      port: 0 for a free one.

    Returns:
      The listening socket.

    Raises:
      UserError: if the address is in use or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, or asyncio does not see TCP in it and leaves out TCP_NODELAY: each
    # answer then waits 40 ms for the client's acknowledgement.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen(128)
    except OSError as error:
        opened.close()
        reason = error.strerror or str(error)
        raise UserError(f"cannot listen on {ServingAddress(host, port)}: {reason}") from error
    return opened
