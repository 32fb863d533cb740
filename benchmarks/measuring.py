"""Interleaved timing, the machine's limits, peak memory and the result file."""

import dataclasses
import json
import logging
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
# Every case has graphs of its own; TensorFlow warns of tracing that many.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
# Keeps freed memory in the process. Without it the first touch of fresh pages
# takes longer than what is measured, for every implementation alike.
KEEP_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
}


@dataclasses.dataclass
class Record:
    """One line of a result file."""

    benchmark: str
    case: str
    implementation: str
    median_ms: float
    min_ms: float
    peak_bytes: int | None
    n: int


def keep_memory() -> None:
    """Starts this program again with an allocator that keeps what is freed."""
    if any(os.environ.get(name) != value for name, value in KEEP_MEMORY.items()):
        environment = {**os.environ, **KEEP_MEMORY, "TF_CPP_MIN_LOG_LEVEL": "3"}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)


def measure(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Times every function once in each round, in another order every time.

    Args:
      runs: functions by name; each has finished when it returns.
      rounds: how often each is timed, after one run that is not.

    Returns:
      Milliseconds by name, one for each round.
    """
    names = list(runs)
    for name in names:
        runs[name]()
    times: dict[str, list[float]] = {name: [] for name in names}
    for index in range(rounds):
        shift = index % len(names)
        for name in names[shift:] + names[:shift]:
            start = time.perf_counter()
            result = runs[name]()
            times[name].append(1e3 * (time.perf_counter() - start))
            del result
    return times


def summarize(
    benchmark: str,
    case: str,
    times: Mapping[str, list[float]],
    peaks: Mapping[str, int] | None = None,
) -> list[Record]:
    """Turns times into records."""
    return [
        Record(
            benchmark,
            case,
            name,
            round(statistics.median(values), 3),
            round(min(values), 3),
            (peaks or {}).get(name),
            len(values),
        )
        for name, values in times.items()
    ]


@dataclasses.dataclass
class Limits:
    """Bandwidth of the machine over all cores, bytes per second."""

    copy: float
    read: float
    write: float

    def copy_bound(self, read: float, written: float) -> float:
        """Milliseconds that copying as many bytes takes."""
        return 1e3 * (read + written) / self.copy

    def strict_floor(self, read: float, written: float) -> float:
        """Milliseconds that reading and writing take at their own rates."""
        return 1e3 * (read / self.read + written / self.write)


def measure_limits(rounds: int = 15, megabytes: int = 256) -> Limits:
    """Measures copying, reading and writing of large arrays on all cores."""
    cores = os.cpu_count() or 1
    source = np.ones([cores, megabytes * 2**20 // 4 // cores], np.float32)
    target = np.zeros_like(source)
    with ThreadPoolExecutor(cores) as pool:

        def on_all(work: Callable[[int], object]) -> Callable[[], object]:
            return lambda: list(pool.map(work, range(cores)))

        times = measure(
            {
                "copy": on_all(lambda core: np.copyto(target[core], source[core])),
                "read": on_all(lambda core: np.max(source[core])),
                "write": on_all(lambda core: target[core].fill(2)),
            },
            rounds,
        )
    seconds = {name: statistics.median(values) / 1e3 for name, values in times.items()}
    return Limits(
        2 * source.nbytes / seconds["copy"],
        source.nbytes / seconds["read"],
        source.nbytes / seconds["write"],
    )


def environment_without_keeping() -> dict[str, str]:
    """Returns the environment of a process whose memory is to be measured."""
    return {name: value for name, value in os.environ.items() if name not in KEEP_MEMORY}


def forget_peak() -> None:
    """Makes `peak_bytes` count from what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """Returns the largest resident size of this process so far."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return 1024 * int(line.split()[1])


def write_results(name: str, records: list[Record], limits: Limits) -> Path:
    """Writes the records and one of the machine's limits."""
    RESULTS.mkdir(exist_ok=True)
    machine = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        **{f"{limit}_gb_per_s": round(v / 1e9, 1) for limit, v in vars(limits).items()},
    }
    path = RESULTS / f"{name}.json"
    lines = [*(dataclasses.asdict(record) for record in records), machine]
    path.write_text(json.dumps(lines, indent=1) + "\n")
    return path
