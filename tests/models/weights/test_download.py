import hashlib
import http.server
import re
import threading

import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.models.weights import download as module
from tfcolor.models.weights.download import Expected, download, verify

CONTENT = np.random.default_rng(0).bytes(300_000)
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; breaks off, ignores ranges or fails as told."""

    content = CONTENT
    breaks_after: tuple[int, ...] = ()  # bytes of the first, second, ... answer
    knows_ranges = True
    failures: tuple[int, ...] = ()  # statuses of the first answers


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, number = self.server, len(self.server.requests)
        span = self.headers.get("Range")
        server.requests.append(span)
        if number < len(server.failures):
            self.send_error(server.failures[number])
            return
        start = 0
        if span and server.knows_ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", span)[1])
            if start >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                self.end_headers()
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        rest = server.content[start:]
        sent = rest[: server.breaks_after[number]] if number < len(server.breaks_after) else rest
        self.wfile.write(sent)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as running:
        running.requests = []
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", 4096)


def _fetch(server, path, expected=None, **options):
    address = f"http://127.0.0.1:{server.server_port}/weights.h5"
    expected = expected or Expected(len(CONTENT), DIGEST)
    return download(address, path, expected, pause_secs=0, **options)


def test_a_file_arrives_whole_under_its_name(server, tmp_path):
    path = _fetch(server, tmp_path / "new" / "weights.h5")
    assert path.read_bytes() == CONTENT
    assert [each.name for each in path.parent.iterdir()] == ["weights.h5"]
    assert server.requests == [None]


def test_a_file_that_is_there_is_not_fetched_again(server, tmp_path):
    (tmp_path / "w.h5").write_bytes(CONTENT)
    _fetch(server, tmp_path / "w.h5")
    assert server.requests == []


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(server, tmp_path):
    server.breaks_after = (100_000, 50_000)
    assert _fetch(server, tmp_path / "w.h5").read_bytes() == CONTENT
    assert server.requests == [None, "bytes=100000-", "bytes=150000-"]


def test_the_next_call_goes_on_after_the_last_gave_up(server, tmp_path):
    server.breaks_after = (10_000, 20_000)
    with pytest.raises(UserError, match=r"30,000 bytes are kept in .*w\.h5\.part"):
        _fetch(server, tmp_path / "w.h5", attempts=2)
    assert not (tmp_path / "w.h5").exists()
    assert _fetch(server, tmp_path / "w.h5").read_bytes() == CONTENT
    assert server.requests[-1] == "bytes=30000-"


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.knows_ranges, server.breaks_after = False, (200_000,)
    assert _fetch(server, tmp_path / "w.h5").read_bytes() == CONTENT
    assert server.requests == [None, "bytes=200000-"]


def test_a_part_that_is_the_whole_only_needs_its_name(server, tmp_path):
    (tmp_path / "w.h5.part").write_bytes(CONTENT)
    assert _fetch(server, tmp_path / "w.h5").read_bytes() == CONTENT


def test_a_part_of_another_file_is_dropped(server, tmp_path):
    (tmp_path / "w.h5.part").write_bytes(CONTENT + b"more")
    assert _fetch(server, tmp_path / "w.h5").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.failures = (503,)
    assert _fetch(server, tmp_path / "w.h5").read_bytes() == CONTENT


def test_a_file_that_moved_is_reported_at_once(server, tmp_path):
    server.failures = (404,)
    with pytest.raises(UserError, match="answers 404"):
        _fetch(server, tmp_path / "w.h5")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (Expected(len(CONTENT) + 1), "offers 300,000 bytes, the published file has 300,001"),
        (Expected(None, DIGEST[:-1] + "x"), "another sha256"),
        (Expected(magic=b"\x89HDF"), "no weight file"),
    ],
)
def test_what_is_not_as_published_leaves_nothing(server, tmp_path, expected, message):
    with pytest.raises(UserError, match=message):
        _fetch(server, tmp_path / "w.h5", expected)
    assert not list(tmp_path.iterdir())


def test_no_server_at_all_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="the transfer failed"):
        download("http://127.0.0.1:9/w.h5", tmp_path / "w.h5", Expected(), attempts=2, pause_secs=0)


def test_verify_names_the_size(tmp_path):
    (tmp_path / "w").write_bytes(b"abc")
    with pytest.raises(UserError, match="has 3 bytes, the published file 4"):
        verify(tmp_path / "w", Expected(4))
