"""`tfcolor colorize` on archives: throughput, memory, and jobs that are killed.

`python benchmarks/bench_colorize.py` (or `make bench`) exports untrained
colorizers and writes benchmarks/results/colorize.json. `--quick` takes a minute
instead of ten. The photographs are those of ../shared/data, or else the samples
that scikit-image and scikit-learn bring along.

- throughput: a whole job, from files to files, against the network alone on the
  same photographs in memory. Expected: at least 90 % of it, since files are read
  and written while the network runs.
- memory: the largest resident size of a job of 200 files, and of one of 2,000.
  Expected: the same to 5 % where these are copies of the same 200 photographs. With
  more photographs it grows a little, as something is kept for every size at which the
  network looks, most of it by oneDNN: 10 %.
- kills: a job of 2,000 files in nested folders with odd names, 20 of them damaged,
  that is killed three times. Expected: each good file is done once, each bad one
  is named, and no temporary file is left.
"""

import argparse
import dataclasses
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tfcolor.config.command import Command  # isort: split

import measuring
import tensorflow as tf
from bench_serving import export

from tfcolor.core.files import PART_SUFFIX
from tfcolor.data.images import read_photograph
from tfcolor.data.sources.builtin_photos import open_photos
from tfcolor.inference.batch import JobOptions, color_files
from tfcolor.inference.jobs import collect_jobs
from tfcolor.inference.loading import SavedColorizer
from tfcolor.inference.manifest import DONE, MANIFEST_FILE, read_manifest
from tfcolor.inference.one_photograph import Settings
from tfcolor.inference.painting import SizeOptions
from tfcolor.inference.photographs import gray_batch
from tfcolor.inference.provenance import Provenance
from tfcolor.inference.result_files import ResultOptions
from tfcolor.inference.variations import Wishes

del Command  # imported first because it mutes and tunes TensorFlow

BENCHMARK = "colorize"
SHARED_PHOTOS = Path(__file__).parents[1] / "../shared/data/photos"
EXPECTED_SHARE, EXPECTED_GROWTH, EXPECTED_GROWTH_WITH_SIZES = 0.9, 1.05, 1.1
MEGABYTE = 2**20
NAMES = ("scan {}.jpg", "Straße {}.jpg", "日本 {}.jpg", "-{}.jpg", "b\udcff{}.jpg", "{}\n.jpg")
FOLDERS = (".", "1950", "1950/summer", "1950/summer/negatives", "Kästchen & Co")
TINY = SizeOptions(min_side=64, max_side=96)


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is measured."""

    photographs: int
    rounds: int
    files: tuple[int, int]
    killed_files: int
    damaged_files: int


FULL, QUICK = Size(60, 7, (200, 2000), 2000, 20), Size(12, 3, (20, 100), 100, 4)


def main(arguments: list[str]) -> int:
    """Runs the parts, writes the results and prints them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a minute, for a first look")
    parser.add_argument("--parts", default="throughput,memory,kills")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    records: list[measuring.Record] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "throughput" in options.parts:
            records += measure_throughput(export("small", folder, SizeOptions()), folder, size)
        if "memory" in options.parts or "kills" in options.parts:
            tiny = export("small", folder / "tiny", TINY)
        if "memory" in options.parts:
            records += measure_memory(tiny, folder, size.files)
        if "kills" in options.parts:
            records += kill_job(tiny, folder, size)
    path = measuring.write_results(BENCHMARK, records, measuring.measure_limits())
    print(f"results in {path}")
    return 0


def photographs() -> list[Path]:
    """Returns the photographs that there are, at least ten."""
    found = sorted(SHARED_PHOTOS.rglob("*.jpg"))
    source = open_photos("photos")
    return found or [Path(source.name_of(index)) for index in range(source.num_examples)]


def measure_throughput(model: Path, folder: Path, size: Size) -> list[measuring.Record]:
    """Times the network alone and the whole job, in turn."""
    colorizer = SavedColorizer(model)
    originals = folder / "originals"
    originals.mkdir()
    for path in photographs()[: size.photographs]:
        shutil.copy(path, originals)
    jobs = collect_jobs([str(originals)], str(folder / "colored"))
    read = [read_photograph(job.source) for job in jobs.jobs]
    grays = [tf.constant(gray_batch(photograph)) for photograph in read]
    wishes = Wishes((colorizer.decoding,))
    settings = Settings(wishes, ResultOptions(), Provenance(), colorizer.painter.size)

    def color_alone() -> None:
        for gray in grays:
            colorizer.colorize(gray)["rgb"].numpy()

    def run_job() -> None:
        color_files(colorizer, jobs, settings, JobOptions(overwrite=True))

    runs = {"network alone": color_alone, "whole job": run_job}
    times = measuring.measure(runs, size.rounds)
    # Other programs disturb both alike in a round, but not from round to round.
    pairs = zip(times["network alone"], times["whole job"], strict=True)
    share = statistics.median(alone / job for alone, job in pairs)
    for name, values in times.items():
        per_second = 1e3 * len(grays) / statistics.median(values)
        print(f"{name:16}{per_second:8.1f} photographs/s")
    report(f"throughput of the network alone: {share:.0%}", share >= EXPECTED_SHARE)
    return measuring.summarize(BENCHMARK, f"{len(grays)} photographs", times)


def measure_memory(model: Path, folder: Path, files: tuple[int, int]) -> list[measuring.Record]:
    """Measures the largest resident size of a short job and of two long ones."""
    few, many = files
    records, peaks = [], []
    cases = {
        f"{few} files": (few, few),
        f"{many} copies of them": (many, few),
        f"{many} files": (many, many),
    }
    for name, (number, variety) in cases.items():
        originals = folder / name / "originals"
        fill(originals, number, variety)
        start = time.perf_counter()
        process = start_job(model, originals, folder / name / "colored")
        peaks.append(watch_peak(process))
        if process.returncode:
            raise RuntimeError(f"the job ended with {process.returncode}")
        seconds = 1e3 * (time.perf_counter() - start)
        records += measuring.summarize(BENCHMARK, "memory", {name: [seconds]}, {name: peaks[-1]})
        print(f"{name}: at most {peaks[-1] / MEGABYTE:.0f} MB, {seconds / 1e3:.0f} s")
    growths = [peak / peaks[0] for peak in peaks]
    report(f"with copies memory grew by {growths[1]:.3f}", growths[1] <= EXPECTED_GROWTH)
    is_expected = growths[2] <= EXPECTED_GROWTH_WITH_SIZES
    report(f"with other photographs memory grew by {growths[2]:.3f}", is_expected)
    return records


def kill_job(model: Path, folder: Path, size: Size) -> list[measuring.Record]:
    """Kills a job three times and checks in what state it ends."""
    originals, output = folder / "archive", folder / "archive_colored"
    num_good = size.killed_files - size.damaged_files
    fill(originals, num_good)
    sources = photographs()
    for number in range(size.damaged_files):
        content = sources[number % len(sources)].read_bytes()
        (originals / f"damaged{number}.jpg").write_bytes(content[: number * len(content) // 40])
    (originals / "1950/circle").symlink_to(originals)
    start = time.perf_counter()
    kills = 0
    changed: dict[Path, int] = {}
    while True:
        process = start_job(model, originals, output)
        if kills < 3:
            kills += 1
            kill_after(process, output / MANIFEST_FILE, random.randint(1, num_good // 4))
        process.wait()
        done = [each for each in read_manifest(output / MANIFEST_FILE) if each.status == DONE]
        times = {each.target: each.target.stat().st_mtime_ns for each in done}
        report(f"{len(done)} done", changed.items() <= times.items())
        changed = times
        if process.returncode != -signal.SIGKILL:
            break
    outcomes = read_manifest(output / MANIFEST_FILE)
    failed = [each for each in outcomes if each.status != DONE and each.error]
    left = [path for path in output.rglob("*") if path.name.endswith(PART_SUFFIX)]
    report(f"{len(done)} good files are done once", len(done) == num_good)
    report(f"{len(failed)} bad files are named", len(failed) == size.damaged_files)
    report(f"{len(left)} temporary files are left", not left)
    report(f"the exit status is {process.returncode}", process.returncode == 1)
    times_ms = {"whole job": [1e3 * (time.perf_counter() - start)]}
    return measuring.summarize(BENCHMARK, f"{size.killed_files} files, 3 kills", times_ms)


def fill(folder: Path, number: int, variety: int | None = None) -> None:
    """Makes an archive of copies of some photographs, with odd names in nested folders."""
    sources = photographs()[:variety]
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for index in range(number):
        name = NAMES[index % len(NAMES)].format(index)
        shutil.copy(sources[index % len(sources)], folder / FOLDERS[index % len(FOLDERS)] / name)


def start_job(model: Path, originals: Path, output: Path) -> subprocess.Popen[bytes]:
    """Starts the command as a user does."""
    command = [sys.executable, "-m", "tfcolor.colorize", f"--model={model}", f"--output={output}"]
    return subprocess.Popen([*command, str(originals)], stderr=subprocess.DEVNULL)


def watch_peak(process: subprocess.Popen[bytes]) -> int:
    """Returns the largest resident size of a process, which has ended then."""
    peak = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        for line in status.splitlines():
            if line.startswith("VmHWM"):
                peak = 1024 * int(line.split()[1])
        time.sleep(0.02)
    return peak


def kill_after(process: subprocess.Popen[bytes], manifest: Path, number: int) -> None:
    """Kills a job once it has done some more photographs."""
    enough = number + count_lines(manifest)
    while process.poll() is None and count_lines(manifest) < enough:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)


def count_lines(path: Path) -> int:
    """Returns the line breaks in a file, 0 if there is none."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def report(fact: str, is_expected: bool) -> None:
    """Prints what was found and whether it is as it should be."""
    print(f"{'as expected' if is_expected else 'NOT AS EXPECTED':16}{fact}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
