"""The text of a report: one page without any request to a network."""

import base64
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

STATIC = Path(__file__).with_name("static")
SCRIPTS = ("comparison.js", "viewer.js", "report.js")
STYLES = ("theme.css", "report.css")

_PICTURES = "<!-- pictures -->\n"


def build_page(entries: Iterable[str], settings: str) -> tuple[bytes, bytes]:
    """Returns the page up to its pictures, and what comes after them.

    The page may run this one script and read images; nothing else, and nothing
    from a network.

    Args:
      entries: one JSON object for each photograph, from `to_inert_json`.
      settings: a JSON object of texts by title, from `to_inert_json`.

    Returns:
      Two parts, in UTF-8. Between them go lines of HTML with pictures.
    """
    script = "".join(_read(name) for name in SCRIPTS)
    style = "".join(_read(name) for name in STYLES)
    icon = base64.b64encode(_read("icon.svg").encode()).decode("ascii")
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}';"
        " img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
    )
    page = Template(_read("report.html")).substitute(
        policy=policy,
        icon=icon,
        style=style,
        script=script,
        settings=settings,
        entries=",\n".join(entries),
    )
    head, mark, tail = page.partition(_PICTURES)
    return (head + "\n").encode(), (tail if mark else "").encode()


def to_inert_json(value: Any) -> str:
    r"""Returns JSON that no text inside of it can turn into HTML.

    Args:
      value: anything `json` accepts; file names need not be valid Unicode.

    Returns:
      ASCII without `<`, `>` and `&`, on one line.

    Example:
      >>> to_inert_json({"name": "</script>"})
      '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def relative_link(path: Path, folder: Path) -> str:
    """Returns the address of a file for a page in a folder.

    Args:
      path: the file.
      folder: where the page is.

    Returns:
      A quoted relative address that starts with a dot, whatever the names are;
      an absolute one where the file is on another drive.

    Example:
      >>> relative_link(Path("/album/a b/50%.png"), Path("/album/reports"))
      './../a%20b/50%25.png'
    """
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:
        return path.absolute().as_uri()
    return "./" + quote(os.fsencode(relative.replace(os.sep, "/")))


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """Returns the source expression that allows just this text."""
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")
