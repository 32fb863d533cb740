"""Input pipelines of the pretext tasks against the training steps that they feed.

`python benchmarks/bench_pretext.py --data=DATA` (or `make bench`, without DATA on the
built-in photographs and without video tasks) takes every flagfile of configs/pretext. In
a process for each it times how long the pipeline takes for a batch by itself, and a
training step on a batch that is there already, both on all cores. A task whose ratio is
above 1 waits for its examples. Results go to benchmarks/results/pretext.json.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(PROJECT)]

import measuring  # noqa: E402

BENCHMARK = "pretext"
CONFIGS = PROJECT / "configs" / "pretext"
LABELS = ("supervised",)
"""Trainings that need labels, which are no pretext tasks."""
VIDEO = ("motion_segmentation", "video_flow", "video_saliency")
INPUT, STEP = "input of a batch", "training step"
LIMIT = 1.0
"""Largest time of the input, in training steps."""


def main(arguments: list[str]) -> int:
    """Measures every task and prints its ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="", help="folder with photos/train and video")
    parser.add_argument("--rounds", type=int, default=8, help="timed batches after the first two")
    parser.add_argument("--tasks", default="", help="names of flagfiles with commas; empty for all")
    parser.add_argument("--time", default="", help="internal: one task, in this process")
    options = parser.parse_args(arguments)
    if options.time:
        return _time(options.time, options.data, options.rounds)
    names = [path.stem for path in sorted(CONFIGS.glob("*.cfg")) if path.stem not in LABELS]
    records = []
    for name in options.tasks.split(",") if options.tasks else names:
        if name in VIDEO and not options.data:
            print(f"{name}: left out, there are no videos without --data")
            continue
        own = ["--time", name, "--data", options.data, "--rounds", str(options.rounds)]
        command = [sys.executable, __file__, *own]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        flat = list(map(float, done.stdout.split("RESULT")[1].split()))
        times = {INPUT: flat[0::2], STEP: flat[1::2]}
        records += measuring.summarize(BENCHMARK, name, times, {})
        medians = {way: sorted(values)[len(values) // 2] for way, values in times.items()}
        print(
            f"{name}: input {medians[INPUT]:.0f} ms, step {medians[STEP]:.0f} ms,"
            f" ratio {medians[INPUT] / medians[STEP]:.2f} (limit {LIMIT})"
        )
    print(f"results in {measuring.write_results(BENCHMARK, records, measuring.measure_limits())}")
    return 0


def _time(name: str, data: str, rounds: int) -> int:
    """Prints milliseconds of an input and of a step, for every round."""
    from experiment_steps import build_steps

    images = f"{data}/photos/train" if data else "builtin:photos"
    images = f"video:{data}/video:train" if name in VIDEO else images
    built = build_steps([f"--flagfile={CONFIGS / name}.cfg", f"--images={images}"], rate=0.0)
    held = next(iter(built.batches))
    for _ in range(2):
        built.advance(held)
    steps = []
    for _ in range(rounds):
        started = time.perf_counter()
        built.advance(held)
        steps.append(1000 * (time.perf_counter() - started))
    iterator = iter(built.batches)
    for _ in range(rounds // 2):
        next(iterator)
    started = time.perf_counter()
    for _ in range(4 * rounds):
        next(iterator)
    mean = 1000 * (time.perf_counter() - started) / (4 * rounds)
    print("RESULT", *(value for one in steps for value in (mean, one)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
