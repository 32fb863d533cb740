"""Two tasks on one network by four workers: tasks that wait for each other, and tasks that do not.

`python benchmarks/bench_synchronization.py` (or `make bench`) trains two small classifiers
with `--strategy=parameter_server` by processes of this machine: a chief, a parameter server and
two workers for each task, hybrid and synchronous in turn. The workers of one task take three
times as long as those of the other: both sleep while they make a batch, 0.2 s and 0.6 s, which
stands for computing on machines of their own that these two cores do not have. What is
compared is the waiting; the arithmetic of the network is negligible beside it.

Expected before it was run: synchronous makes 1 / 0.6 = 1.67 steps of each task in a second. Hybrid
makes 1 / 0.2 = 5 of the fast one and as many of the slow one as before; some milliseconds
of overhead in each step cost the fast task more. So 2 to 3 times the fast task's steps, and
no fewer than 0.9 times those of the slow one.
Results go to benchmarks/results/synchronization.json.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import measuring  # noqa: E402

BENCHMARK = "synchronization"
SLEEPS = (0.2, 0.6)
NUM_WORKERS = 4
STEPS = {"hybrid": 60, "synchronous": 20}
WARM_UP = 3
"""Updates of each task that are not timed: graphs are traced in the first."""
FLAGS = (
    "--task=classification,classification",
    "--classification_min_side=32",
    "--classification_max_side=32",
    "--images=builtin:digits:train",
    "--heldout_images=builtin:digits:test",
    "--backbone=cifar_shallow",
    "--cifar_shallow_width_multiplier=0.125",
    "--batch_size=4",
    "--strategy=parameter_server",
    "--evaluate_every_steps=1000",
    "--evaluate_num_examples=4",
)
FORKING = multiprocessing.get_context("forkserver")


def main(arguments: list[str]) -> int:
    """Measures both ways of waiting and prints steps per second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2, help="runs of each way")
    rounds = parser.parse_args(arguments).rounds
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    FORKING.set_forkserver_preload(["tfcolor.train"])
    times: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        order = list(STEPS) if number % 2 == 0 else list(reversed(STEPS))
        for mode in order:
            for task, gaps in enumerate(_run(mode)):
                own = times.setdefault(f"task of {SLEEPS[task]} s", {})
                own.setdefault(mode, []).extend(1e3 * gap for gap in gaps)
    records = []
    for case, own in times.items():
        records += measuring.summarize(BENCHMARK, case, own)
        # Medians: a worker that gets the first batch of a task builds its graph then.
        rates = {mode: 1e3 / statistics.median(own[mode]) for mode in STEPS}
        print(
            f"{case}: {rates['hybrid']:.2f} steps/s hybrid, {rates['synchronous']:.2f}"
            f" synchronous, ratio {rates['hybrid'] / rates['synchronous']:.2f}"
        )
    print(f"results in {measuring.write_results(BENCHMARK, records, measuring.measure_limits())}")
    return 0


def _run(mode: str) -> list[list[float]]:
    """Trains once; returns the seconds between updates of each task."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(2 + NUM_WORKERS)]
    addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    jobs = {"chief": addresses[:1], "ps": addresses[1:2], "worker": addresses[2:]}
    with tempfile.TemporaryDirectory() as folder:
        flags = [*FLAGS, f"--synchronization={mode}", f"--num_steps={STEPS[mode]}"]
        flags.append(f"--run_dir={folder}/run")
        order = ("ps", "worker", "chief")
        places = [(job, index) for job in order for index in range(len(jobs[job]))]
        processes = [
            FORKING.Process(target=_serve, args=(jobs, *place, flags, folder)) for place in places
        ]
        for process in processes:
            process.start()
        processes[-1].join()
        for process in processes[:-1]:
            process.join(20)
            process.kill()
        if processes[-1].exitcode:
            raise SystemExit(f"the chief ended with {processes[-1].exitcode}")
        updates = json.loads((Path(folder) / "updates.json").read_text())
    gaps = []
    for task in range(len(SLEEPS)):
        moments = [moment for moment, tasks in updates if task in tasks][WARM_UP:]
        gaps.append([later - sooner for sooner, later in itertools.pairwise(moments)])
    return gaps


def _serve(jobs: dict, job: str, index: int, flags: list[str], folder: str) -> None:
    """Is one process of the cluster: slow batches in a worker, a record of updates in the chief."""
    os.environ["TF_CONFIG"] = json.dumps({"cluster": jobs, "task": {"type": job, "index": index}})
    sys.stderr = (Path(folder) / f"{job}{index}.txt").open("w")
    from tfcolor.config.command import execute
    from tfcolor.train import COMMAND
    from tfcolor.training.exchange import Exchange
    from tfcolor.training.worker_server import BatchSource

    read, apply = BatchSource.read, Exchange.apply
    updates: list[tuple[float, tuple[int, ...]]] = []

    def read_slowly(source: BatchSource, place, batch):
        time.sleep(SLEEPS[place.task])
        return read(source, place, batch)

    def apply_and_record(exchange: Exchange, is_frozen: bool, numbers):
        figures = apply(exchange, is_frozen, numbers)
        updates.append((time.monotonic(), exchange.group.tasks))
        return figures

    BatchSource.read, Exchange.apply = read_slowly, apply_and_record
    status = execute(COMMAND, flags)
    if job == "chief":
        (Path(folder) / "updates.json").write_text(json.dumps(updates))
    raise SystemExit(status)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
