"""The embedded server: batching, the share outside the network, and overload.

`python benchmarks/bench_serving.py` (or `make bench`) exports untrained
colorizers, serves them, and writes benchmarks/results/serving.json and a plot
of the overload. `--quick` takes seconds instead of minutes.

- batching: requests per second of many clients, with and without batching, and
  of one client that sends one after the other.
- outside: a request's time against that of its network alone, side by side.
- overload: requests come at a rate that grows to five times the capacity,
  whether or not earlier ones are answered.
"""

import argparse
import collections
import dataclasses
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tfcolor.config.command import Command  # isort: split

import grpc
import measuring
import numpy as np
import serving_process
import tensorflow as tf
from fuzz_serving import PREDICT
from tensorflow_serving.apis import predict_pb2

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
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.painting import SizeOptions
from tfcolor.savedmodel.exporter import export_colorizer
from tfcolor.server.lifecycle import ServerSettings, ServingServer
from tfcolor.server.model_settings import ModelSettings
from tfcolor.server.options import AddressOptions
from tfcolor.tasks import TASKS
from tfcolor.training.options import JointOptions

del Command  # imported first because it mutes and tunes TensorFlow

BENCHMARK = "serving"
SIDE, NUM_CLIENTS, MAX_FACTOR = 256, 16, 5.0
FIXED_SIZE = SizeOptions(min_side=SIDE, max_side=SIDE)
DEADLINE_SECS = 20.0
SIGNATURES = ("colorize", "serving_default")
SIZES = {"small": 0.125, "vgg16": 1.0}
"""Widths of the VGG-16 that is served; the small one is that of the quickstart."""
BATCHING = "max_batch_size { value: 8 } batch_timeout_micros { value: 2000 }"
ACCEPTABLE = {"OK", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}


def main(arguments: list[str]) -> int:
    """Runs the parts, writes the results and prints them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="seconds, for a first look")
    parser.add_argument("--parts", default="batching,outside,overload")
    parser.add_argument("--seconds", type=float, default=60.0, help="of overload")
    options = parser.parse_args(arguments)
    seconds = 3.0 if options.quick else 15.0
    records: list[measuring.Record] = []
    with tempfile.TemporaryDirectory() as folder:
        small = export("small", Path(folder))
        if "batching" in options.parts:
            records += measure_batching(small, Path(folder), seconds)
        if "outside" in options.parts:
            models = {"small": small}
            if not options.quick:
                models["vgg16"] = export("vgg16", Path(folder))
            for name, model in models.items():
                records += measure_outside(name, model, rounds=5 if options.quick else 15)
        if "overload" in options.parts:
            duration = 10.0 if options.quick else options.seconds
            records += measure_overload(small, duration, seconds)
    for record in records:
        print(f"{record.case:44}{record.implementation:32}{record.median_ms:10.1f}  n={record.n}")
    path = measuring.write_results(BENCHMARK, records, measuring.measure_limits())
    print(f"results in {path}")
    return 0


def export(name: str, folder: Path, sizes: SizeOptions = FIXED_SIZE) -> Path:
    """Exports an untrained colorizer; returns the folder of its versions."""
    options = TASKS["colorization"].Options(**({"hidden_units": 128} if name == "small" else {}))
    data = DataOptions(images="builtin:photos")
    experiment = Experiment(
        run=RunOptions(backbone="vgg16"),
        members=(ExperimentTask("colorization", options, data, 1),),
        backbone=BACKBONES["vgg16"].Options(width_multiplier=SIZES[name], use_batch_norm=False),
        optimization=OptimizationOptions(),
        joint=JointOptions(),
        training=TrainingOptions(),
        distribution=DistributionOptions(),
    )
    network = build_network(experiment, build_task(experiment, {}))
    colorizer = Colorizer(network, HueChroma(), DecodingOptions(), sizes)
    export_colorizer(colorizer, folder / name, {"benchmark": BENCHMARK})
    return folder / name


def request_for(signature: str, seed: int = 0) -> bytes:
    """Returns a request with one photograph of 256 pixels per side, as bytes."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
    gray = 0.3 + 0.4 * rows * columns + 0.1 * generator.random((SIDE, SIDE))
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "model", signature
    if signature == "colorize":
        value = tf.make_tensor_proto(gray[None, ..., None].astype(np.float32))
        request.inputs["gray"].CopyFrom(value)
    else:
        pixels = tf.constant((255 * gray).astype(np.uint8)[..., None])
        value = tf.make_tensor_proto([tf.io.encode_png(pixels).numpy()])
        request.inputs["image_bytes"].CopyFrom(value)
    return request.SerializeToString()


def throughput(server: serving_process.ServingProcess, data: bytes, seconds: float, clients: int):
    """Returns the requests per second that clients get, each one after the other."""
    counts, end = [0] * clients, time.monotonic() + seconds + 2.0
    start = end - seconds

    def ask(index: int) -> None:
        with server.channel() as channel:
            predict = channel.unary_unary(PREDICT)
            while time.monotonic() < end:
                predict(data, timeout=120.0)
                counts[index] += start < time.monotonic() < end

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def measure_batching(model: Path, folder: Path, seconds: float) -> list[measuring.Record]:
    """Measures throughput with and without batching."""
    parameters = folder / "batching.config"
    parameters.write_text(BATCHING)
    batching = ("--enable_batching", f"--batching_parameters_file={parameters}")
    rates: dict[tuple[str, str], float] = {}
    for name, flags in (("batched", batching), ("each alone", ())):
        with serving_process.started(model, *flags) as server:
            for signature in SIGNATURES:
                data = request_for(signature)
                rates[signature, name] = throughput(server, data, seconds, NUM_CLIENTS)
                if name == "each alone":
                    rates[signature, "one client, one by one"] = throughput(
                        server, data, seconds, 1
                    )
    for signature in SIGNATURES:
        for other in ("each alone", "one client, one by one"):
            ratio = rates[signature, "batched"] / rates[signature, other]
            print(f"{signature}: batching gives {ratio:.2f} times the throughput of {other}")
    return [
        measuring.Record(
            BENCHMARK,
            f"ms per request, {signature}, small, {SIDE} px",
            name,
            round(1e3 / rate, 3),
            round(1e3 / rate, 3),
            None,
            round(rate * seconds),
        )
        for (signature, name), rate in rates.items()
    ]


def measure_outside(name: str, model: Path, rounds: int) -> list[measuring.Record]:
    """Measures a request against its network, both in this process, in turn."""
    settings = ServerSettings(
        (ModelSettings("model", model),), AddressOptions(port=0, rest_api_port=0)
    )
    server = ServingServer(settings)
    server.start()
    with (
        server.catalog.models["model"].use() as servable,
        grpc.insecure_channel(str(server.grpc_address), serving_process.ANY_SIZE) as channel,
    ):
        predict = channel.unary_unary(PREDICT)
        gray = predict_pb2.PredictRequest.FromString(request_for("colorize")).inputs["gray"]
        inputs = {"gray": tf.make_ndarray(gray)}
        runs = {"network": lambda: servable.signature("colorize").run(inputs)}
        for signature in SIGNATURES:
            data = request_for(signature)
            runs[f"request, {signature}"] = lambda data=data: predict(data, timeout=600.0)
        times = measuring.measure(runs, rounds)
    server.stop(0.0)
    network = statistics.median(times["network"])
    for signature in SIGNATURES:
        whole = statistics.median(times[f"request, {signature}"])
        print(f"{name}, {signature}: {1 - network / whole:.1%} of a request outside the network")
    return measuring.summarize(BENCHMARK, f"one request, {name}, {SIDE} px", times)


@dataclasses.dataclass
class Answer:
    """When a request was sent, how it was answered, and after how long."""

    sent: float
    code: str
    seconds: float


def offer(server: serving_process.ServingProcess, rates: Iterator[float]) -> list[Answer]:
    """Sends requests at given rates, whether or not earlier ones are answered.

    Args:
      server: the server.
      rates: yields requests per second, once for each request.

    Returns:
      What became of each request.
    """
    answers: list[Answer] = []
    open_requests = threading.Semaphore(0)
    data, start = request_for("serving_default"), time.monotonic()
    with server.channel() as channel:
        predict = channel.unary_unary(PREDICT)
        next_send, count = start, 0
        for rate in rates:
            next_send += 1.0 / rate
            time.sleep(max(next_send - time.monotonic(), 0.0))
            sent = time.monotonic()
            future = predict.future(data, timeout=DEADLINE_SECS)

            def note(done: grpc.Future, sent: float = sent) -> None:
                seconds = time.monotonic() - sent
                answers.append(Answer(sent - start, done.code().name, seconds))
                open_requests.release()

            future.add_done_callback(note)
            count += 1
        for _ in range(count):
            open_requests.acquire()
    return answers


def ramp(capacity: float, seconds: float) -> Iterator[float]:
    """Yields rates that grow from half the capacity to five times it."""
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < seconds:
        yield capacity * (0.5 + (MAX_FACTOR - 0.5) * elapsed / seconds)


def measure_overload(model: Path, duration: float, seconds: float) -> list[measuring.Record]:
    """Measures what becomes of requests above the capacity."""
    flags = ("--enable_batching", "--max_concurrent_requests=64")
    with serving_process.started(model, *flags) as server:
        capacity = throughput(server, request_for("serving_default"), seconds, NUM_CLIENTS)
        # What one ramp allocates, the next one uses again.
        offer(server, ramp(capacity, min(seconds, duration)))
        before = server.memory_bytes()
        answers = offer(server, ramp(capacity, duration))
        growth = server.memory_bytes() - before
    counts = collections.Counter(answer.code for answer in answers)
    accepted = [1e3 * answer.seconds for answer in answers if answer.code == "OK"]
    slowest = float(np.percentile(accepted, 99))
    print(f"capacity {capacity:.1f} requests/s; answers {dict(counts)}")
    print(f"p99 of accepted requests {slowest:.0f} ms; 64 / capacity is {64e3 / capacity:.0f} ms")
    print(f"memory {before / 2**20:.0f} MiB, grown by {growth / 2**20:.1f} MiB")
    print("wrong codes: " + (", ".join(sorted(set(counts) - ACCEPTABLE)) or "none"))
    plot(answers, capacity, measuring.RESULTS / f"{BENCHMARK}.png")
    case = f"overload to {MAX_FACTOR:g}x"
    rows = [
        ("p99 of accepted", slowest, len(accepted)),
        ("median of accepted", statistics.median(accepted), len(accepted)),
    ]
    rows += [(f"answers {code}", 0.0, count) for code, count in counts.items()]
    return [
        measuring.Record(BENCHMARK, case, name, round(value, 1), round(value, 1), growth, count)
        for name, value, count in rows
    ]


def plot(answers: list[Answer], capacity: float, path: Path) -> None:
    """Draws the answers of each second, and the latency of the accepted ones."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    path.parent.mkdir(exist_ok=True)
    figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(8, 7), sharex=True)
    bins = np.arange(0, max(answer.sent for answer in answers) + 1)
    for code in sorted({answer.code for answer in answers}):
        sent = [answer.sent for answer in answers if answer.code == code]
        upper.plot(bins[:-1] + 0.5, np.histogram(sent, bins)[0], "o-", ms=3, label=code)
    upper.axhline(capacity, color="gray", ls="--", label="capacity")
    upper.set(ylabel="requests per second", title="Requests at up to 5 times the capacity")
    upper.legend()
    accepted = [(answer.sent, answer.seconds) for answer in answers if answer.code == "OK"]
    lower.plot(*zip(*accepted, strict=True), ".", ms=3)
    lower.set(xlabel="sent after (s)", ylabel="answered after (s)", ylim=(0, None))
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
