"""One downstream step of the largest network: ResNet-152 + FoV at 448 pixels.

`python benchmarks/bench_downstream.py` (or `make bench`) makes whole training
steps of segmentation (21 classes, 128 locations, momentum, trained batch norm)
with batch 2, each network in a process of its own, then compares the dense logits
of that network with its sparse ones, and writes
benchmarks/results/downstream.json.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import measuring  # noqa: E402

BENCHMARK = "downstream"
SIZE, BATCH, CLASSES, LOCATIONS, EDGE = 448, 2, 21, 128, 32
NETWORKS = {"resnet152 + FoV": ("resnet152", 2), "vgg16 + FoV": ("vgg16", 2)}
LIMIT_GIB = 20


def main(arguments: list[str]) -> int:
    """Measures every network and prints time, memory and agreement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2, help="timed steps after the first")
    parser.add_argument("--one", help="internal: one network, in this process")
    options = parser.parse_args(arguments)
    if options.one:
        return _measure_one(options.one, options.steps)
    records = []
    for name in NETWORKS:
        command = [sys.executable, __file__, "--one", name, "--steps", str(options.steps)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            return 1
        *times, peak, difference = map(float, done.stdout.split("RESULT")[1].split())
        records += measuring.summarize(
            BENCHMARK, f"{SIZE} px, batch {BATCH}", {name: times}, {name: int(peak)}
        )
        print(
            f"{name}: {records[-1].median_ms / 1e3:.1f} s a step, peak {peak / 2**30:.1f} GiB"
            f" (limit {LIMIT_GIB}), dense and sparse logits differ by {difference:.1e} of their RMS"
        )
    print(f"results in {measuring.write_results(BENCHMARK, records, measuring.measure_limits())}")
    return 0


def _measure_one(name: str, num_steps: int) -> int:
    """Makes steps of one network and prints milliseconds, peak bytes and difference."""
    import tensorflow as tf

    from tfcolor.backbones import BACKBONES
    from tfcolor.backbones.field_of_view import WidenedBackbone
    from tfcolor.models.network import Network
    from tfcolor.tasks.segmentation import SegmentationOptions, SegmentationTask
    from tfcolor.training.members import Member, shared_network
    from tfcolor.training.optimizers import Update
    from tfcolor.training.options import JointOptions, OptimizationOptions
    from tfcolor.training.step import TrainStep

    kind, blocks = NETWORKS[name]
    task = SegmentationTask(SegmentationOptions(num_classes=CLASSES), {})
    class_ = BACKBONES[kind]
    # As downstream: chains have their batch norm absorbed, residual networks keep it.
    options = class_.Options(use_batch_norm=kind.startswith("resnet"))
    backbone = WidenedBackbone(class_(options, task.input_channels, 0), blocks, 0)
    network = Network(backbone, task.build_head(backbone.taps(SIZE, SIZE), 0))
    members = (Member(task, network, BATCH, seed=0),)
    shared = shared_network(backbone, members)
    update = Update(shared, OptimizationOptions(), JointOptions(), use_loss_scaling=False)
    update.set_rate(1e-3)
    step = TrainStep(tf.distribute.get_strategy(), members, update)
    inputs = {
        "image": tf.random.stateless_uniform([BATCH, SIZE, SIZE, 1], [1, 2]),
        "seed": tf.constant([[1, 2], [3, 4]], tf.int64),
        "locations": tf.cast(
            tf.random.stateless_uniform([BATCH, LOCATIONS, 2], [3, 4], EDGE, SIZE - EDGE, tf.int32),
            tf.float32,
        ),
    }
    label = tf.random.stateless_uniform([BATCH, LOCATIONS], [5, 6], 0, CLASSES, tf.int32)
    times = []
    for _ in range(num_steps + 1):
        start = time.perf_counter()
        float(step({0: (inputs, {"label": label})}, tf.constant(0.0))["loss"])
        times.append(1e3 * (time.perf_counter() - start))
    peak = measuring.peak_bytes()
    difference = _dense_difference(network, inputs)
    print("RESULT", *times[1:], peak, difference)
    return 0


def _dense_difference(network, inputs) -> float:
    """Returns how far logits on a grid are from those at the grid's pixels."""
    import tensorflow as tf

    image = inputs["image"][:1]
    taps = network.backbone.taps(SIZE, SIZE)
    # A grid that begins at pixel 0, as the published one does: cell i is pixel 4 i.
    logits, _ = network.head.dense(
        network.features(image), taps, (SIZE, SIZE), grid_stride=4, alignment="zero"
    )
    cells = tf.random.stateless_uniform([200, 2], [7, 8], 0, SIZE // 4, tf.int32)
    locations = tf.cast(4 * cells, tf.float32)[tf.newaxis]
    sparse = network({"image": image, "locations": locations}, training=False)["class_logits"][0]
    dense = tf.gather_nd(logits["class_logits"][0], cells)
    scale = tf.sqrt(tf.reduce_mean(sparse**2))
    return float(tf.reduce_max(tf.abs(dense - sparse)) / scale)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
