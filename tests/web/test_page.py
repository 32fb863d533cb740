"""The page in a real browser, driven as a person would."""

import numpy as np
import pytest
from PIL import Image

from tfcolor.web.app import build_app
from tfcolor.web.options import StudioOptions
from tfcolor.web.running import studio_in_background

READY = "body[data-state=ready]:not([data-busy])"
PIXELS = """async (id) => {
  const image = document.getElementById(id);
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
}"""


@pytest.fixture
def address(served):
    options = StudioOptions(port=0)
    with studio_in_background(build_app(lambda: served, options), options) as address:
        yield address


@pytest.fixture
def open_page(browser, address):
    """Returns what opens the page in a window; errors of its scripts fail the test."""
    errors = []

    def note(text):
        if not text.startswith("Failed to load resource"):  # the studio said no, in words
            errors.append(text)

    def start(width, height, **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **options
        )
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: note(line.text) if line.type == "error" else None)
        page.goto(address)
        return page

    yield start
    assert errors == []


def upload(page, content, name="scene.png"):
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content})
    page.wait_for_selector(READY)


def pixels(page, image="after"):
    return np.array(page.evaluate(PIXELS, image)).reshape(60, 84, 4)[..., :3]


def place_hint(page, color):
    page.wait_for_selector("#swatches button")
    page.fill("#custom", color)
    page.click("#use-custom")
    page.wait_for_selector("#hints li")
    page.wait_for_selector(READY)


def test_a_person_uploads_compares_hints_and_downloads(open_page, scene, object_area):
    page = open_page(1280, 800)
    upload(page, scene)
    before = pixels(page)

    slider = page.locator("#slider")
    slider.focus()
    assert slider.get_attribute("aria-valuenow") == "50"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert slider.get_attribute("aria-valuenow") == "62"
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuenow") == "0"

    box = page.locator("#stage").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 24.5 / 84, box["y"] + box["height"] * 30.5 / 60)
    place_hint(page, "#d02020")
    change = np.abs(pixels(page) - before).sum(-1)
    assert change[object_area].mean() > 3 * change[:, 60:].mean()
    assert "1 color hint" in page.locator("#status").inner_text()

    with page.expect_download() as saved:
        page.click("#download")
    assert saved.value.suggested_filename == "scene_colorized.png"
    with Image.open(saved.value.path()) as file:
        np.testing.assert_array_equal(np.asarray(file), pixels(page))

    page.click("#undo")
    page.wait_for_selector("#hints:empty", state="attached")
    page.wait_for_selector(READY)
    np.testing.assert_array_equal(pixels(page), before)


def test_a_phone_and_a_keyboard_are_enough(open_page, scene):
    page = open_page(360, 740, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    upload(page, scene)
    assert page.evaluate("document.documentElement.scrollWidth") == 360

    reached = []
    page.locator("body").press("Tab")
    for _ in range(30):
        reached.append(page.evaluate("document.activeElement.id"))
        if reached[-1] == "marks":
            page.keyboard.press("ArrowLeft")
            page.keyboard.press("Enter")
            place_hint(page, "#2040d0")
            page.locator("#marks").focus()
        page.keyboard.press("Tab")
    expected = {"open", "download", "slider", "marks", "more", "undo", "clear", "vivid"}
    assert expected | {"show-uncertainty", "choose-reference", "lean-strength"} <= set(reached)

    page.check("#show-uncertainty")
    page.wait_for_selector("#overlay[src]")
    page.wait_for_selector(READY)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.click(".version[data-version='2']")
    page.wait_for_selector(".version[data-version='2'][aria-pressed=true]")
    page.wait_for_selector(READY)


def test_errors_are_told_and_leave_the_page_usable(open_page, scene, served):
    page = open_page(800, 600)
    page.set_input_files(
        "#file", {"name": "letter.txt", "mimeType": "text/plain", "buffer": b"Dear all,"}
    )
    page.wait_for_selector("#alert:not([hidden])")
    assert "letter.txt cannot be read" in page.locator("#alert").inner_text()
    upload(page, scene)
    assert page.locator("#alert").is_hidden()
