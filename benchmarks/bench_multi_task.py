"""What the full trainings of Doersch and Zisserman need: a cost sheet.

`python benchmarks/bench_multi_task.py --data=DATA` (or `make bench`, without DATA on what is
built in, which leaves out motion segmentation, labels, the probe and detection) makes
training steps of the four pretext tasks, and of what follows them, with the full networks of
the published configurations at two small batch sizes, each in a process of its own, and
counts the floating-point operations of an example. From time and memory at both sizes it
extrapolates: images/s and memory of a batch of any size, hours of a GPU at a given sustained
rate for each row of the tables. Results go to benchmarks/results/multi_task.json, the sheet
to benchmarks/results/multi_task.md.

Expected before measuring: three times the operations of a forward pass; relative position,
with two patches of 96 pixels, at a fifth to a quarter of colorization, with one view of 256
(0.28 of the pixels; its head is small). The published hours of an epoch then say how many
operations per second a K40 (4.3e12 at most) sustained, which cannot be more than that. Found:
an eighth (the head of colorization, 34.8 million numbers at 1,024 places, is half of its
work), and a third of a K40's peak for colorization, but 1 to 7 % for the others, whose epochs
must have had several examples of an image.
Labels at stride 16 were expected at 100e9 operations, depth at 200e9, a photograph for
detection at 1e12 to 2e12; and all that follows a pretraining at less than a tenth of it.
Found: 40e9, since views have 224 pixels, 254e9 and, at the largest of five scales, 2.5e12.
"""

import argparse
import dataclasses
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(PROJECT)]

import measuring  # noqa: E402

BENCHMARK = "multi_task"


@dataclasses.dataclass(frozen=True)
class Case:
    """A training whose steps are measured.

    Attributes:
      config: its flagfile, without folder and suffix.
      images: what --data has for it, as --images takes it.
      built_in: what else there is; empty if there is nothing.
      sizes: of two batches.
      passes: a training step in forward passes: the gradients of maps and of kernels
        cost one each.
    """

    config: str
    images: str
    built_in: str = ""
    sizes: tuple[int, int] = (2, 4)
    passes: int = 3


PHOTOGRAPHS = ("{}/photos/train", "builtin:photos")
LABELS = "cifar100:{}/cifar-100-python:train"
CASES = {
    "rp": Case("table_s4/rp", *PHOTOGRAPHS),
    "col": Case("table_s4/col", *PHOTOGRAPHS),
    "ex": Case("table_s4/ex", *PHOTOGRAPHS),
    "ms": Case("table_s4/ms", "video:{}/video:train:64"),
    "labels": Case("table_s4/labels", LABELS),
    "probe": Case("linear_probe/doersch", LABELS, passes=1),
    "detection": Case(
        "detection_resnet101_v2_voc2007", "voc_detection:{}/raccoon:trainval", sizes=(1, 2)
    ),
    "depth": Case("depth_resnet101_v2_nyu", *["builtin:depth_scenes:train:16"] * 2),
}
HOURS = {"rp": 350, "col": 90, "ex": 60, "ms": 400}
"""Published hours of a K40 for an epoch."""
K40_PEAK = 4.29e12


def main(arguments: list[str]) -> int:
    """Measures every task, prints and writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="", help="folder with photos/train and video")
    parser.add_argument("--tasks", default=",".join(CASES), help="which are measured, with commas")
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
    for name in options.tasks.split(","):
        case = CASES[name]
        for size in case.sizes if options.data or case.built_in else ():
            operations, peak, *times = _run(name, size, options)
            title = f"{name}, batch {size}"
            records += measuring.summarize(BENCHMARK, title, {"step": times}, {"step": int(peak)})
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

    case = CASES[name]
    images = case.images.format(data) if data else case.built_in
    flags = [f"--flagfile={_flagfile(name)}", f"--images={images}", f"--batch_size={size}"]
    built = build_steps(flags, rate=1e-5)
    batch = next(iter(built.batches))
    operations = case.passes * _count_operations(built.network, batch[0]) / size
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        built.advance(batch)
        times.append(1e3 * (time.perf_counter() - started))
    print("RESULT", operations, measuring.peak_bytes(), *times[1:])
    return 0


def _flagfile(name: str) -> Path:
    """Returns the flagfile of a case."""
    return PROJECT / "configs" / f"{CASES[name].config}.cfg"


def _count_operations(network, inputs) -> float:
    """Returns the floating-point operations of a forward pass."""
    import tensorflow as tf

    specs = tf.nest.map_structure(tf.TensorSpec.from_tensor, inputs)
    forward = tf.function(lambda given: network(given, training=False))
    graph = forward.get_concrete_function(specs).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    counted = tf.compat.v1.profiler.profile(graph, options=options)
    return counted.total_float_ops


def _format(found, batch: int, tera: list[float]) -> list[str]:
    """Returns the sheet as Markdown."""
    lines = [
        "| task | 1e9 operations an example | s an example here | 1e9 operations/s here"
        f" | images/s here | memory: fixed; an example; batch {batch}"
        " | K40, published hours: sustained 1e12/s |",
        "|---|---|---|---|---|---|---|",
    ]
    operations = {name: cost for (name, _), (cost, _, _) in found.items()}
    for name in operations:
        small, large = CASES[name].sizes
        extra = large - small
        seconds = max((found[name, large][2] - found[name, small][2]) / extra, 1e-9)
        each = (found[name, large][1] - found[name, small][1]) / extra
        fixed = found[name, small][1] - small * each
        gib = [one / 2**30 for one in (fixed, each, fixed + batch * each)]
        sustained = _sustained(name, operations[name])
        lines.append(
            f"| {name} | {operations[name] / 1e9:.0f} | {seconds:.2f}"
            f" | {operations[name] / seconds / 1e9:.0f} | {1 / seconds:.2f}"
            f" | {gib[0]:.1f}; {gib[1]:.2f}; {gib[2]:.0f} GiB | {sustained} |"
        )
    lines += [
        "",
        "| training | steps | examples a step, each task | 1e18 operations |"
        + "".join(f" GPU hours at {rate:g}e12/s |" for rate in tera),
        "|---|---|---|---|" + "---|" * len(tera),
    ]
    for row, (steps, size, tasks) in _trainings().items():
        if not set(tasks) <= operations.keys():
            continue
        total = steps * size * sum(operations[task] for task in tasks)
        hours = "".join(f" {total / rate / 1e12 / 3600:,.0f} |" for rate in tera)
        lines.append(f"| {row} | {steps:,} | {size} | {total / 1e18:.1f} |{hours}")
    return lines


def _sustained(name: str, operations: float) -> str:
    """Returns what a K40 sustained by the published hours of an epoch, 1e12 a second."""
    from tfcolor.config.reproduction.multi_task_trainings import IMAGES

    if name not in HOURS:
        return "-"
    k40 = operations * IMAGES / (3600 * HOURS[name])
    if k40 > K40_PEAK:
        raise SystemExit(f"{name}: more operations than a K40 can make in the published hours")
    return f"{k40 / 1e12:.2f}"


def _trainings() -> dict[str, tuple[int, int, tuple[str, ...]]]:
    """Returns steps, examples of a task in each and tasks of every full training."""
    from tfcolor.config.command import define_flags
    from tfcolor.config.experiment import read_experiment
    from tfcolor.config.reproduction.multi_task_trainings import (
        BATCH,
        NAMES,
        NUM_CHECKPOINTS,
        checkpoint_steps,
    )
    from tfcolor.train import COMMAND

    found = {
        row: (NUM_CHECKPOINTS * checkpoint_steps("full", row), BATCH, tasks)
        for row, tasks in NAMES.items()
    }
    for name in (one for one in CASES if one not in NAMES):
        flag_values = define_flags(COMMAND)
        flag_values(["train", f"--flagfile={_flagfile(name)}", "--images=any"])
        training = read_experiment(flag_values).training
        found[name] = (training.num_steps, training.batch_size, (name,))
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
