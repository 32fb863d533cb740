"""A studio around a model without a network, and a photograph of one object."""

import io
import shutil

import httpx
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from starlette.testclient import TestClient

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.core.taps import Tap
from tfcolor.inference.loading import predictions_as_features
from tfcolor.inference.painting import Painter, SizeOptions
from tfcolor.web.app import build_app
from tfcolor.web.easel import Easel
from tfcolor.web.options import StudioOptions

HEIGHT, WIDTH = 60, 84
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OBJECT = np.s_[16:44, 10:38]
"""Rows and columns of the bright object in `scene`."""


def draw_scene() -> np.ndarray:
    """Returns uint8 [HEIGHT, WIDTH, 3]: a bright square on a dark ground, gray."""
    scene = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
    scene[OBJECT] = 150
    return scene


def encode(pixels: np.ndarray, file_format: str = "PNG", **options: object) -> bytes:
    """Returns a picture as a file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=file_format, **options)
    return buffer.getvalue()


class ServedColorizer:
    """A model as a server shows it, without a network: the hue follows the lightness."""

    decoding = DecodingOptions()
    painter = Painter(HueChroma(8), SizeOptions(24, 48), Tap("grid", 4, 1.5))

    def __init__(self):
        self.num_calls = 0

    def colorize(self, gray):
        return self.painter.paint(gray, self.predict(self.painter.shrink(gray)), self.decoding)

    def histograms(self, gray):
        self.num_calls += 1
        return self.predict(gray)

    def describe(self, gray):
        predictions = self.histograms(gray)
        return predictions, predictions_as_features(predictions)

    def predict(self, gray):
        """Returns histograms of 8 bins that vary smoothly, all bins being possible."""
        cells = [-(-int(size) // 4) for size in gray.shape[1:3]]
        lightness = tf.image.resize(gray, cells, antialias=True)
        turns = (np.arange(8, dtype=np.float32) + 0.5) / 8
        hue = tf.nn.softmax(2 * tf.cos(2 * np.pi * (turns - lightness)))
        return {"hue": hue, "chroma": tf.nn.softmax(-9 * (turns - 0.4 * lightness))}


@pytest.fixture
def scene() -> bytes:
    return encode(draw_scene())


@pytest.fixture
def served() -> ServedColorizer:
    return ServedColorizer()


@pytest.fixture
def make_easel(served):
    """Returns what sets up a photograph of given pixels before a colorizer."""
    from tfcolor.data.images import read_photograph

    def make(content: bytes, colorizer=None) -> Easel:
        return Easel(colorizer or served, read_photograph(content, "scene.png"))

    return make


@pytest.fixture
def connect(served):
    """Returns what connects a client to a studio with given options."""

    def start(open_colorizer=lambda: served, **options) -> TestClient:
        app = build_app(open_colorizer, StudioOptions(**options))
        return TestClient(app, base_url="http://127.0.0.1:8600")

    return start


@pytest.fixture
def client(connect) -> TestClient:
    return connect()


@pytest.fixture
def open_photograph(client):
    """Returns what uploads a file and gives the path of its photograph."""

    def upload(content: bytes, name: str = "scene.png") -> str:
        answer = client.post("/api/photographs", params={"name": name}, content=content)
        assert answer.status_code == 201, answer.text
        return f"/api/photographs/{answer.json()['token']}"

    return upload


def pixels_of(answer: httpx.Response) -> np.ndarray:
    """Returns the pixels of an answer that is a PNG file."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content)))


@pytest.fixture(name="pixels_of")
def pixels_of_fixture():
    return pixels_of


@pytest.fixture(name="encode")
def encode_fixture():
    return encode


@pytest.fixture(name="object_area")
def object_area_fixture():
    return OBJECT


@pytest.fixture(scope="module")
def browser():
    """A browser without a window, or a skipped test."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
