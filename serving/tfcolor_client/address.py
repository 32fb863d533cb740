"""Where a model is served: `grpc://host:port/name/versions/2` and its like."""

import dataclasses
import ipaddress
import re
import urllib.parse

from tfcolor_client.errors import ServingError

PORTS = {"grpc": 8500, "grpcs": 8500, "http": 80, "https": 443}
"""Ports where an address gives none: TensorFlow Serving's, and the web's."""

FORMS = (
    "grpc://HOST[:PORT]/MODEL or http://HOST[:PORT]/v1/models/MODEL, with grpcs:// or https:// for"
    " TLS and /versions/NUMBER or /labels/LABEL for a version"
)

_MODEL = re.compile(
    r"(?P<name>[\w.-]+)(/versions/(?P<version>\d{1,18})|/labels/(?P<label>[\w.-]+))?"
)
_REST_ROOT = re.compile(r"(?P<root>(/[^/]+)*?)/v1/models/")


@dataclasses.dataclass(frozen=True)
class Address:
    """A model at a server.

    Args:
      scheme: "grpc", "grpcs", "http" or "https".
      host: a name or an IP address, without brackets.
      port: its port.
      model: the model's name.
      version: a version's number; None for the server's choice.
      label: a version's label; empty for none.
      root: what stands before /v1/models in the path of REST.
    """

    scheme: str
    host: str
    port: int
    model: str
    version: int | None = None
    label: str = ""
    root: str = ""

    @property
    def is_rest(self) -> bool:
        """Whether it is spoken to by REST."""
        return self.scheme.startswith("http")

    @property
    def is_secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme.endswith("s")

    @property
    def is_loopback(self) -> bool:
        """Whether nothing leaves this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def target(self) -> str:
        """Returns host and port as gRPC takes them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def path(self) -> str:
        """Returns the path of the model over REST."""
        version = "" if self.version is None else f"/versions/{self.version}"
        label = f"/labels/{self.label}" if self.label else ""
        return f"{self.root}/v1/models/{self.model}{version}{label}"

    def __str__(self) -> str:
        """Returns the address as a user writes it."""
        path = self.path if self.is_rest else self.path.removeprefix("/v1/models")
        return f"{self.scheme}://{self.target}{path}"


def parse_address(text: str) -> Address:
    """Reads the address of a model.

    Args:
      text: see `FORMS`.

    Returns:
      The address.

    Raises:
      ServingError: if it is none; the message gives the forms.

    Example:
      >>> parse_address("grpc://localhost/tfcolor/labels/stable").label
      'stable'
      >>> str(parse_address("http://[::1]:8501/tfcolor"))
      'http://[::1]:8501/v1/models/tfcolor'
    """
    try:
        parts = urllib.parse.urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _wrong(text, str(error)) from error
    if parts.scheme not in PORTS:
        raise _wrong(text, "its scheme is none of " + ", ".join(PORTS))
    if not host or parts.username or parts.query or parts.fragment:
        raise _wrong(text, "it needs a host, and has neither user, query nor fragment")
    root, path = "", parts.path.rstrip("/")
    found = _REST_ROOT.match(path)
    if found:
        root, path = found["root"], path[found.end() - 1 :]
    model = _MODEL.fullmatch(path.removeprefix("/"))
    if not model or not path.startswith("/"):
        raise _wrong(text, "it names no model")
    version = None if model["version"] is None else int(model["version"])
    port = PORTS[parts.scheme] if port is None else port
    return Address(parts.scheme, host, port, model["name"], version, model["label"] or "", root)


def is_address(text: str) -> bool:
    """Returns whether a text is meant as an address rather than a path."""
    return text.partition("://")[0].lower() in PORTS and "://" in text


def _wrong(text: str, reason: str) -> ServingError:
    return ServingError("INVALID_ARGUMENT", f"{text!r} is no address of a model: {reason}", FORMS)
