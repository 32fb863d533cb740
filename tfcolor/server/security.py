"""Encryption and tokens."""

import dataclasses
import hmac
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from tfcolor.core.errors import UserError
from tfcolor.server.text_protos import new_message, read_text_proto

# Orchestrators probe health without secrets; it says nothing but "serving".
OPEN_SERVICE = "/grpc.health.v1.Health/"
UNAUTHENTICATED = "expected the header 'authorization: Bearer TOKEN' with the server's token"


@dataclasses.dataclass(frozen=True)
class Encryption:
    """What TLS needs, each in PEM format as text.

    Args:
      key: the server's private key.
      certificate: its certificate, with those above it.
      authority: who signs the clients' certificates; empty for the public ones.
      is_client_verified: whether clients must show a certificate.
    """

    key: str
    certificate: str
    authority: str = ""
    is_client_verified: bool = False

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Returns the credentials of a gRPC port."""
        return grpc.ssl_server_credentials(
            [(self.key.encode(), self.certificate.encode())],
            root_certificates=self.authority.encode() or None,
            require_client_auth=self.is_client_verified,
        )

    def tls_context(self) -> ssl.SSLContext:
        """Returns the context of an HTTPS port.

        Raises:
          UserError: if key and certificate cannot be used together.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        # Python loads keys from files only; the folder is readable by us alone.
        with tempfile.TemporaryDirectory() as folder:
            key, certificate = Path(folder) / "key.pem", Path(folder) / "certificate.pem"
            key.write_text(self.key)
            certificate.write_text(self.certificate)
            try:
                context.load_cert_chain(certificate, key)
                if self.authority:
                    context.load_verify_locations(cadata=self.authority)
            except (ssl.SSLError, ValueError) as error:
                raise UserError(f"the TLS key and certificate cannot be used: {error}") from error
        if self.is_client_verified:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def read_encryption(path: str) -> Encryption | None:
    """Reads a file with an SSLConfig in text format.

    Args:
      path: the file; empty for none.

    Returns:
      What TLS needs; None without a file.

    Raises:
      UserError: if the file cannot be read, or its parts do not fit together.
    """
    if not path:
        return None
    config = read_text_proto(path, new_message("SSLConfig"))
    if not config.server_key or not config.server_cert:
        raise UserError(f"{path} needs both server_key and server_cert, as PEM text")
    if config.client_verify and not config.custom_ca:
        raise UserError(f"{path}: client_verify needs custom_ca, who signs the clients")
    encryption = Encryption(
        config.server_key, config.server_cert, config.custom_ca, config.client_verify
    )
    try:
        encryption.tls_context()
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return encryption


def read_token(path: str) -> str:
    """Reads the token that requests must carry.

    Args:
      path: a file with nothing else in it; empty for none.

    Returns:
      The token; empty without a file.

    Raises:
      UserError: if the file cannot be read or holds no token.
    """
    if not path:
        return ""
    try:
        token = Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the token in {path}: {error}") from error
    if not token or not token.isprintable():
        raise UserError(f"{path} holds no token; expected one line of printable characters")
    return token


def is_authorized(header: str, token: str) -> bool:
    """Returns whether an authorization header carries the token.

    The time it takes says nothing about where the two differ.

    Args:
      header: its value; empty if there is none.
      token: the expected token; empty to let everybody in.

    Returns:
      True if the request may be answered.
    """
    expected = f"Bearer {token}".encode()
    return not token or hmac.compare_digest(header.encode(errors="replace"), expected)


class TokenInterceptor(grpc.ServerInterceptor):
    """Refuses gRPC requests without the token; health may be asked by anyone.

    Args:
      token: the expected token.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._refusal = grpc.unary_unary_rpc_method_handler(_refuse)

    def intercept_service(
        self, continuation: Callable[[Any], Any], handler_call_details: Any
    ) -> Any:
        """Returns the handler of a request, or the one that refuses it."""
        sent = dict(handler_call_details.invocation_metadata or ())
        header = sent.get("authorization", "")
        header = header.decode(errors="replace") if isinstance(header, bytes) else header
        is_open = handler_call_details.method.startswith(OPEN_SERVICE)
        if is_open or is_authorized(header, self._token):
            return continuation(handler_call_details)
        return self._refusal


def _refuse(request: bytes, context: grpc.ServicerContext) -> None:
    """Answers a request without the token."""
    context.abort(grpc.StatusCode.UNAUTHENTICATED, UNAUTHENTICATED)
