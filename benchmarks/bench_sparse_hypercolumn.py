"""Sparse hypercolumns of VGG-16: ours against everything stock.

`python benchmarks/bench_sparse_hypercolumn.py` (or `make bench`) writes
benchmarks/results/sparse_hypercolumn.json and a plot, and prints ratios.
`--quick` leaves out most cases, `--dense` adds the dense map (5 to 10 GB),
`--scaling` measures only how our cost grows with locations and image side.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import measuring  # noqa: E402

BENCHMARK = "sparse_hypercolumn"
BATCH = 4
SIZES, COUNTS = (256, 448), (16, 64, 256, 1024)
REPEATS = 4
SCALING = ((256, 64), (256, 256), (256, 1024), (256, 4096), (224, 256), (448, 256))


def main(arguments: list[str]) -> int:
    """Runs the cases, writes the results and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="256 locations only")
    parser.add_argument("--dense", action="store_true", help="with the dense map")
    parser.add_argument("--memory", action="store_true", help="with the peak memory")
    parser.add_argument("--scaling", action="store_true", help="only ours: many locations, sides")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--one", help="internal: measure one implementation's memory")
    options = parser.parse_args(arguments)
    if options.one:
        return _measure_memory(json.loads(options.one))
    measuring.keep_memory()
    limits = measuring.measure_limits()
    print(", ".join(f"{name} {value / 1e9:.1f} GB/s" for name, value in vars(limits).items()))
    records: list[measuring.Record] = []
    if options.scaling:
        for size, count in SCALING:
            records += _run_scaling(size, count, options.rounds)
        print(f"results in {measuring.write_results(f'{BENCHMARK}_scaling', records, limits)}")
        return 0
    for size in SIZES:
        for count in (256,) if options.quick else COUNTS:
            for direction in ("forward", "both"):
                records += _run_case(size, count, direction, limits, options)
    path = measuring.write_results(BENCHMARK, records, limits)
    if not options.quick:
        _plot(records, path.with_suffix(".png"))
    print(f"results in {path}")
    return 0


def _run_case(
    size: int,
    count: int,
    direction: str,
    limits: measuring.Limits,
    options: argparse.Namespace,
) -> list[measuring.Record]:
    """Times one case and prints a line for each implementation."""
    runs, bounds, repeats = _build(size, count, direction, limits, options.dense)
    times = measuring.measure(runs, options.rounds)
    _take_slopes(times, repeats)
    case = f"{size} px, L={count}, {direction}"
    peaks = {}
    if options.memory:
        peaks = {name: _peak_of(name, size, count, direction) for name in times}
    records = measuring.summarize(BENCHMARK, case, times, peaks)
    records += [
        measuring.Record(BENCHMARK, case, name, round(bound, 3), round(bound, 3), None, 0)
        for name, bound in bounds.items()
    ]
    if direction == "both":
        records += _run_deterministic(size, count, options.rounds)
    ours = statistics.median(times["native"])
    print(case)
    for record in records:
        memory = f"{record.peak_bytes / 1e6:8.0f} MB" if record.peak_bytes else ""
        ratio = record.median_ms / ours
        print(f"  {record.implementation:18}{record.median_ms:10.2f} ms {ratio:8.2f}x {memory}")
    return records


def _take_slopes(times: dict[str, list[float]], repeats: int) -> None:
    """Replaces the times of NAME/one and NAME/more by what one repeat takes."""
    for name in [name for name in times if name.endswith("/one")]:
        more, one = times.pop(name.replace("/one", "/more")), times.pop(name)
        slopes = [(b - a) / repeats for a, b in zip(one, more, strict=True)]
        times[name.removesuffix("/one")] = slopes


def _run_scaling(size: int, count: int, rounds: int) -> list[measuring.Record]:
    """Times ours alone: sampling, passing through, and its backward part."""
    import hypercolumns
    import tensorflow as tf

    taps = hypercolumns.vgg_taps()
    maps = hypercolumns.random_maps(taps, size, BATCH)
    inputs = (maps, hypercolumns.random_locations(size, BATCH, count), taps)
    runs = {"native_forward": hypercolumns.forward(hypercolumns.native, *inputs)}
    for name, samples_again in (("pass_through", True), ("pass_through_backward", False)):
        for repeats, part in ((1, "one"), (1 + REPEATS, "more")):
            run = hypercolumns.passed_through(*inputs, repeats, samples_again)
            runs[f"{name}/{part}"] = run
    times = measuring.measure({name: _finished(tf, run) for name, run in runs.items()}, rounds)
    _take_slopes(times, REPEATS)
    records = measuring.summarize(BENCHMARK, f"{size} px, L={count}, scaling", times)
    for record in records:
        each = 1e3 * record.median_ms / (BATCH * count)
        print(f"{record.case:28}{record.implementation:22}{record.median_ms:9.2f} ms", end="")
        print(f"{each:9.1f} us a location")
    return records


def _build(
    size: int, count: int, direction: str, limits: measuring.Limits, with_dense: bool
) -> tuple[dict[str, Callable], dict[str, float], int]:
    """Returns the functions to time, the bounds in ms, and the repeats."""
    import hypercolumns
    import tensorflow as tf

    taps = hypercolumns.vgg_taps()
    maps = hypercolumns.random_maps(taps, size, BATCH)
    locations = hypercolumns.random_locations(size, BATCH, count)
    read, columns, dense = hypercolumns.traffic(maps, locations, taps)
    wrap = hypercolumns.forward if direction == "forward" else hypercolumns.forward_backward
    implementations = {"native": hypercolumns.native, **hypercolumns.STOCK}
    if with_dense and count == 256:
        implementations["dense_quarter"] = hypercolumns.dense_quarter
    runs = {name: wrap(run, maps, locations, taps) for name, run in implementations.items()}
    if direction == "forward":
        bytes_read, bytes_written = read, columns
    else:
        bytes_read, bytes_written = read + columns, columns + dense
        runs["pass_through/one"] = hypercolumns.passed_through(maps, locations, taps, 1)
        runs["pass_through/more"] = hypercolumns.passed_through(maps, locations, taps, 1 + REPEATS)
    bounds = {
        "copy_bound": limits.copy_bound(bytes_read, bytes_written),
        "strict_floor": limits.strict_floor(bytes_read, bytes_written),
    }
    return {name: _finished(tf, run) for name, run in runs.items()}, bounds, REPEATS


def _finished(tf: object, run: Callable) -> Callable:
    """Returns what runs a graph to its end."""
    return lambda: tf.nest.flatten(run())[-1].shape  # type: ignore[attr-defined]


def _run_deterministic(size: int, count: int, rounds: int) -> list[measuring.Record]:
    """Times CropAndResize with op determinism, which no process can turn off again.

    Its default gradient is a data race. Ours is timed beside it, for the ratio.
    """
    case = json.dumps(["deterministic", size, count, rounds])
    result = subprocess.run(
        [sys.executable, __file__, f"--one={case}"], capture_output=True, text=True, check=True
    )
    return [measuring.Record(**line) for line in json.loads(result.stdout.splitlines()[-1])]


def _print_deterministic(size: int, count: int, rounds: int) -> int:
    """Times the case of `_run_deterministic` in this process."""
    import hypercolumns
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    taps = hypercolumns.vgg_taps()
    maps = hypercolumns.random_maps(taps, size, BATCH)
    locations = hypercolumns.random_locations(size, BATCH, count)
    runs = {
        f"{name}_deterministic": _finished(
            tf, hypercolumns.forward_backward(run, maps, locations, taps)
        )
        for name, run in (
            ("native", hypercolumns.native),
            ("crop_and_resize", hypercolumns.crop_and_resize),
        )
    }
    records = measuring.summarize(
        BENCHMARK, f"{size} px, L={count}, both", measuring.measure(runs, rounds)
    )
    print(json.dumps([vars(record) for record in records]))
    return 0


def _peak_of(name: str, size: int, count: int, direction: str) -> int:
    """Measures in a process of its own by how much a run raises the peak."""
    case = json.dumps([name, size, count, direction])
    command = [sys.executable, __file__, f"--one={case}"]
    environment = measuring.environment_without_keeping()
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(result.stdout.split()[-1])


def _measure_memory(case: list) -> int:
    """Prints the bytes that one run adds to the peak of the inputs alone."""
    name, size, count, direction = case
    if name == "deterministic":
        return _print_deterministic(size, count, direction)
    runs, _, _ = _build(size, count, direction, measuring.Limits(1, 1, 1), True)
    run = runs[f"{name}/one" if name == "pass_through" else name]
    measuring.forget_peak()
    before = measuring.peak_bytes()
    run()
    print(measuring.peak_bytes() - before)
    return 0


def _plot(records: list[measuring.Record], path: Path) -> None:
    """Draws time against locations, one panel for each size and direction."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(record.implementation for record in records))
    figure, panels = pyplot.subplots(2, 2, figsize=(10, 8), sharex=True)
    for row, size in zip(panels, SIZES, strict=True):
        for panel, direction in zip(row, ("forward", "both"), strict=True):
            series: dict[str, list[tuple[int, float]]] = {}
            for record in records:
                for count in COUNTS:
                    if record.case == f"{size} px, L={count}, {direction}":
                        series.setdefault(record.implementation, []).append(
                            (count, record.median_ms)
                        )
            for name, points in series.items():
                style = "--" if name.endswith(("bound", "floor")) else "o-"
                color = f"C{names.index(name) % 10}"
                panel.loglog(*zip(*points, strict=True), style, color=color, label=name)
            panel.set_title(f"VGG-16 taps, batch {BATCH}, {size} px, {direction}")
            panel.set(xlabel="locations for each image", ylabel="ms")
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.legend(*panels[0][1].get_legend_handles_labels(), loc="lower center", ncols=5)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
