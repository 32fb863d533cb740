"""Images per second of training by 1, 2 and 4 processes, and with a tf.data service before it.

`python benchmarks/bench_scaling.py` (or `make bench`) trains colorization on photographs, decoded
anew for every example, by processes of this machine that reach each other over loopback. Each
has one thread for arithmetic and one core, which stands for a machine: training processes take
the cores in turn from the first on, workers of the service from the last on. Processes:
MultiWorkerMirroredStrategy, one global batch of 16 at any number of them. Service: one training
process, and 0 (it reads by itself, the first case), 1 or 2 workers. Timed is what lies between
two updates, of which the median counts.

Expected before it was run, on two cores, against one process of the same run: 2 processes
1.6 to 1.9 times the images (each reads and computes half of a batch; the exchange of gradients
over loopback and waiting for the slower core cost the rest); 4 processes 1.4 to 1.8, since two
of them share a core. A service with 1 worker: reading takes about as long as a step here, and
now overlaps with it on the other core, less what sending a batch costs: 1.3 to 1.8. With 2
workers, the second on the core that trains: between 0.9 and 1.1 times that of 1 worker.
Results go to benchmarks/results/scaling.json.
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

BENCHMARK = "scaling"
ALONE = "1 process, which reads by itself"
PROCESSES = (2, 4)
WORKERS = (1, 2)
BATCH_SIZE = 16
STEPS = 20
WARM_UP = 6
"""Updates that are not timed: graphs are traced in the first, and buffers fill."""
START_SECS = 120
FLAGS = (
    "--task=colorization",
    "--images=builtin:photos:train",
    "--heldout_images=builtin:photos:heldout",
    "--cache_images_mb=0",
    "--backbone=alexnet",
    "--alexnet_width_multiplier=0.25",
    "--colorization_crop_size=96",
    "--colorization_min_side=96",
    "--colorization_max_side=128",
    "--colorization_edge=8",
    f"--batch_size={BATCH_SIZE}",
    "--log_every_steps=1",
    "--evaluate_num_examples=2",
)
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"}
FORKING = multiprocessing.get_context("forkserver")


def main(arguments: list[str]) -> int:
    """Measures every number of processes and of workers, and prints images per second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=STEPS, help="updates of each run")
    steps = parser.parse_args(arguments).steps
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", **ONE_THREAD}
    FORKING.set_forkserver_preload(["tfcolor.train"])
    gaps = {ALONE: _train(1, 0, steps)}
    gaps |= {f"{count} workers of a service": _train(1, count, steps) for count in WORKERS}
    gaps |= {f"{count} processes": _train(count, 0, steps) for count in PROCESSES}
    times = {name: [1e3 * gap for gap in own] for name, own in gaps.items()}
    records = measuring.summarize(BENCHMARK, f"batch of {BATCH_SIZE}", times)
    rates = {name: BATCH_SIZE / statistics.median(own) for name, own in gaps.items()}
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")
    for name, rate in rates.items():
        print(f"{name}: {rate:.1f} images/s, {rate / rates[ALONE]:.2f} times that of one process")
    print(f"results in {measuring.write_results(BENCHMARK, records, measuring.measure_limits())}")
    return 0


def _train(processes: int, workers: int, steps: int) -> list[float]:
    """Trains once; returns the seconds between updates."""
    addresses = _free_addresses(processes + 1)
    dispatcher = addresses.pop()
    with tempfile.TemporaryDirectory() as folder:
        flags = [*FLAGS, f"--num_steps={steps}", f"--evaluate_every_steps={steps}"]
        flags.append(f"--run_dir={folder}/run")
        started = _start_service(dispatcher, workers, flags, folder) if workers else []
        if workers:
            flags += [f"--data_service={dispatcher}", f"--data_service_workers={workers}"]
        flags.append(f"--strategy={'multi_worker' if processes > 1 else 'one_device'}")
        trained = []
        for index in range(processes):
            environment = {}
            if processes > 1:
                place = {"type": "worker", "index": index}
                cluster = {"cluster": {"worker": addresses}, "task": place}
                environment["TF_CONFIG"] = json.dumps(cluster)
            trained.append(_start("train", index, flags, f"{folder}/train{index}", environment))
        for process in trained:
            process.join()
        for process in started:
            process.terminate()
            process.join()
        if any(process.exitcode for process in trained):
            raise SystemExit(Path(f"{folder}/train0.txt").read_text()[-2000:])
        moments = json.loads(Path(f"{folder}/train0.json").read_text())[WARM_UP:]
    return [later - sooner for sooner, later in itertools.pairwise(moments)]


def _start_service(dispatcher: str, workers: int, flags: list[str], folder: str) -> list:
    """Starts a dispatcher and its workers; returns them once all serve."""
    port = dispatcher.rpartition(":")[2]
    roles = {"dispatcher": ["--role=dispatcher", f"--port={port}"]}
    roles |= {f"worker{index}": [f"--dispatcher={dispatcher}", *flags] for index in range(workers)}
    started = []
    for index, (name, own) in enumerate(roles.items()):
        shown = Path(folder) / f"{name}.txt"
        started.append(_start("data_service", -max(index, 1), own, str(shown.with_suffix("")), {}))
        deadline = time.monotonic() + START_SECS
        while not shown.exists() or "serves" not in shown.read_text():
            if started[-1].exitcode is not None or time.monotonic() > deadline:
                raise SystemExit(f"{name} did not start: {shown.read_text()[-2000:]}")
            time.sleep(0.1)
    return started


def _start(name: str, place: int, flags: list[str], output: str, environment: dict) -> object:
    """Starts a command on the core of a place, from the last core on if it is negative."""
    core = place % (os.cpu_count() or 1)
    process = FORKING.Process(target=_execute, args=(name, core, [*flags], output, environment))
    process.start()
    return process


def _execute(name: str, core: int, flags: list[str], output: str, environment: dict) -> None:
    """Is one process: runs a command on a core, and records the moments of updates."""
    os.sched_setaffinity(0, {core})
    os.environ |= environment
    import importlib

    from tfcolor.config.command import execute
    from tfcolor.training.loop import Trainer

    advance = Trainer._advance
    moments: list[float] = []

    def advance_and_record(trainer: Trainer):
        result = advance(trainer)
        moments.append(time.monotonic())
        return result

    Trainer._advance = advance_and_record
    with Path(f"{output}.txt").open("w", buffering=1) as shown:
        sys.stderr = shown
        status = execute(importlib.import_module(f"tfcolor.{name}").COMMAND, flags)
    Path(f"{output}.json").write_text(json.dumps(moments))
    raise SystemExit(status)


def _free_addresses(count: int) -> list[str]:
    """Returns addresses of this machine that nobody listens on."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
