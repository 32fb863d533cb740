import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tfcolor.web.guard import Guard


def ask(path="/api/x", method="GET", allowed_hosts=(), **headers):
    async def answer(request):
        return PlainTextResponse("fine")

    routes = [Route(place, answer, methods=["GET", "POST"]) for place in ("/", "/api/x")]
    client = TestClient(Guard(Starlette(routes=routes), allowed_hosts), base_url="http://127.0.0.1")
    return client.request(
        method, path, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8600", "localhost", "LOCALHOST:1", "[::1]:8600", "192.168.1.7:80"]
)
def test_addresses_and_localhost_are_answered(host):
    assert ask(host=host).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8600", "127.0.0.1.evil.example", "", "[::1", "a@b:c"]
)
def test_other_names_are_refused(host):
    answer = ask(host=host)
    assert answer.status_code == 403
    assert answer.json()["code"] == "host"
    assert ask("/", host=host).status_code == 403


def test_names_can_be_allowed():
    assert ask(host="Studio.lan:80", allowed_hosts=("studio.lan",)).status_code == 200
    assert ask(host="other.lan", allowed_hosts=("studio.lan",)).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://127.0.0.1:8600"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
    ],
)
def test_only_the_own_page_may_ask(headers, status):
    assert ask(method="POST", host="127.0.0.1:8600", **headers).status_code == status


def test_a_link_from_elsewhere_opens_the_page():
    assert ask("/", sec_fetch_site="cross-site").status_code == 200


def test_every_answer_says_what_pages_may_do():
    for answer in (ask(), ask("/"), ask("/missing"), ask(host="evil.example")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
    assert ask().headers["cache-control"] == "no-store"
    assert ask("/").headers["cache-control"] == "no-cache"
