"""Refuses what no page of the studio asks for, and tells browsers what pages may do."""

import ipaddress
import json
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tfcolor.web.refusals import StudioError

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
API = "/api/"


class Guard:
    """Stands before the studio: who may ask, and the headers of every answer.

    A web site can point a name of its own at 127.0.0.1 and so make a browser take
    the studio for a part of itself. The `Host` header then has that name, so names
    are refused unless they are known; an IP address cannot be pointed elsewhere.

    Args:
      app: what is guarded.
      allowed_hosts: names that are accepted besides localhost.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: tuple[str, ...] = ()) -> None:
        self._app = app
        self._names = {"localhost", *(name.lower() for name in allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or refuses it.

        Args:
          scope: of ASGI.
          receive: gives the body.
          send: takes the answer.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                is_answer = scope["path"].startswith(API)
                headers["Cache-Control"] = "no-store" if is_answer else "no-cache"
            await send(message)

        refusal = self._refusal(scope["path"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        body = json.dumps({"code": refusal.code, "message": str(refusal), "remedy": ""}).encode()
        headers = [(b"content-type", b"application/json")]
        start = {"type": "http.response.start", "status": refusal.status, "headers": headers}
        await send_with_headers(start)
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, path: str, headers: Headers) -> StudioError | None:
        """Returns why a request is refused, or None."""
        host = headers.get("host", "")
        if not self._is_known(host):
            message = f"The studio does not answer to the name {host[:80]!r}."
            remedy = "Call it by its address, or start it with --allowed_hosts."
            return StudioError(403, "host", message, remedy)
        origin = headers.get("origin")
        is_foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        fetched_by = headers.get("sec-fetch-site", "none")
        if path.startswith(API) and (is_foreign or fetched_by not in ("none", "same-origin")):
            return StudioError(403, "origin", "The studio answers only to its own page.")
        return None

    def _is_known(self, host: str) -> bool:
        """Says whether a `Host` header has an IP address or a known name."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".").lower()
            if name in self._names:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
