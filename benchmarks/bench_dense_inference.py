"""Dense hypercolumns of VGG-16: projected taps against the concatenated map.

`python benchmarks/bench_dense_inference.py` (or `make bench`) colors a 512 x 512
photograph's worth of maps on a grid of a quarter of its size, with all 12,417
channels, and writes benchmarks/results/dense_inference.json.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import measuring  # noqa: E402

BENCHMARK = "dense_inference"
SIZE, GRID_STRIDE, UNITS = 512, 4, 1024
IMPLEMENTATIONS = ("projected", "concatenated")
CASES = ("hidden layer", "network and hidden layer")


def main(arguments: list[str]) -> int:
    """Runs both cases, writes the results and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", help="internal: measure one implementation's memory")
    options = parser.parse_args(arguments)
    if options.one:
        return _measure_memory(options.one)
    measuring.keep_memory()
    limits = measuring.measure_limits()
    peaks = {name: _peak_of(name) for name in IMPLEMENTATIONS}
    records: list[measuring.Record] = []
    for case in CASES:
        runs = _build(case)
        _check_equal(runs)
        times = measuring.measure(runs, options.rounds)
        shown = peaks if case == CASES[0] else None
        records += measuring.summarize(BENCHMARK, f"{SIZE} px, {case}", times, shown)
    for record in records:
        peak = "" if record.peak_bytes is None else f"{record.peak_bytes / 2**20:9.0f} MB"
        print(f"{record.case:40}{record.implementation:14}{record.median_ms:9.0f} ms{peak}")
    ours, theirs = records[:2], records[2:]
    for (first, second), case in zip((ours, theirs), CASES, strict=True):
        print(f"{case}: {second.median_ms / first.median_ms:.1f} times faster")
    print(f"peak memory: {peaks['concatenated'] / peaks['projected']:.1f} times less")
    print(f"results in {measuring.write_results(BENCHMARK, records, limits)}")
    return 0


def _build(case: str) -> dict[str, Callable[[], object]]:
    """Returns both implementations on the maps of a full VGG-16."""
    import tensorflow as tf

    from tfcolor.backbones.vgg import Vgg16
    from tfcolor.core.taps import Tap
    from tfcolor.layers.hypercolumn import HypercolumnProjection
    from tfcolor.ops.dense_sampling import resize_features

    backbone = Vgg16(Vgg16.Options(use_batch_norm=False), input_channels=1, seed=0)
    taps = backbone.taps(SIZE, SIZE)
    grid = Tap("grid", GRID_STRIDE, (GRID_STRIDE - 1) / 2)
    cells = (SIZE // GRID_STRIDE,) * 2
    layer = HypercolumnProjection({name: tap.channels for name, tap in taps.items()}, UNITS, 0)
    gray = tf.random.stateless_uniform([1, SIZE, SIZE, 1], [1, 2])
    features = backbone(gray)

    def projected(maps: dict) -> tf.Tensor:
        return layer.dense(maps, taps, grid, cells)

    def concatenated(maps: dict) -> tf.Tensor:
        sampled = [resize_features(maps[name], tap, grid, cells) for name, tap in taps.items()]
        return tf.tensordot(tf.concat(sampled, -1), layer.kernel, 1) + layer.bias

    def of(head: Callable[[dict], tf.Tensor]) -> Callable[[], object]:
        graph = tf.function(lambda: head(features if case == CASES[0] else backbone(gray)))
        return lambda: graph().numpy()

    return {"projected": of(projected), "concatenated": of(concatenated)}


def _check_equal(runs: dict[str, Callable[[], object]]) -> None:
    """Raises ArithmeticError unless both give the same to 1e-5 of the largest."""
    import numpy as np

    first, second = (np.asarray(runs[name]()) for name in IMPLEMENTATIONS)
    error = np.abs(first - second).max() / np.abs(second).max()
    print(f"largest difference: {error:.1e} of the largest value")
    if error > 1e-5:
        raise ArithmeticError(f"projected and concatenated differ by {error}")


def _peak_of(name: str) -> int:
    """Measures in a process of its own by how much a run raises the peak."""
    command = [sys.executable, __file__, f"--one={name}"]
    # The allocator as usual: what is kept from the network would hide what is added.
    environment = measuring.environment_without_keeping()
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(result.stdout.split()[-1])


def _measure_memory(name: str) -> int:
    """Prints the bytes that one run adds to the peak of network and maps."""
    run = _build(CASES[0])[name]
    measuring.forget_peak()
    before = measuring.peak_bytes()
    run()
    print(measuring.peak_bytes() - before)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
