"""A report in a real browser, opened from disk and used as a person would."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfcolor.data.images import read_photograph
from tfcolor.inference.report import ReportEntry, ReportOptions, ReportWriter
from tfcolor.inference.report_pictures import Pictures

HEIGHT, WIDTH, SIDE = 150, 240, 120
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>.png'
MANY = 300


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A report of 300 photographs, six of them special, with their files beside it."""
    folder = tmp_path_factory.mktemp("job %41 ü#")
    gray = np.broadcast_to(
        np.linspace(60, 200, HEIGHT).astype(np.uint8)[:, None, None], (HEIGHT, WIDTH, 3)
    )
    warm, cold = gray + np.array([40, 0, -40]), gray + np.array([-40, 0, 40])
    layer = np.full_like(gray, 128) + np.array([40, 0, -40])
    files = {"gray.png": gray, "gray.tif": gray, "warm.png": warm, "cold.png": cold}
    files["layer.png"] = layer
    for name, pixels in files.items():
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
    doubts = np.zeros((HEIGHT, WIDTH), np.uint8)
    doubts[:, WIDTH // 2 :] = 255
    writer = ReportWriter(ReportOptions(str(folder / "report.html"), SIDE), {"Model": HOSTILE})

    def add(name, source, *results, has_pictures=True, **facts):
        paths = [folder / result for result in results]
        entry = ReportEntry(name, folder / source, paths, **facts)
        pictures = None
        if has_pictures:
            pictures = Pictures(read_photograph(folder / source), SIDE)
            for path in paths:
                pictures.add_result(read_photograph(path).pixels, doubts)
        writer.add(entry, pictures)

    numbers = {"seconds": 1.5, "doubt": 0.1, "lightness_deviation": 0.0}
    for index in range(MANY - 6):
        add(f"album/{index + 1}.png", "gray.png", "cold.png", has_pictures=index == 0, **numbers)
    add("first.png", "gray.png", "warm.png", "cold.png", doubt=0.7, lightness_deviation=0.1667)
    add("scan.tif", "gray.tif", "warm.png", doubt=0.6, seconds=90.0)
    add("Zoë.jpg", "warm.png", "cold.png", doubt=0.5)
    add(HOSTILE, "gray.png", "warm.png", doubt=0.4)
    add("layer.png", "gray.png", "layer.png", is_layer=True)
    writer.add(ReportEntry("bad.jpg", folder / "bad.jpg", error=f"damaged {HOSTILE}"))
    return writer.finish()


@pytest.fixture
def open_page(browser, report):
    """Returns what opens the report; errors and requests to anywhere else fail the test."""
    complaints = []

    def note_request(request):
        if not request.url.startswith(("data:", report.parent.as_uri())):
            complaints.append(request.url)

    def start(width=1280, height=800, address="", **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda line: complaints.append(line.text) if line.type in ("error", "warning") else 0,
        )
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", note_request)
        page.goto(report.as_uri() + address)
        return page

    yield start
    assert complaints == []


def _names(page, count=3):
    return page.locator("#grid li a").evaluate_all(
        "(cards, count) => cards.slice(0, count).map((card) => card.title)", count
    )


def _until(page, condition):
    """Waits; the policy of the page forbids `wait_for_function`, which evaluates texts."""
    for _ in range(300):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"still not so: {condition}")


def _open(page, name):
    page.fill("#search", name)
    page.locator("#grid li a").first.click()
    page.wait_for_selector("#viewer[open]")
    _until(page, "document.getElementById('after').complete")


def _stage(page):
    """Returns the pixels of the stage as they are on the screen, float [H, W, 3]."""
    picture = Image.open(io.BytesIO(page.locator("#stage").screenshot()))
    return np.asarray(picture.convert("RGB")).astype(float)


def _warmth(pixels):
    """Returns red minus blue, [W], in the middle rows."""
    middle = pixels[pixels.shape[0] // 3 : -pixels.shape[0] // 3]
    return (middle[..., 0] - middle[..., 2]).mean(axis=0)


def test_the_grid_is_searched_sorted_and_filtered(open_page):
    page = open_page()
    totals = page.locator("#totals").inner_text()
    assert totals.startswith(
        "299 photographs colored · 1 failed · lightness kept within 0.17 steps"
    )
    assert _names(page, 3)[1:] == ["album/1.png", "album/2.png"]
    assert _names(page, 12)[10] == "album/10.png"  # after 9, as people count

    page.select_option("#sort", "doubt")
    assert _names(page) == ["first.png", "scan.tif", "Zoë.jpg"]
    page.select_option("#sort", "seconds")
    assert _names(page, 1) == ["scan.tif"]
    page.select_option("#sort", "deviation")
    assert _names(page, 1) == ["first.png"]
    page.select_option("#filter", "failed")
    assert _names(page) == ["bad.jpg"]
    # Waits until it is laid out, before which there is no text to see.
    page.locator("#grid li").filter(has_text=HOSTILE).wait_for()
    page.select_option("#filter", "all")
    page.fill("#search", "ZOE")
    assert _names(page) == ["Zoë.jpg"]
    assert page.locator("#count").inner_text() == "1 of 300"
    page.fill("#search", "nowhere")
    assert page.locator("#nothing").is_visible()
    page.locator("#settings summary").click()
    assert page.locator("#settings dd").inner_text() == HOSTILE
    assert page.title() == "tfcolor report"


def test_only_what_is_near_is_decoded(open_page):
    page = open_page()
    page.wait_for_selector(".over[src]")
    count = "document.querySelectorAll('.over[src]').length"
    assert 0 < page.evaluate(count) < 100
    cards = page.locator("#grid li")
    while cards.count() < MANY:
        before = cards.count()
        cards.last.scroll_into_view_if_needed()
        _until(page, f"document.querySelectorAll('#grid li').length > {before}")
    cards.last.scroll_into_view_if_needed()
    _until(page, "document.querySelector('#grid li:last-child .over').src")
    _until(page, "!document.querySelector('#grid li:first-child .over').src")
    assert page.evaluate(count) < 100


def test_before_and_after_are_compared(open_page):
    page = open_page()
    _open(page, "first.png")
    warmth = _warmth(_stage(page))
    middle = len(warmth) // 2
    assert np.abs(warmth[: middle - 30]).max() < 4
    assert warmth[middle + 30 :].min() > 60

    page.locator("#split").focus()
    for _ in range(25):
        page.keyboard.press("ArrowRight")
    assert page.locator("#split").get_attribute("aria-valuetext") == "75 % before, 25 % after"
    assert np.abs(_warmth(_stage(page))[: int(1.4 * middle)]).max() < 4

    box = page.locator("#stage").bounding_box()
    center = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(center[0] + box["width"] / 4, center[1])
    page.mouse.down()
    page.mouse.move(center[0] - box["width"] / 4, center[1], steps=4)
    page.mouse.up()
    assert page.locator("#split").input_value() == "25"
    page.keyboard.press("b")
    assert page.locator("#split").input_value() == "100"


def test_a_layer_of_color_is_laid_over_the_original(open_page):
    page = open_page()
    _open(page, "layer.png")
    _until(page, "document.getElementById('under').complete")
    stage = _stage(page)
    warmth = _warmth(stage)
    assert warmth[len(warmth) // 2 + 30 :].min() > 30
    shades = stage.mean(axis=(1, 2))
    assert shades[3 * len(shades) // 4] - shades[len(shades) // 4] > 40


def test_versions_uncertainty_and_gray_originals(open_page):
    page = open_page()
    _open(page, "first.png")
    page.click(".version:nth-child(2)")
    _until(page, "document.getElementById('after').src.endsWith('cold.png')")
    assert _warmth(_stage(page))[-200:].max() < -60
    page.keyboard.press("u")
    page.wait_for_selector("#overlay:not([hidden])")
    page.locator("#opacity").fill("100")
    _until(page, "document.getElementById('overlay').width > 0")
    page.keyboard.press("b")
    page.keyboard.press("b")
    stage = _stage(page)[200:-200]
    width = stage.shape[1]
    assert np.abs(stage[:, width // 8 : width // 3] - (0, 0, 4)).mean() < 12
    assert np.abs(stage[:, -width // 3 : -width // 8] - (252, 253, 191)).mean() < 12
    page.keyboard.press("u")
    page.keyboard.press("Escape")

    _open(page, "Zoë.jpg")
    assert page.locator("#gray-row").is_visible()
    page.keyboard.press("b")  # the divider stays from one photograph to the next
    page.keyboard.press("b")
    assert _warmth(_stage(page))[:-60].min() > 60
    page.keyboard.press("g")
    assert np.abs(_warmth(_stage(page))[:-60]).max() < 4


def test_zoom_shows_the_files_or_says_why_not(open_page):
    page = open_page()
    _open(page, "first.png")
    _until(page, "document.getElementById('resolution').textContent.includes('full')")
    assert page.evaluate("document.getElementById('after').naturalWidth") == WIDTH
    level = page.locator("#zoom-level")
    fitted = level.inner_text()
    stage = page.locator("#stage").bounding_box()
    page.mouse.move(stage["x"] + 10, stage["y"] + stage["height"] / 2)
    page.mouse.wheel(0, -1000)
    assert int(level.inner_text().split()[0]) > 2 * int(fitted.split()[0])
    place = "document.getElementById('after').style.transform"
    zoomed = page.evaluate(place)
    page.mouse.down()
    page.mouse.move(stage["x"] + 10, stage["y"] + stage["height"] / 2 + 60)
    page.mouse.up()
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate(place) != zoomed
    page.keyboard.press("1")
    assert level.inner_text() == fitted  # never smaller than the window
    page.keyboard.press("+")
    assert level.inner_text() != fitted
    page.keyboard.press("0")
    assert level.inner_text() == fitted

    page.keyboard.press("Escape")
    _open(page, "scan.tif")
    _until(page, "document.getElementById('resolution').textContent")
    told = page.locator("#resolution").inner_text()
    assert told.startswith("Shown smaller (120 pixels): the browser cannot show the original, or")
    assert page.evaluate("document.getElementById('before').naturalWidth") == SIDE


def test_a_keyboard_is_enough(open_page):
    page = open_page(address="#photo=album%2F2.png")
    page.wait_for_selector("#viewer[open]")
    name = page.locator("#viewer-name")
    assert page.locator("#viewer-place").inner_text() == "3 of 300 · album/"
    for key, expected in [
        ("ArrowRight", "3.png"),
        ("j", "4.png"),
        ("k", "3.png"),
        ("ArrowLeft", "2.png"),
    ]:
        page.keyboard.press(key)
        assert name.inner_text() == expected
    assert page.evaluate("location.hash") == "#photo=album%2F2.png"
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    assert page.locator("#viewer").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#viewer").is_hidden()
    _until(page, "location.hash === ''")
    focused = "document.activeElement.title"
    assert page.evaluate(focused) == "album/2.png"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "album/3.png"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "album/8.png"
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open]")
    assert name.inner_text() == "8.png"
    page.go_back()
    page.wait_for_selector("#viewer:not([open])", state="attached")
    page.keyboard.press("/")
    page.keyboard.type("<img")
    assert _names(page) == [HOSTILE]
    assert page.title() == "tfcolor report"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_is_enough(open_page, scheme):
    page = open_page(360, 740, color_scheme=scheme, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.fill("#search", "first")
    page.locator("#grid li a").first.tap()
    page.wait_for_selector("#viewer[open]")
    assert page.evaluate("document.getElementById('viewer').scrollWidth") == 360
    lightness = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"))[-40:].mean()
    assert (lightness > 128) == (scheme == "light")

    def touch(kind, *points):
        touch_points = [{"x": x, "y": y} for x, y in points]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touch_points})

    client = page.context.new_cdp_session(page)
    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch("touchStart", (x, y))
    touch("touchMove", (x + 30, y))
    touch("touchMove", (x + 90, y))
    touch("touchEnd")
    assert page.locator("#split").input_value() == "75"
    fitted = int(page.locator("#zoom-level").inner_text().split()[0])
    touch("touchStart", (x - 30, y), (x + 30, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchMove", (x - 90, y), (x + 90, y))
    touch("touchEnd")
    zoomed = int(page.locator("#zoom-level").inner_text().split()[0])
    assert abs(zoomed - 3 * fitted) <= 2
