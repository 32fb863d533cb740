import socket

import httpx
import pytest

from tfcolor.core.errors import UserError
from tfcolor.web.app import build_app
from tfcolor.web.options import StudioOptions
from tfcolor.web.running import page_address, studio_in_background


def test_the_studio_answers_for_as_long_as_it_is_wanted(served):
    options = StudioOptions(port=0)
    with studio_in_background(build_app(lambda: served, options), options) as address:
        assert address.startswith("http://127.0.0.1:")
        assert "tfcolor" in httpx.get(address).text
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_a_taken_port_is_named(served):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = StudioOptions(port=taken.getsockname()[1])
        with (
            pytest.raises(UserError, match=f"cannot listen at 127.0.0.1 port {options.port}"),
            studio_in_background(build_app(lambda: served, options), options),
        ):
            pass


def test_an_open_address_is_shown_as_a_browser_takes_it():
    with socket.create_server(("0.0.0.0", 0)) as listener:
        assert page_address(listener) == f"http://localhost:{listener.getsockname()[1]}/"
