"""What sparse hypercolumns cost in a training step, in time and memory.

`python benchmarks/bench_hypercolumn_training.py` writes
benchmarks/results/hypercolumn_training.json. VGG-16 at 448 px with and without
its taps sampled, and whole steps of AlexNet at 227 px. Needs 12 GB.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import measuring  # noqa: E402

BENCHMARK = "hypercolumn_training"


def main(arguments: list[str]) -> int:
    """Runs the cases, writes the results and prints them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", type=int, default=448, help="side of VGG-16's images, pixels")
    parser.add_argument("--skip_vgg", action="store_true")
    parser.add_argument("--skip_alexnet", action="store_true")
    parser.add_argument("--memory_only", action="store_true")
    parser.add_argument("--one", help="internal: measure one variant's memory")
    options = parser.parse_args(arguments)
    if options.one:
        return _print_peak(*json.loads(options.one))
    if not options.memory_only:
        measuring.keep_memory()
    import training_steps

    records: list[measuring.Record] = []
    if not options.skip_vgg:
        records += _added(options, {} if options.memory_only else None)
    if not options.skip_alexnet and not options.memory_only:
        case = "AlexNet 227 px, batch 8, L=256, whole step"
        times = measuring.measure(_finished(training_steps.full_steps(227, 8, 256)), options.rounds)
        records += measuring.summarize(BENCHMARK, case, times)
    for record in records:
        peak = f"{record.peak_bytes / 1e6:8.0f} MB" if record.peak_bytes else ""
        print(f"{record.case:46}{record.implementation:22}{record.median_ms:10.1f} ms {peak}")
    path = measuring.write_results(BENCHMARK, records, measuring.measure_limits())
    print(f"results in {path}")
    return 0


def _added(options: argparse.Namespace, times: dict | None) -> list[measuring.Record]:
    """Measures steps of VGG-16, and what each sampling adds to the one without."""
    import training_steps

    names = ("without", "pass_through", "native", "crop_and_resize")
    case = f"VGG-16 {options.size} px, batch 4, L=256"
    peaks = {name: _peak_of(name, options.size) for name in names}
    if times is None:
        steps = training_steps.added_steps(options.size, 4, 256)
        times = measuring.measure(_finished(steps), options.rounds)
    else:
        times = {name: [0.0] for name in names}
    records = measuring.summarize(BENCHMARK, f"{case}, step", times, peaks)
    added = {
        name: [a - b for a, b in zip(times[name], times["without"], strict=True)]
        for name in names[1:]
    }
    more = {name: peaks[name] - peaks["without"] for name in names[1:]}
    return records + measuring.summarize(BENCHMARK, f"{case}, added", added, more)


def _finished(steps: dict) -> dict:
    """Returns what runs each graph to its end."""
    return {name: lambda step=step: step().numpy() for name, step in steps.items()}


def _peak_of(name: str, size: int) -> int:
    """Measures the peak of a step in a process of its own."""
    command = [sys.executable, __file__, f"--one={json.dumps([name, size])}"]
    environment = measuring.environment_without_keeping()
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(result.stdout.split()[-1])


def _print_peak(name: str, size: int) -> int:
    """Prints the largest resident size after a step."""
    import training_steps

    training_steps.added_steps(size, 4, 256)[name]().numpy()
    print(measuring.peak_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
