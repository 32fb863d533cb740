"""Several tasks on one network: their step against as many steps of one task.

`python benchmarks/bench_joint.py` (or `make bench`) trains the CIFAR network *Deep*
at full width with batch 32 for each of M classification tasks by NormSGD. In one
process for each M it times a step of all tasks together, a turn of each, and a step of
one task alone, one after the other in every round; in further processes it measures the
peak memory of each by itself. Results go to benchmarks/results/joint.json.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import measuring  # noqa: E402

BENCHMARK = "joint"
COUNTS = (2, 4, 10)
BATCH, CLASSES = 32, 25
TOGETHER, TURNS, ALONE = "together", "in turns", "alone"
LIMIT = 1.1
"""Largest time of a joint step of M tasks, in M steps of one."""


def main(arguments: list[str]) -> int:
    """Measures every number of tasks and prints ratios and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds after the first")
    parser.add_argument("--time", type=int, help="internal: times of M tasks, in this process")
    parser.add_argument("--peak", nargs=2, help="internal: memory of one way and M")
    options = parser.parse_args(arguments)
    if options.time:
        return _time(options.time, options.rounds)
    if options.peak:
        return _show_peak(options.peak[0], int(options.peak[1]))
    records = []
    alone = int(_ask("--peak", ALONE, "1")[0])
    print(f"one task: peak {alone / 2**20:.0f} MiB")
    for count in COUNTS:
        flat = _ask("--time", str(count), "--rounds", str(options.rounds))
        names = (TOGETHER, TURNS, ALONE)
        times = {name: flat[index :: len(names)] for index, name in enumerate(names)}
        peaks = {name: int(_ask("--peak", name, str(count))[0]) for name in (TOGETHER, TURNS)}
        records += measuring.summarize(BENCHMARK, f"{count} tasks", times, peaks)
        ratios = sorted(
            joint / (count * one) for joint, one in zip(times[TOGETHER], times[ALONE], strict=True)
        )
        print(
            f"{count} tasks: together {ratios[len(ratios) // 2]:.2f} of {count} steps of one"
            f" (limit {LIMIT}); peak {peaks[TOGETHER] / 2**20:.0f} MiB together,"
            f" {peaks[TURNS] / 2**20:.0f} MiB in turns"
        )
    print(f"results in {measuring.write_results(BENCHMARK, records, measuring.measure_limits())}")
    return 0


def _ask(*arguments: str) -> list[float]:
    """Runs this program in a process of its own and returns the numbers it prints."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return list(map(float, done.stdout.split("RESULT")[1].split()))


def _time(count: int, rounds: int) -> int:
    """Prints milliseconds of a joint step, of all turns and of a step alone, by round."""
    runs = {
        TOGETHER: _build_steps(TOGETHER, count),
        TURNS: _build_steps(TURNS, count),
        ALONE: _build_steps(ALONE, 1),
    }
    times = measuring.measure(runs, rounds)
    print("RESULT", *(value for row in zip(*times.values(), strict=True) for value in row))
    return 0


def _show_peak(way: str, count: int) -> int:
    """Prints the peak memory of some steps of one way."""
    step = _build_steps(way, count)
    for _ in range(3):
        step()
    print("RESULT", measuring.peak_bytes())
    return 0


def _build_steps(way: str, count: int) -> Callable[[], float]:
    """Returns what makes one step of all tasks, a turn of each, or a step of one."""
    import tensorflow as tf

    from tfcolor.backbones.cifar import CifarDeep, CifarOptions
    from tfcolor.models.network import Network
    from tfcolor.tasks.classification import ClassificationOptions, ClassificationTask
    from tfcolor.training.joint import build_task_order
    from tfcolor.training.members import Member, shared_network
    from tfcolor.training.optimizers import Update
    from tfcolor.training.options import JointOptions, OptimizationOptions
    from tfcolor.training.parking import ParkedSlots
    from tfcolor.training.step import TrainStep

    task = ClassificationTask(ClassificationOptions(num_classes=CLASSES, input="color"), {})
    backbone = CifarDeep(CifarOptions(), 3, seed=0)
    members = tuple(
        Member(
            task,
            Network(
                backbone, task.build_head(backbone.canonical_taps(), index), convolutional=False
            ),
            BATCH,
            seed=index,
            name=str(index),
        )
        for index in range(count)
    )
    joint = JointOptions(task_order="round_robin" if way == TURNS else "together", task_quantum=1)
    options = OptimizationOptions(optimizer="norm_sgd", learning_rate=1e-5, weight_decay=0.0)
    update = Update(shared_network(backbone, members), options, joint, use_loss_scaling=False)
    step = TrainStep(tf.distribute.get_strategy(), members, update)
    order = build_task_order(joint, count)
    parked = ParkedSlots(update.slots_of_backbone(), count) if order.takes_turns else None
    batches = [
        (
            {
                "image": tf.random.stateless_uniform([BATCH, 32, 32, 3], [index, 1]),
                "seed": tf.random.stateless_uniform([BATCH, 2], [index, 2], 0, 99, tf.int64),
            },
            {"label": tf.random.stateless_uniform([BATCH], [index, 3], 0, CLASSES, tf.int32)},
        )
        for index in range(count)
    ]

    def run() -> float:
        loss = 0.0
        for turn in range(count if order.takes_turns else 1):
            active = order.active(turn)
            if parked is not None:
                parked.switch_to(active[0])
            loss = float(step({one: batches[one] for one in active}, tf.constant(0.0))["loss"])
        return loss

    return run


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
