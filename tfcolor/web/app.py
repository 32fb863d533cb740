"""The studio's web application: its page, and what the page asks for."""

import dataclasses
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tfcolor.core.errors import UserError
from tfcolor.data.images import Photograph
from tfcolor.inference.loading import GrayToColor
from tfcolor.web.easel import Easel
from tfcolor.web.guard import Guard
from tfcolor.web.look import parse_look
from tfcolor.web.options import StudioOptions
from tfcolor.web.refusals import StudioError, busy, explain, forgotten
from tfcolor.web.sessions import SessionStore
from tfcolor.web.uploads import clean_name, decode_upload, download_name, read_body

STATIC = Path(__file__).with_name("static")
SHARED = ("tfcolor.inference", "static")
"""Where the look is that the studio shares with reports."""

MAX_LOOK_BYTES = 100_000
MAX_WAITING = 24
PICTURES = ("preview", "thumbnail", "uncertainty", "full")

Handler = Callable[[Request], Awaitable[Response]]
Result = TypeVar("Result")
_LOGGER = logging.getLogger(__name__)


class Studio:
    """The answers of the studio; every photograph is kept in memory only.

    Args:
      open_colorizer: connects to the model; called when the first photograph is
        opened, and again after a failure.
      options: limits.
    """

    def __init__(self, open_colorizer: Callable[[], GrayToColor], options: StudioOptions) -> None:
        self._open_colorizer = open_colorizer
        self._options = options
        self._max_bytes = int(options.max_upload_mb * 1e6)
        self._max_pixels = int(options.max_megapixels * 1e6)
        self._easels: SessionStore[Easel] = SessionStore(
            options.max_photographs, 60 * options.expire_minutes
        )
        self._colorizer: GrayToColor | None = None
        self._opening = threading.Lock()
        self._limiter: anyio.CapacityLimiter | None = None
        self._num_asked = 0

    async def page(self, request: Request) -> Response:
        """Returns the page."""
        del request
        return FileResponse(STATIC / "index.html")

    async def limits(self, request: Request) -> Response:
        """Returns what a page has to know before it sends a file."""
        del request
        return JSONResponse({"max_bytes": self._max_bytes, "max_pixels": self._max_pixels})

    async def open(self, request: Request) -> Response:
        """Takes a photograph and lets the network look at it."""
        name, content = await self._read_file(request)

        def prepare() -> Easel:
            photograph = decode_upload(content, name, self._max_pixels)
            return self._set_up(photograph)

        easel = await self._compute(prepare)
        height, width = easel.size
        described = {
            "token": self._easels.add(easel),
            "name": name,
            "width": width,
            "height": height,
            "download_name": download_name(name),
            "has_alternatives": easel.has_alternatives,
        }
        return JSONResponse(described, status_code=201)

    async def close(self, request: Request) -> Response:
        """Forgets a photograph."""
        self._easels.remove(request.path_params["token"])
        return Response(status_code=204)

    async def before(self, request: Request) -> Response:
        """Returns the gray photograph."""
        easel = self._find(request)
        return _png(await self._compute(easel.before))

    async def picture(self, request: Request) -> Response:
        """Returns the photograph, colored as the look in the body says.

        Args:
          request: its path has one of `PICTURES`, its body a look.

        Returns:
          A PNG file.

        Raises:
          StudioError: if there is no such photograph or picture.
        """
        easel = self._find(request)
        kind = request.path_params["picture"]
        if kind not in PICTURES:
            raise StudioError(404, "unknown", f"There is no picture {kind!r:.40}.")
        look = parse_look(await _read_json(request))
        if kind == "uncertainty":
            return _png(await self._compute(lambda: easel.uncertainty(look)))
        answer = _png(await self._compute(lambda: easel.colored(look, kind)))
        if kind == "full":
            name = quote(download_name(easel.photograph.name))
            answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
        return answer

    async def palette(self, request: Request) -> Response:
        """Returns likely colors of the pixel that the query names.

        Args:
          request: its query has `row` and `column`.

        Returns:
          A list of `{"rgb": "#c81e28", "share": 0.3}`, the likeliest first.

        Raises:
          UserError: if the query names no pixel.
        """
        easel = self._find(request)
        try:
            row, column = (int(request.query_params[name]) for name in ("row", "column"))
        except (KeyError, ValueError) as error:
            raise UserError("expected ?row=9&column=7, in pixels of the photograph") from error
        colors = await self._compute(lambda: easel.likely_colors(row, column))
        return JSONResponse([dataclasses.asdict(color) for color in colors])

    async def reference(self, request: Request) -> Response:
        """Takes a photograph whose colors the other one may get."""
        easel = self._find(request)
        name, content = await self._read_file(request)

        def take() -> None:
            easel.take_reference(decode_upload(content, name, self._max_pixels))

        await self._compute(take)
        return JSONResponse({"name": name})

    def _find(self, request: Request) -> Easel:
        """Returns the photograph that the path names, or raises StudioError."""
        easel = self._easels.find(request.path_params["token"])
        if easel is None:
            raise forgotten()
        return easel

    def _set_up(self, photograph: Photograph) -> Easel:
        """Runs the network; a failed connection is opened again next time."""
        with self._opening:
            if self._colorizer is None:
                self._colorizer = self._open_colorizer()
            colorizer = self._colorizer
        try:
            return Easel(colorizer, photograph)
        except Exception:
            with self._opening:
                if self._colorizer is colorizer:
                    self._colorizer = None
            raise

    async def _read_file(self, request: Request) -> tuple[str, bytes]:
        """Returns name and content of the file that is the body."""
        content = await read_body(request.headers, request.stream(), self._max_bytes)
        return clean_name(request.query_params.get("name", "")), content

    async def _compute(self, work: Callable[[], Result]) -> Result:
        """Runs work in a thread, at most so many at a time."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._options.max_requests)
        if self._num_asked >= self._options.max_requests + MAX_WAITING:
            raise busy()
        self._num_asked += 1
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._num_asked -= 1


def build_app(
    open_colorizer: Callable[[], GrayToColor], options: StudioOptions | None = None
) -> Starlette:
    """Returns the studio as an ASGI application.

    Args:
      open_colorizer: connects to a model: a server's, or one in this process.
      options: limits and accepted host names.

    Returns:
      The application, for `tfcolor.web.running` or any ASGI server.
    """
    options = options or StudioOptions()
    studio = Studio(open_colorizer, options)
    one = "/api/photographs/{token}"
    routes = [
        Route("/", studio.page),
        Route("/api/limits", studio.limits),
        Route("/api/photographs", _explained(studio.open), methods=["POST"]),
        Route(one, _explained(studio.close), methods=["DELETE"]),
        Route(f"{one}/before", _explained(studio.before)),
        Route(f"{one}/palette", _explained(studio.palette)),
        Route(f"{one}/reference", _explained(studio.reference), methods=["PUT"]),
        Route(f"{one}/{{picture}}", _explained(studio.picture), methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC, packages=[SHARED])),
    ]
    guard = Middleware(Guard, allowed_hosts=options.allowed_hosts)
    return Starlette(routes=routes, middleware=[guard])


def _explained(handler: Handler) -> Handler:
    """Returns a handler that answers every error in plain words."""

    async def answer(request: Request) -> Response:
        """Answers one request."""
        try:
            return await handler(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            refusal = explain(error)
            if refusal.status == 500:
                _LOGGER.error("%s failed", request.url.path, exc_info=error)
            content = {
                "code": refusal.code,
                "message": refusal.message,
                "remedy": refusal.remedy,
            }
            return JSONResponse(content, status_code=refusal.status)

    return answer


async def _read_json(request: Request) -> Any:
    """Returns the JSON value of the body, an empty one being an empty object."""
    content = await read_body(request.headers, request.stream(), MAX_LOOK_BYTES)
    if not content:
        return {}
    try:
        return json.loads(content)
    except ValueError as error:
        raise UserError("expected JSON that says how to color the photograph") from error


def _png(content: bytes) -> Response:
    return Response(content, media_type="image/png")
