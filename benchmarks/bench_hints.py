"""Color hints: how long they take, what they change, and a picture of it.

`python benchmarks/bench_hints.py --model=RUN --photographs=PHOTOS/val` pins one
point of a candle to three hues in turn, then a few points of three guitar
picks and of the table. It prints the mean change of the candle and of what is
unrelated to it, and the time at 512x512, and writes docs/hints.png.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from PIL import Image, ImageDraw  # noqa: E402

from tfcolor.color.decoding import DecodingOptions  # noqa: E402
from tfcolor.config.assembly import load_run_colorizer  # noqa: E402
from tfcolor.data.images import read_photograph  # noqa: E402
from tfcolor.inference.colorizer import Colorizer  # noqa: E402
from tfcolor.inference.hint_field import HintOptions  # noqa: E402
from tfcolor.inference.hints import Hints, hinted_histograms  # noqa: E402
from tfcolor.inference.painting import SizeOptions  # noqa: E402
from tfcolor.inference.photographs import gray_batch  # noqa: E402

RED, GREEN, BLUE = (190, 40, 40), (40, 150, 60), (50, 90, 200)
YELLOW, GRAY = (230, 190, 50), (40, 42, 52)
CANDLE, CANDLE_POINT = "n03063599_coffee_mug.jpg", (0.5, 0.25)
CANDLE_BOX, UNRELATED_BOX = (0.24, 0.66, 0.21, 0.39), (0.0, 1.0, 0.52, 1.0)
"""(top, bottom, left, right) as shares of the sides."""
PICKS, PICK_POINTS = (
    "n03929660_pick.jpg",
    ((0.4, 0.15), (0.8, 0.6), (0.2, 0.45), (0.25, 0.75), (0.42, 0.5)),
)
TABLE_POINTS = ((0.22, 0.12), (0.5, 0.93), (0.82, 0.2))
HEIGHT = 190


def main(arguments: list[str]) -> None:
    """Measures and draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a run's folder")
    parser.add_argument("--photographs", required=True, help="folder of ImageNet samples")
    parser.add_argument("--picture", default="docs/hints.png")
    options = parser.parse_args(arguments)
    size = SizeOptions(max_side=512)
    colorizer, _ = load_run_colorizer(options.model, "best", DecodingOptions(), size)
    folder = Path(options.photographs)
    candle, picks = (gray_batch(read_photograph(folder / name)) for name in (CANDLE, PICKS))
    plain = _color(colorizer, candle, [])
    row = [_draw(plain)]
    for color in (RED, GREEN, BLUE):
        hinted = _color(colorizer, candle, [(CANDLE_POINT, color)])
        object_change, unrelated = (
            _change(plain, hinted, box) for box in (CANDLE_BOX, UNRELATED_BOX)
        )
        print(f"{color}: candle {object_change:.1f}, unrelated {unrelated:.2f} of 255")
        row.append(_draw(hinted, [CANDLE_POINT]))
    hints = [*zip(PICK_POINTS, (YELLOW, BLUE, RED, RED, RED), strict=True)]
    hints += [(point, GRAY) for point in TABLE_POINTS]
    hinted = _color(colorizer, picks, hints)
    row += [_draw(_color(colorizer, picks, [])), _draw(hinted, PICK_POINTS + TABLE_POINTS)]
    _time(colorizer, candle)
    picture = Image.new("RGB", (sum(part.width + 4 for part in row) - 4, HEIGHT), "white")
    left = 0
    for part in row:
        picture.paste(part, (left, 0))
        left += part.width + 4
    picture.save(options.picture, optimize=True)


def _color(colorizer: Colorizer, gray: np.ndarray, points: list) -> np.ndarray:
    """Returns uint8 [H, W, 3] with ((row, column) as shares, color) pinned."""
    painter, batch = colorizer.painter, tf.constant(gray)
    if points:
        places, colors = zip(*points, strict=True)
        pixels = (np.array(places) * gray.shape[1:3]).astype(int)
        hints = Hints("hints", pixels, np.float32(colors) / 255)
        predictions = hinted_histograms(colorizer, batch, hints, HintOptions())
    else:
        predictions = colorizer.histograms(painter.shrink(batch))
    rgb = painter.paint(batch, predictions, DecodingOptions())["rgb"][0].numpy()
    return np.round(255 * rgb).astype(np.uint8)


def _change(before: np.ndarray, after: np.ndarray, box: tuple[float, ...]) -> float:
    """Returns the mean absolute change of the channels in a box."""
    height, width = before.shape[:2]
    top, bottom, left, right = np.array(box) * (height, height, width, width)
    region = np.s_[int(top) : int(bottom), int(left) : int(right)]
    return float(np.abs(before[region].astype(int) - after[region]).mean())


def _time(colorizer: Colorizer, gray: np.ndarray) -> None:
    """Prints the time at 512x512 of the network alone and with one hint."""
    square = tf.image.resize(gray, (512, 512))
    hints = Hints("hints", np.array([(256, 128)]), np.float32([RED]) / 255)
    runs = (
        lambda: colorizer.describe(colorizer.painter.shrink(square)),
        lambda: hinted_histograms(colorizer, square, hints, HintOptions()),
    )
    network, both = (min(_seconds(run) for _ in range(4)) for run in runs)
    print(f"512x512: network {network:.2f} s, hints {both - network:.2f} s")


def _seconds(run: object) -> float:
    """Returns how long a function takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _draw(pixels: np.ndarray, places: tuple = ()) -> Image.Image:
    """Returns a picture of the common height with marks at (row, column) shares."""
    picture = Image.fromarray(pixels)
    picture = picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), 3)
    draw = ImageDraw.Draw(picture)
    for row, column in places:
        x, y = column * picture.width, row * HEIGHT
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), outline="white", width=2)
    return picture


if __name__ == "__main__":
    main(sys.argv[1:])
