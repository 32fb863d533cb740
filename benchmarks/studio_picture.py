"""Makes the picture of the studio in the README.

  python benchmarks/studio_picture.py --model=runs/first

Shows the studio in headless Chromium, opens the temple of scikit-learn, places color
hints as a person would, and writes docs/studio.png. `--model` may also be an export,
or the address of a server: grpc://localhost:8500/tfcolor.
"""

import argparse
import io
from pathlib import Path

import sklearn.datasets
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import load_colorizer
from tfcolor.inference.painting import SizeOptions
from tfcolor.web.app import build_app
from tfcolor.web.options import StudioOptions
from tfcolor.web.running import studio_in_background

PHOTOGRAPH = Path(sklearn.datasets.__file__).parent / "images/china.jpg"
READY = "body[data-state=ready]:not([data-busy])"
HINTS = (
    (70, 110, "#9cc4ec"),
    (60, 500, "#9cc4ec"),
    (360, 520, "#58762f"),
    (250, 600, "#4c6a34"),
    (352, 250, "#8a7350"),
    (345, 430, "#58762f"),
)
"""(row, column) in the photograph of 427x640 pixels, and the color there."""


def place_hint(page: Page, row: int, column: int, rgb: str) -> None:
    """Clicks a pixel of the photograph and chooses a color."""
    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] * column / 640, box["y"] + box["height"] * row / 427
    page.mouse.click(x, y)
    page.wait_for_selector("#swatches button")
    page.fill("#custom", rgb)
    page.click("#use-custom")
    page.wait_for_selector(READY)


def draw(address: str, size: tuple[int, int], chromium: str) -> bytes:
    """Returns a screenshot of the studio at work, as PNG."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.set_default_timeout(120_000)
        page.goto(address)
        page.set_input_files("#file", PHOTOGRAPH)
        page.wait_for_selector(READY)
        page.focus("#slider")
        page.keyboard.press("Home")
        for hint in HINTS:
            place_hint(page, *hint)
        page.focus("#slider")
        for _ in range(3):
            page.keyboard.press("PageUp")
        page.evaluate("document.activeElement.blur()")
        page.mouse.move(0, 0)
        page.wait_for_timeout(500)
        picture = page.screenshot()
        browser.close()
    return picture


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--picture", default="docs/studio.png")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 780))
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    colorizer = load_colorizer(arguments.model, "best", DecodingOptions(), SizeOptions())
    options = StudioOptions(port=0)
    with studio_in_background(build_app(lambda: colorizer, options), options) as address:
        picture = draw(address, tuple(arguments.size), arguments.chromium)
    # 256 colors are enough for a README, and a third of the bytes.
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, kmeans=2)
    image.save(arguments.picture, optimize=True)


if __name__ == "__main__":
    main()
