import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tfcolor.server.addresses import listen
from tfcolor.server.http_server import HttpServer


async def answer(request):
    return PlainTextResponse("hello")


@pytest.fixture
def running():
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = HttpServer(Starlette(routes=[Route("/", answer)]), listening)
    server.start()
    yield f"http://127.0.0.1:{port}/", server
    server.stop()


def test_an_application_is_served_until_stopped(running):
    url, server = running
    assert httpx.get(url).text == "hello"
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_answers_do_not_wait_for_acknowledgements(running):
    url, _ = running
    with httpx.Client() as client:
        client.get(url)
        started = time.monotonic()
        for _ in range(20):
            client.get(url)
        # Without TCP_NODELAY each takes 40 ms more.
        assert time.monotonic() - started < 20 * 0.035
