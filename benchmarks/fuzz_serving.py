"""Sends malformed requests to the server and watches its answers and its memory.

`python benchmarks/fuzz_serving.py --model_base_path=models/colorizer` starts
`tfcolor serve` on the model, sends 10,000 seeded requests that are wrong in one
way each, and fails unless every one is answered with a code that blames the
client and the server's memory stays flat over the second half. Before, caches
fill: oneDNN keeps what it made for the last 1024 shapes, and shapes are random
here. The tests send a few hundred.
"""

import argparse
import collections
import io
import json
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tfcolor.config.command import Command  # isort: split

import grpc
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

del Command  # imported first because it mutes and tunes TensorFlow

PREDICT = "/tensorflow.serving.PredictionService/Predict"
METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
OK, INVALID = {"OK"}, {"INVALID_ARGUMENT"}
CLIENT_ERRORS = {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"}
HUGE = 10**9
MAX_GROWTH_BYTES = 50 * 2**20
NUM_LOOKS = 10

Mutation = Callable[[Any, np.random.Generator], bytes]


class Fuzzer:
    """Makes requests for the signatures of a served model, each wrong in one way.

    Args:
      channel: a channel to the server.
      model: the model's name.
    """

    def __init__(self, channel: grpc.Channel, model: str) -> None:
        self._model = model
        self._predict = channel.unary_unary(PREDICT)
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = model
        answer = channel.unary_unary(METADATA)(request.SerializeToString(), timeout=60)
        response = get_model_metadata_pb2.GetModelMetadataResponse.FromString(answer)
        definitions = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(definitions)
        self._signatures = {
            name: definition
            for name, definition in definitions.signature_def.items()
            if not name.startswith("__")
        }

    def requests(self, count: int, seed: int) -> Iterator[tuple[str, bytes, set[str]]]:
        """Yields (what is wrong, the request's bytes, the codes it may get)."""
        generator = np.random.default_rng(seed)
        names = sorted(MUTATIONS)
        for _ in range(count):
            name = names[generator.integers(len(names))]
            mutate, codes = MUTATIONS[name]
            request = self.valid_request(generator)
            yield name, mutate(request, generator), codes

    def valid_request(self, generator: np.random.Generator) -> Any:
        """Returns a request that fits a signature drawn at random."""
        name = sorted(self._signatures)[generator.integers(len(self._signatures))]
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._model, name
        batch = int(generator.integers(1, 3))
        for key, tensor in self._signatures[name].inputs.items():
            array = random_array(key, tensor, batch, generator)
            request.inputs[key].CopyFrom(tf.make_tensor_proto(array, tensor.dtype))
        return request

    def send(self, data: bytes, timeout: float = 60.0) -> str:
        """Sends the bytes of a request and returns the name of the code it gets."""
        try:
            self._predict(data, timeout=timeout)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"


def random_array(name: str, tensor: Any, batch: int, generator: np.random.Generator) -> np.ndarray:
    """Returns values that fit a TensorInfo message; strings are numbers or images."""
    sizes = [axis.size for axis in tensor.tensor_shape.dim]
    shape = [int(generator.integers(16, 25)) if size < 0 else size for size in sizes]
    if sizes and sizes[0] < 0:
        shape[0] = batch
    dtype = tf.as_dtype(tensor.dtype)
    if dtype == tf.string:
        items = [small_png(generator) if "image" in name else b"12" for _ in range(np.prod(shape))]
        return np.array(items, object).reshape(shape)
    if dtype.is_integer:
        return generator.integers(0, 5, shape).astype(dtype.as_numpy_dtype)
    return generator.random(shape).astype(dtype.as_numpy_dtype)


def small_png(generator: np.random.Generator) -> bytes:
    """Returns a gray PNG of 20 to 30 pixels per side."""
    file = io.BytesIO()
    pixels = generator.integers(0, 256, generator.integers(20, 31, 2), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def huge_png(width: int = HUGE, height: int = HUGE) -> bytes:
    """Returns the PNG of a uniform image of any size, cut after a few kilobytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = zlib.compress(bytes(10**6))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content)


def _any_input(request: Any, generator: np.random.Generator) -> Any:
    """Returns the TensorProto of one input of a request."""
    names = sorted(request.inputs)
    return request.inputs[names[generator.integers(len(names))]]


def _wrong_dtype(request: Any, generator: np.random.Generator) -> bytes:
    proto = _any_input(request, generator)
    proto.CopyFrom(tf.make_tensor_proto(np.zeros([2], np.complex64)))
    return request.SerializeToString()


def _unknown_dtype(request: Any, generator: np.random.Generator) -> bytes:
    _any_input(request, generator).dtype = int(generator.integers(200, 10**6))
    return request.SerializeToString()


def _wrong_rank(request: Any, generator: np.random.Generator) -> bytes:
    for _ in range(generator.integers(1, 5)):
        _any_input(request, generator).tensor_shape.dim.add(size=1)
    return request.SerializeToString()


def _huge_shape(request: Any, generator: np.random.Generator) -> bytes:
    proto = _any_input(request, generator)
    for axis in proto.tensor_shape.dim or [proto.tensor_shape.dim.add()]:
        axis.size = int(generator.choice([HUGE, 2**62, -1]))
    return request.SerializeToString()


def _missing_content(request: Any, generator: np.random.Generator) -> bytes:
    proto = _any_input(request, generator)
    proto.tensor_content = b"123"
    for axis in proto.tensor_shape.dim:
        axis.size = 3
    proto.tensor_shape.dim.add(size=7)
    return request.SerializeToString()


def _wrong_name(request: Any, generator: np.random.Generator) -> bytes:
    name = sorted(request.inputs)[0]
    request.inputs["x" * int(generator.integers(1, 3000))].CopyFrom(request.inputs[name])
    if generator.random() < 0.5:
        del request.inputs[name]
    return request.SerializeToString()


def _no_inputs(request: Any, generator: np.random.Generator) -> bytes:
    request.ClearField("inputs")
    return request.SerializeToString()


def _wrong_output(request: Any, generator: np.random.Generator) -> bytes:
    request.output_filter.append("../../etc/passwd")
    return request.SerializeToString()


def _wrong_model(request: Any, generator: np.random.Generator) -> bytes:
    request.model_spec.name = str(
        generator.choice(["../secret", "a" * 5000, "Tiny ", "a\0b", "%s"])
    )
    return request.SerializeToString()


def _wrong_version(request: Any, generator: np.random.Generator) -> bytes:
    request.model_spec.version.value = int(generator.choice([-1, 999, 2**62]))
    return request.SerializeToString()


def _wrong_label(request: Any, generator: np.random.Generator) -> bytes:
    request.model_spec.version_label = "nowhere"
    return request.SerializeToString()


def _wrong_signature(request: Any, generator: np.random.Generator) -> bytes:
    request.model_spec.signature_name = "__init__" * int(generator.integers(1, 400))
    return request.SerializeToString()


def _truncated(request: Any, generator: np.random.Generator) -> bytes:
    data = request.SerializeToString()
    return data[: generator.integers(len(data))]


def _flipped(request: Any, generator: np.random.Generator) -> bytes:
    data = bytearray(request.SerializeToString())
    for place in generator.integers(0, min(len(data), 200), 5):
        data[place] ^= 1 << int(generator.integers(8))
    return bytes(data)


def _noise(request: Any, generator: np.random.Generator) -> bytes:
    return b"\xff" + generator.bytes(int(generator.integers(1, 5000)))


def _not_finite(request: Any, generator: np.random.Generator) -> bytes:
    for proto in request.inputs.values():
        if proto.dtype == tf.float32.as_datatype_enum:
            array = tf.make_ndarray(proto).copy()
            array.flat[:] = generator.choice([np.nan, np.inf, -np.inf, 1e38], array.size)
            proto.CopyFrom(tf.make_tensor_proto(array))
    return request.SerializeToString()


def _image_bomb(request: Any, generator: np.random.Generator) -> bytes:
    side = int(generator.choice([HUGE, 50_000, 2**31 - 1]))
    return _with_strings(request, huge_png(side, side))


def _damaged_image(request: Any, generator: np.random.Generator) -> bytes:
    image = small_png(generator)
    return _with_strings(request, image[: generator.integers(8, len(image) - 20)])


def _with_strings(request: Any, content: bytes) -> bytes:
    """Replaces the strings of a request; without any, an input is left out."""
    strings = [p for p in request.inputs.values() if p.dtype == tf.string.as_datatype_enum]
    for proto in strings:
        count = len(proto.string_val)
        proto.ClearField("string_val")
        proto.string_val.extend([content] * count)
    if not strings:
        request.ClearField("inputs")
    return request.SerializeToString()


MUTATIONS: Mapping[str, tuple[Mutation, set[str]]] = {
    "wrong dtype": (_wrong_dtype, INVALID),
    "unknown dtype": (_unknown_dtype, INVALID),
    "wrong rank": (_wrong_rank, INVALID),
    "huge shape": (_huge_shape, INVALID),
    "missing content": (_missing_content, INVALID),
    "wrong name": (_wrong_name, INVALID),
    "no inputs": (_no_inputs, INVALID),
    "wrong output": (_wrong_output, INVALID),
    "wrong model": (_wrong_model, {"NOT_FOUND"}),
    "wrong version": (_wrong_version, {"NOT_FOUND"}),
    "wrong label": (_wrong_label, INVALID),
    "wrong signature": (_wrong_signature, {"FAILED_PRECONDITION"}),
    "truncated": (_truncated, OK | CLIENT_ERRORS),
    "flipped bits": (_flipped, OK | CLIENT_ERRORS),
    "noise": (_noise, INVALID),
    "not finite": (_not_finite, OK | INVALID),
    "image bomb": (_image_bomb, INVALID),
    # A model may take strings that are no images, or answer for the whole ones.
    "damaged image": (_damaged_image, OK | INVALID),
}


def main(arguments: list[str]) -> int:
    """Sends the requests and prints how they were answered."""
    import serving_process

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_base_path", required=True)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    answers: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    with serving_process.started(options.model_base_path, "--enable_batching") as server:
        fuzzer = Fuzzer(server.channel(), server.model)
        memory = [server.memory_bytes()]
        requests = fuzzer.requests(options.count, options.seed)
        for number, (name, data, codes) in enumerate(requests, 1):
            code = fuzzer.send(data)
            if number * NUM_LOOKS // options.count > len(memory) - 1:
                memory.append(server.memory_bytes())
            answers[f"{name}: {code}"] += 1
            if code not in codes:
                wrong.append(f"{name}: {code}, expected one of {sorted(codes)}")
    growth = memory[-1] - memory[len(memory) // 2]
    print(json.dumps(dict(sorted(answers.items())), indent=1))
    print(f"{options.count} requests, {len(wrong)} wrong codes {sorted(set(wrong))}")
    print("memory in MiB: " + ", ".join(f"{size / 2**20:.0f}" for size in memory))
    print(f"grown by {growth / 2**20:.1f} MiB over the second half")
    return int(bool(wrong) or growth > MAX_GROWTH_BYTES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
