"""What the full pretrainings of Doersch and Zisserman need: a cost sheet.

`python benchmarks/bench_multi_task.py --data=DATA` (or `make bench`, without DATA on the built-in
photographs and without motion segmentation) makes training steps of the four pretext
tasks with the full network of configs/table_s4 at two small batch sizes, each in a process
of its own, and counts the floating-point operations of an example. From time and memory at
both sizes it extrapolates: images/s and memory of a batch of any size, hours of a GPU at a
given sustained rate for each row of the tables. Results go to
benchmarks/results/multi_task.json, the sheet to benchmarks/results/multi_task.md.

Expected before measuring: three times the operations of a forward pass; relative position,
with two patches of 96 pixels, at a fifth to a quarter of colorization, with one view of 256
(0.28 of the pixels; its head is small). The published hours of an epoch then say how many
operations per second a K40 (4.3e12 at most) sustained, which cannot be more than that. Found:
an eighth (the head of colorization, 34.8 million numbers at 1,024 places, is half of its
work), and a third of a K40's peak for colorization, but 1 to 7 % for the others, whose epochs
must have had several examples of an image.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(PROJECT)]

import measuring  # noqa: E402

BENCHMARK = "multi_task"
TASKS = ("rp", "col", "ex", "ms")
SIZES = (2, 4)
HOURS = {"rp": 350, "col": 90, "ex": 60, "ms": 400}
"""Published hours of a K40 for an epoch."""
PASSES = 3
"""A training step in forward passes: the gradients of maps and of kernels cost one each."""
K40_PEAK = 4.29e12


def main(arguments: list[str]) -> int:
    """Measures every task, prints and writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="", help="folder with photos/train and video")
    parser.add_argument("--rounds", type=int, default=2, help="timed steps after the first")
    parser.add_argument("--batch", type=int, default=32, help="examples of a GPU, for its memory")
    parser.add_argument(
        "--tera", default="2,15,60,200", help="sustained 1e12 operations/s of a GPU, with commas"
    )
    parser.add_argument("--one", default="", help="internal: TASK:SIZE in this process")
    options = parser.parse_args(arguments)
    if options.one:
        name, _, size = options.one.partition(":")
        return _measure_one(name, int(size), options.data, options.rounds)
    records, found = [], {}
    for name in TASKS if options.data else TASKS[:-1]:
        for size in SIZES:
            operations, peak, *times = _run(name, size, options)
            case = f"{name}, batch {size}"
            records += measuring.summarize(BENCHMARK, case, {"step": times}, {"step": int(peak)})
            found[name, size] = (operations, peak, records[-1].median_ms / 1e3)
    sheet = "\n".join(
        _format(found, options.batch, [float(one) for one in options.tera.split(",")])
    )
    path = measuring.write_results(BENCHMARK, records, measuring.measure_limits())
    Path(path).with_suffix(".md").write_text(sheet + "\n")
    print(sheet)
    print(f"results in {path}")
    return 0


def _run(name: str, size: int, options: argparse.Namespace) -> list[float]:
    """Returns operations of an example, peak bytes and milliseconds of steps."""
    own = ["--one", f"{name}:{size}", "--data", options.data, "--rounds", str(options.rounds)]
    done = subprocess.run(
        [sys.executable, __file__, *own],
        capture_output=True,
        text=True,
        check=False,
        env=measuring.environment_without_keeping(),
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return list(map(float, done.stdout.split("RESULT")[1].split()))


def _measure_one(name: str, size: int, data: str, rounds: int) -> int:
    """Makes steps of one task and prints operations, peak bytes and milliseconds."""
    from experiment_steps import build_steps

    images = f"{data}/photos/train" if data else "builtin:photos"
    images = f"video:{data}/video:train:64" if name == "ms" else images
    config = PROJECT / "configs" / "table_s4" / f"{name}.cfg"
    flags = [f"--flagfile={config}", f"--images={images}", f"--batch_size={size}"]
    built = build_steps(flags, rate=1e-5)
    batch = next(iter(built.batches))
    operations = _count_operations(built.network, batch[0]) / size
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        built.advance(batch)
        times.append(1e3 * (time.perf_counter() - started))
    print("RESULT", operations, measuring.peak_bytes(), *times[1:])
    return 0


def _count_operations(network, inputs) -> float:
    """Returns the floating-point operations of a training step, by those of a forward pass."""
    import tensorflow as tf

    specs = tf.nest.map_structure(tf.TensorSpec.from_tensor, inputs)
    forward = tf.function(lambda given: network(given, training=False))
    graph = forward.get_concrete_function(specs).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    counted = tf.compat.v1.profiler.profile(graph, options=options)
    return PASSES * counted.total_float_ops


def _format(found, batch: int, tera: list[float]) -> list[str]:
    """Returns the sheet as Markdown."""
    from tfcolor.config.reproduction.multi_task_trainings import (
        BATCH,
        IMAGES,
        NAMES,
        NUM_CHECKPOINTS,
        checkpoint_steps,
    )

    small, large = SIZES
    lines = [
        "| task | 1e9 operations an example | s an example here | 1e9 operations/s here"
        f" | images/s here | memory: fixed; an example; batch {batch}"
        " | K40, published hours: sustained 1e12/s |",
        "|---|---|---|---|---|---|---|",
    ]
    operations = {}
    for name in dict.fromkeys(name for name, _ in found):
        operations[name] = found[name, small][0]
        extra = large - small
        seconds = max((found[name, large][2] - found[name, small][2]) / extra, 1e-9)
        each = (found[name, large][1] - found[name, small][1]) / extra
        fixed = found[name, small][1] - small * each
        k40 = operations[name] * IMAGES / (3600 * HOURS[name])
        if k40 > K40_PEAK:
            raise SystemExit(f"{name}: more operations than a K40 can make in the published hours")
        gib = [one / 2**30 for one in (fixed, each, fixed + batch * each)]
        lines.append(
            f"| {name} | {operations[name] / 1e9:.0f} | {seconds:.2f}"
            f" | {operations[name] / seconds / 1e9:.0f} | {1 / seconds:.2f}"
            f" | {gib[0]:.1f}; {gib[1]:.2f}; {gib[2]:.0f} GiB | {k40 / 1e12:.2f} |"
        )
    lines += [
        "",
        "| pretraining | steps of 256 | 1e18 operations |"
        + "".join(f" GPU hours at {rate:g}e12/s |" for rate in tera),
        "|---|---|---|" + "---|" * len(tera),
    ]
    for row in NAMES:
        if not set(NAMES[row]) <= operations.keys():
            continue
        steps = NUM_CHECKPOINTS * checkpoint_steps("full", row)
        total = steps * BATCH * sum(operations[task] for task in NAMES[row])
        hours = "".join(f" {total / rate / 1e12 / 3600:,.0f} |" for rate in tera)
        lines.append(f"| {row} | {steps:,} | {total / 1e18:.0f} |{hours}")
    return lines


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
