import re
import threading
from html.parser import HTMLParser

import anyio
import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.data.images import read_photograph
from tfcolor.inference.result_files import write_result
from tfcolor.inference.variations import color_photograph
from tfcolor.web import app as web_app
from tfcolor.web.app import STATIC
from tfcolor.web.refusals import StudioError
from tfcolor_client.errors import ServingError

HINT = {"row": 30, "column": 24, "rgb": "#d02020"}


def test_an_upload_is_described(client, scene):
    answer = client.post("/api/photographs", params={"name": "../my cat.jpg"}, content=scene)
    assert answer.status_code == 201
    described = answer.json()
    assert len(described.pop("token")) == 24
    assert described == {
        "name": "my cat.jpg",
        "width": 84,
        "height": 60,
        "download_name": "my cat_colorized.png",
        "has_alternatives": True,
    }


def test_the_download_is_the_file_that_colorize_writes(
    client, open_photograph, served, photos, tmp_path
):
    content = (photos / "photo1.jpg").read_bytes()
    answer = client.post(open_photograph(content, "photo1.jpg") + "/full")
    write_result(color_photograph(served, read_photograph(content)), tmp_path / "a.png")
    assert answer.content == (tmp_path / "a.png").read_bytes()
    expected = "attachment; filename*=UTF-8''photo1_colorized.png"
    assert answer.headers["content-disposition"] == expected


def test_a_hint_changes_its_object(client, open_photograph, scene, pixels_of, object_area):
    path = open_photograph(scene)
    before = pixels_of(client.post(f"{path}/preview")).astype(int)
    after = pixels_of(client.post(f"{path}/preview", json={"hints": [HINT]})).astype(int)
    change = np.abs(after - before).sum(-1)
    assert change[object_area].mean() > 3 * change[:, 60:].mean()
    again = pixels_of(client.post(f"{path}/preview", json={"hints": []}))
    np.testing.assert_array_equal(again, before)


def test_versions_are_reproducible(client, open_photograph, scene):
    paths = open_photograph(scene), open_photograph(scene)
    first, again = (client.post(f"{path}/thumbnail", json={"version": 3}) for path in paths)
    other = client.post(f"{paths[0]}/thumbnail", json={"version": 4})
    assert first.content == again.content != other.content


def test_before_uncertainty_and_palette(client, open_photograph, scene, pixels_of):
    path = open_photograph(scene)
    before = pixels_of(client.get(f"{path}/before"))
    assert before.shape == (60, 84)
    assert (before[30, 24], before[5, 5]) == (150, 70)
    assert pixels_of(client.post(f"{path}/uncertainty")).shape == (60, 84, 3)
    colors = client.get(f"{path}/palette?row=30&column=24").json()
    assert all(re.fullmatch("#[0-9a-f]{6}", color["rgb"]) for color in colors)
    assert colors


def test_a_reference_lends_its_colors(client, open_photograph, scene, photos):
    path = open_photograph(scene)
    plain = client.post(f"{path}/preview").content
    assert client.post(f"{path}/preview", json={"reference": "energy"}).status_code == 400
    content = (photos / "photo0.png").read_bytes()
    given = client.put(f"{path}/reference", params={"name": "sea.png"}, content=content)
    assert given.json() == {"name": "sea.png"}
    for kind in ("energy", "quantile"):
        answer = client.post(f"{path}/preview", json={"reference": kind})
        assert answer.status_code == 200
        assert answer.content != plain


def test_a_closed_photograph_is_forgotten(client, open_photograph, scene):
    path = open_photograph(scene)
    assert client.delete(path).status_code == 204
    answer = client.post(f"{path}/preview")
    assert (answer.status_code, answer.json()["code"]) == (404, "forgotten")
    assert client.delete(path).status_code == 204


def test_only_so_many_photographs_are_kept(connect, scene):
    client = connect(max_photographs=2)
    tokens = [client.post("/api/photographs", content=scene).json()["token"] for _ in range(3)]
    found = [client.get(f"/api/photographs/{token}/before").status_code for token in tokens]
    assert found == [404, 200, 200]


@pytest.mark.parametrize(
    ("options", "content", "status", "code"),
    [
        ({}, b"", 415, "unreadable"),
        ({}, b"Dear all,", 415, "unreadable"),
        ({"max_upload_mb": 0.001}, b"x" * 1001, 413, "too_large"),
        ({"max_megapixels": 0.005}, None, 413, "too_large"),
    ],
)
def test_uploads_are_refused_in_plain_words(connect, scene, options, content, status, code):
    answer = connect(**options).post(
        "/api/photographs", params={"name": "a.png"}, content=scene if content is None else content
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"].endswith(".")
    assert answer.json()["remedy"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/preview?", 400),
        ("/portrait", 404),
        ("/palette?row=a&column=1", 400),
        ("/palette?row=1", 400),
        ("/palette?row=60&column=1", 400),
    ],
)
def test_wrong_requests_are_refused(client, open_photograph, scene, path, status):
    place = open_photograph(scene) + path
    answer = client.get(place) if "palette" in path else client.post(place, content=b"{")
    assert answer.status_code == status
    assert "500" not in answer.text


def test_a_server_that_is_gone_is_named_and_found_again(connect, served, scene):
    answers = [ServingError("UNAVAILABLE", "refused"), UserError("no such model"), served]

    def open_colorizer():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = connect(open_colorizer)
    first, second, third = (client.post("/api/photographs", content=scene) for _ in range(3))
    assert (first.status_code, first.json()["code"]) == (502, "server")
    assert "does not answer" in first.json()["message"]
    assert second.status_code == 400
    assert third.status_code == 201


def test_a_connection_that_breaks_is_opened_again(connect, served, scene):
    opened = []

    def open_colorizer():
        opened.append(1)
        return served

    client = connect(open_colorizer)
    assert client.post("/api/photographs", content=scene).status_code == 201
    histograms, served.histograms = served.histograms, fail
    assert client.post("/api/photographs", content=scene).status_code == 502
    served.histograms = histograms
    assert client.post("/api/photographs", content=scene).status_code == 201
    assert len(opened) == 2


def fail(gray):
    raise ServingError("UNAVAILABLE", "refused")


def test_work_is_limited_and_what_waits_too(served, monkeypatch):
    monkeypatch.setattr(web_app, "MAX_WAITING", 3)
    studio = web_app.Studio(lambda: served, web_app.StudioOptions(max_requests=2))
    running, most, gate, results = [], [], threading.Event(), []

    def work():
        running.append(1)
        most.append(len(running))
        gate.wait(5)
        running.pop()

    async def ask():
        try:
            await studio._compute(work)
            results.append(200)
        except StudioError as refusal:
            results.append(refusal.status)

    async def ask_all():
        async with anyio.create_task_group() as group:
            for _ in range(7):
                group.start_soon(ask)
            await anyio.sleep(0.1)
            gate.set()

    anyio.run(ask_all)
    assert max(most) == 2
    assert sorted(results) == [200] * 5 + [503] * 2


def test_limits_are_told(connect):
    answer = connect(max_upload_mb=2, max_megapixels=3).get("/api/limits")
    assert answer.json() == {"max_bytes": 2_000_000, "max_pixels": 3_000_000}


class References(HTMLParser):
    """Collects what a page loads, and what a strict policy would block."""

    def __init__(self):
        super().__init__()
        self.loaded, self.inline = [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.loaded += [values[name] for name in ("src", "href") if values.get(name)]
        self.inline += [name for name in values if name == "style" or name.startswith("on")]
        self.inline += [tag] * (tag == "style" or (tag == "script" and "src" not in values))


def test_the_page_loads_only_what_the_studio_has(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    references = References()
    references.feed(page.text)
    assert references.inline == []
    assert references.loaded
    for place in references.loaded:
        assert place.startswith("/static/")
        assert client.get(place).status_code == 200


def test_no_file_of_the_page_names_another_host():
    for path in STATIC.rglob("*"):
        if path.suffix in (".js", ".css", ".html", ".svg"):
            hosts = set(re.findall(r"https?://([\w.-]+)", path.read_text()))
            assert hosts <= {"www.w3.org"}, path  # the name of SVG, not a place


def test_the_library_ships_with_its_license():
    assert "MIT License" in (STATIC / "vendor/LICENSE").read_text()
    assert "img-comparison-slider" in (STATIC / "vendor/img-comparison-slider.js").read_text()


def test_files_beside_the_page_stay_out_of_reach(client):
    for place in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"):
        assert client.get(place).status_code == 404
