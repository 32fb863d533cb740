import base64
import hashlib
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin

import pytest

from tfcolor.inference.report_page import STATIC, build_page, relative_link, to_inert_json


class Elements(HTMLParser):
    """Collects elements as (tag, attributes, text)."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.is_open = False

    def handle_starttag(self, tag, attrs):
        self.found.append([tag, dict(attrs), ""])
        self.is_open = True

    def handle_endtag(self, tag):
        self.is_open = False

    def handle_data(self, data):
        if self.is_open:
            self.found[-1][2] += data


@pytest.fixture(scope="module")
def page():
    head, tail = build_page([to_inert_json({"name": "a"})], to_inert_json({"Model": "m"}))
    return (head + tail).decode()


@pytest.fixture(scope="module")
def elements(page):
    parser = Elements()
    parser.feed(page)
    return parser.found


def test_only_the_pages_own_script_and_style_may_run(page, elements):
    (policy,) = [a["content"] for tag, a, _ in elements if tag == "meta" and "http-equiv" in a]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        texts = [text for name, a, text in elements if name == tag and "type" not in a]
        assert len(texts) == 1
        digest = base64.b64encode(hashlib.sha256(texts[0].encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_the_page_asks_nothing_of_a_network(page, elements):
    assert set(re.findall(r"https?://([\w.-]+)", page)) == set()
    assert [a for _, a, _ in elements if a.get("src")] == []
    links = [a["href"] for _, a, _ in elements if a.get("href")]
    assert len(links) == 1
    assert links[0].startswith("data:image/svg+xml;base64,")
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|sendBeacon|import)\b\s*\(", page)
    assert not re.search(r"@import|url\((?!.#)", page)


def test_no_attribute_holds_code(elements):
    assert [
        a for _, a, _ in elements if any(name.startswith("on") or name == "style" for name in a)
    ] == []


def test_file_texts_never_become_html():
    for name in ("report.js", "viewer.js", "comparison.js"):
        script = (STATIC / name).read_text()
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script
        )
        assert "</" not in script


def test_every_part_that_scripts_look_for_is_there(elements):
    scripts = "".join(
        (STATIC / name).read_text() for name in ("report.js", "viewer.js", "comparison.js")
    )
    looked_for = set(re.findall(r'find\("([\w-]+)"\)', scripts))
    assert looked_for
    assert looked_for <= {a["id"] for _, a, _ in elements if "id" in a}


def test_pictures_go_between_the_two_parts():
    head, tail = build_page(["{}"], "{}")
    assert head.endswith(b"<div hidden>\n\n")
    assert tail == b"  </div>\n</body>\n</html>\n"


def test_entries_and_settings_are_data(elements):
    data = {
        a["id"]: json.loads(text) for _, a, text in elements if a.get("type") == "application/json"
    }
    assert data == {"settings-data": {"Model": "m"}, "entries-data": [{"name": "a"}]}


@pytest.mark.parametrize(
    "text",
    [
        "</script><script>alert(1)</script>",
        "<!-- <script>",
        '"><img src=x>',
        "&lt;",
        "\u2028",
        "ü\udcff",
    ],
)
def test_any_text_is_inert(text):
    encoded = to_inert_json({text: text})
    assert encoded.isascii()
    assert not set("<>&\n") & set(encoded)
    assert json.loads(encoded) == {text: text}


def test_numbers_that_json_lacks_are_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        to_inert_json(float("nan"))


@pytest.mark.parametrize(
    "name",
    ["a b.png", "50%.png", "#1?.png", "javascript:alert(1).png", "ü\n.png", "\udcff.png"],
)
def test_links_lead_to_their_file(name):
    link = relative_link(Path("/album/in") / name, Path("/album/out/reports"))
    assert link.startswith("./../../in/")
    address = urljoin("file:///album/out/reports/r.html", link)
    path = unquote_to_bytes(address.removeprefix("file://"))
    assert path == os.fsencode(Path("/album/in") / name)


def test_links_do_not_depend_on_where_the_command_ran(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert relative_link(Path("album/a.png"), Path("reports")) == "./../album/a.png"
    assert relative_link(tmp_path / "album/a.png", Path("reports")) == "./../album/a.png"
