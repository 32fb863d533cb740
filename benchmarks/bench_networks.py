"""Measures training steps and colorizing with the full networks.

Usage: python benchmarks/bench_networks.py [--rounds=3]

Writes benchmarks/results/networks.json and prints a table. The last row is
what the machine can do at best: a large float32 matrix product.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tfcolor.config.command import Command  # isort: split

import numpy as np
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.config.assembly import build_network, build_task
from tfcolor.config.experiment import (
    DataOptions,
    DistributionOptions,
    Experiment,
    ExperimentTask,
    OptimizationOptions,
    RunOptions,
    TrainingOptions,
)
from tfcolor.data.options import open_readers
from tfcolor.data.pipeline import BatchPlan
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.painting import SizeOptions
from tfcolor.tasks import TASKS
from tfcolor.training.members import Member, shared_network
from tfcolor.training.optimizers import Update
from tfcolor.training.options import JointOptions
from tfcolor.training.step import TrainStep

del Command  # imported first because it mutes and tunes TensorFlow

RESULTS = Path(__file__).parent / "results" / "networks.json"
BATCH = 8
CROP = 128
PHOTO = 512


def milliseconds(function: Callable[[], object], rounds: int) -> list[float]:
    """Returns the wall time of each round, after one that is not counted."""
    function()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - started))
    return times


def record(case: str, implementation: str, times: list[float]) -> dict[str, object]:
    """Returns one row of the result file."""
    return {
        "benchmark": "networks",
        "case": case,
        "implementation": implementation,
        "median_ms": statistics.median(times),
        "min_ms": min(times),
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "n": len(times),
    }


def experiment(backbone: str) -> Experiment:
    """Returns the configuration measured: full width, batch norm, 128 locations."""
    options = TASKS["colorization"].Options(crop_size=CROP, min_side=CROP, max_side=256, edge=8)
    data = DataOptions(images="builtin:photos", heldout_fraction=0.0)
    return Experiment(
        run=RunOptions(backbone=backbone),
        members=(ExperimentTask("colorization", options, data, BATCH),),
        backbone=BACKBONES[backbone].Options(),
        optimization=OptimizationOptions(),
        joint=JointOptions(),
        training=TrainingOptions(),
        distribution=DistributionOptions(),
    )


def measure(backbone: str, rounds: int) -> list[dict[str, object]]:
    """Measures a training step and the coloring of one photograph."""
    chosen = experiment(backbone)
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    task = build_task(chosen, open_readers(chosen.data))
    with strategy.scope():
        network = build_network(chosen, task)
        members = (Member(task, network, BATCH, seed=0),)
        shared = shared_network(network.backbone, members)
        update = Update(shared, chosen.optimization, chosen.joint, use_loss_scaling=False)
    step = TrainStep(strategy, members, update)
    batch = next(iter(task.make_dataset("train", BatchPlan(BATCH, seed=0, num_batches=1))))
    train = milliseconds(lambda: float(step({0: batch}, tf.constant(0.0))["loss"]), rounds)
    colorizer = Colorizer(network, HueChroma(), DecodingOptions(), SizeOptions(max_side=PHOTO))
    gray = tf.constant(np.random.default_rng(0).random((1, PHOTO, PHOTO, 1)), tf.float32)
    color = milliseconds(lambda: colorizer.colorize(gray)["rgb"].numpy(), rounds)
    return [
        record(f"train step, {CROP} px, batch {BATCH}", backbone, train),
        record(f"colorize, {PHOTO}x{PHOTO}", backbone, color),
    ]


def measure_machine(rounds: int) -> list[dict[str, object]]:
    """Measures a 2048-cubed matrix product: 17.2 GFLOP."""
    matrix = tf.random.stateless_normal([2048, 2048], [0, 0])
    return [
        record(
            "matrix product 2048^3",
            "machine",
            milliseconds(lambda: tf.matmul(matrix, matrix).numpy(), rounds),
        )
    ]


def main() -> None:
    """Runs everything and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    rows = [row for name in BACKBONES for row in measure(name, rounds)] + measure_machine(rounds)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        sys.stdout.write(
            f"{row['implementation']:10s} {row['case']:32s} {row['median_ms']:10.0f} ms "
            f"(min {row['min_ms']:.0f}), peak {row['peak_bytes'] / 2**30:.1f} GiB\n"
        )


if __name__ == "__main__":
    main()
