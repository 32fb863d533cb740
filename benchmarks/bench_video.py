"""Flicker of colored videos: each frame by itself against smoothed along the flow.

`python benchmarks/bench_video.py --model=RUN --videos=FOLDER` grays the videos, colors
each both ways, and prints the mean change of color along the flow in steps of 1/255
and the ratio of both (expected: 3 at least). The colors are compared as they are
painted, before a file rounds them. The flow that they are compared along is computed
at full size, apart from that of the smoothing. Pairs across cuts are left out. Ten
seconds take some gigabytes. Without --model a small network is trained on eight
photographs, which takes three minutes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from tfcolor.color.decoding import DecodingOptions  # noqa: E402
from tfcolor.config.assembly import load_run_colorizer  # noqa: E402
from tfcolor.data.optical_flow import inverse_search_flow, is_consistent  # noqa: E402
from tfcolor.inference.colorizer import Colorizer  # noqa: E402
from tfcolor.inference.painting import SizeOptions  # noqa: E402
from tfcolor.inference.variations import Wishes  # noqa: E402
from tfcolor.inference.video.frame_colors import FrameColors  # noqa: E402
from tfcolor.inference.video.options import VideoOptions  # noqa: E402
from tfcolor.inference.video.reading import FilmReader, open_film  # noqa: E402
from tfcolor.inference.video.smoothing import TrackSmoother  # noqa: E402
from tfcolor.metrics.flicker import Flicker  # noqa: E402

VIDEOS = ROOT.parent / "shared/data/video"
NUM_SHOWN, SHOWN_WIDTH = 6, 320

Painted = tuple[np.ndarray, np.ndarray, np.ndarray, bool]
"""A frame float32 [H, W, 1], its colors [H, W, 3] by itself and smoothed, and whether a
shot begins."""


def main(arguments: list[str]) -> None:
    """Colors and measures every video."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a run's folder")
    parser.add_argument("--videos", default=str(VIDEOS))
    parser.add_argument("--seconds", type=float, default=60, help="of each video, at most")
    parser.add_argument("--smoothing", type=float, default=VideoOptions().smoothing)
    parser.add_argument("--every", type=int, default=3, help="measure each so many-th pair")
    parser.add_argument("--sheets", default="", help="folder for pictures of some frames")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        model = options.model or _train(Path(scratch) / "run")
        colorizer, _ = load_run_colorizer(model, "best", DecodingOptions(), SizeOptions())
    for path in sorted(Path(options.videos).glob("*.mp4")):
        frames = list(_paint(colorizer, path, options.seconds, options.smoothing))
        alone, smoothed = _measure(frames, options.every)
        print(
            f"{path.name}: {len(frames)} frames, {sum(frame[-1] for frame in frames)} shots;"
            f" flicker {alone:.4f} by itself, {smoothed:.4f} smoothed,"
            f" {alone / smoothed:.2f} times lower",
            flush=True,
        )
        if options.sheets:
            _draw(frames, Path(options.sheets) / f"{path.stem}.png")


def _train(run: Path) -> Path:
    """Trains the network of `make quickstart`."""
    flags = [f"--flagfile={ROOT}/configs/quickstart.cfg", f"--run_dir={run}"]
    subprocess.run([sys.executable, "-m", "tfcolor.train", *flags], cwd=ROOT, check=True)
    return run


def _paint(colorizer: Colorizer, path: Path, seconds: float, smoothing: float) -> Iterator[Painted]:
    """Yields the frames of the beginning of a video."""
    film = open_film(path)
    colors = FrameColors(colorizer, film, Wishes())
    number = int(seconds * film.rate)
    frames = [frame for frame, _ in zip(FilmReader(film).frames(), range(number), strict=False)]
    seen, predictions = zip(*map(colors.predict, frames), strict=True)
    cells = colors.cells(predictions[0])
    smoother = TrackSmoother(cells, smoothing)
    smoothed = smoother.smooth([cells.shrink(gray) for gray in seen], predictions, len(frames))
    for frame, own, (mean, begins) in zip(frames, predictions, smoothed, strict=True):
        pictures = (colors.paint(frame, part, begins_shot=begins)[0] for part in (own, mean))
        yield frame.gray()[0], *(picture.astype(np.float32) for picture in pictures), begins


def _measure(frames: list[Painted], every: int) -> tuple[float, float]:
    """Returns the flicker of colors by themselves and smoothed."""
    alone, smoothed = Flicker(), Flicker()
    for index in range(1, len(frames), every):
        before, after = frames[index - 1], frames[index]
        if after[-1]:
            continue
        first, second = (
            np.rint(255 * gray[..., 0]).astype(np.uint8) for gray in (before[0], after[0])
        )
        flow, back = inverse_search_flow(first, second), inverse_search_flow(second, first)
        is_trusted = is_consistent(flow, back)
        alone.update(before[1], after[1], flow, is_trusted)
        smoothed.update(before[2], after[2], flow, is_trusted)
    return alone.result(), smoothed.result()


def _draw(frames: list[Painted], target: Path) -> None:
    """Writes rows of some frames: gray, by itself, smoothed."""
    shown = frames[:: max(len(frames) // NUM_SHOWN, 1)][:NUM_SHOWN]
    rows = []
    for kind in range(3):
        row = []
        for frame in shown:
            pixels = np.rint(255 * np.broadcast_to(frame[kind], frame[1].shape)).astype(np.uint8)
            height = round(SHOWN_WIDTH * pixels.shape[0] / pixels.shape[1])
            row.append(np.asarray(Image.fromarray(pixels).resize((SHOWN_WIDTH, height))))
        rows.append(np.concatenate(row, axis=1))
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(target)


if __name__ == "__main__":
    main(sys.argv[1:])
