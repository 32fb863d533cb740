"""Caffe's side of the comparison: files, network descriptions and OpenCV's forward pass."""

import types

import cv2
import h5py
import numpy as np
import pytest

# Written from spec/ch34_selfsup.md section 3 and the release's network description,
# not from tfcolor's own declarations: (name, outputs, kernel, stride, pad, groups).
ALEXNET = (
    ("conv1", 96, 11, 4, 0, 1),
    ("lrn", "pool", 3, 2),
    ("conv2", 256, 5, 1, 2, 2),
    ("lrn", "pool", 3, 2),
    ("conv3", 384, 3, 1, 1, 1),
    ("conv4", 384, 3, 1, 1, 2),
    ("conv5", 256, 3, 1, 1, 2),
    ("pool", 3, 2),
    ("fc6", 4096, 6, 1, 0, 1),
    ("fc7", 4096, 1, 1, 0, 1),
)
VGG16 = (
    ("conv1_1", 64, 3, 1, 1, 1),
    ("conv1_2", 64, 3, 1, 1, 1),
    ("pool", 2, 2),
    ("conv2_1", 128, 3, 1, 1, 1),
    ("conv2_2", 128, 3, 1, 1, 1),
    ("pool", 2, 2),
    ("conv3_1", 256, 3, 1, 1, 1),
    ("conv3_2", 256, 3, 1, 1, 1),
    ("conv3_3", 256, 3, 1, 1, 1),
    ("pool", 2, 2),
    ("conv4_1", 512, 3, 1, 1, 1),
    ("conv4_2", 512, 3, 1, 1, 1),
    ("conv4_3", 512, 3, 1, 1, 1),
    ("pool", 2, 2),
    ("conv5_1", 512, 3, 1, 1, 1),
    ("conv5_2", 512, 3, 1, 1, 1),
    ("conv5_3", 512, 3, 1, 1, 1),
    ("pool", 2, 2),
    ("fc6", 4096, 7, 1, 3, 1),
    ("fc7", 4096, 1, 1, 0, 1),
)


def convolutions(stages):
    """Returns the stages that have weights."""
    return [stage for stage in stages if len(stage) == 6]


def thin(stages, divisor):
    """Divides every layer's outputs, as `width_multiplier=1 / divisor` does."""
    return tuple(
        (stage[0], stage[1] // divisor, *stage[2:]) if len(stage) == 6 else stage
        for stage in stages
    )


def random_layers(stages, channels, head=None, hidden_units=1024, num_bins=32, norm=False):
    """Returns {layer: [arrays]} with Caffe's axes, of a size that keeps activations near 1."""
    generator = np.random.default_rng(7)
    layers, columns = {}, channels
    for name, outputs, kernel, _, _, groups in convolutions(stages):
        shape = (outputs, channels // groups, kernel, kernel)
        layers[name] = _random_pair(generator, shape)
        if norm:
            statistics = generator.normal(0, 0.3, outputs), generator.uniform(0.5, 2, outputs)
            factor = 999.0
            layers[f"batch_{name}"] = [
                *(np.float32(factor * each) for each in statistics),
                np.float32([factor]),
            ]
        channels, columns = outputs, columns + outputs
    if head:
        hidden, hue, chroma = head
        layers[hidden] = _random_pair(generator, (hidden_units, columns))
        layers[hue] = _random_pair(generator, (num_bins, hidden_units))
        layers[chroma] = _random_pair(generator, (num_bins, hidden_units))
    return layers


def _random_pair(generator, shape):
    kernel = generator.standard_normal(shape, np.float32)
    kernel *= np.float32((2 / np.prod(shape[1:])) ** 0.5)
    return [kernel, generator.standard_normal(shape[0], np.float32) / 10]


def write_hdf5(path, layers):
    """Writes `/data/LAYER/INDEX`."""
    with h5py.File(path, "w") as file:
        for layer, arrays in layers.items():
            for index, array in enumerate(arrays):
                file[f"data/{layer}/{index}"] = array
    return path


def write_caffemodel(path, layers):
    """Writes the protocol buffer NetParameter { layer { name type blobs } }."""
    with open(path, "wb") as stream:
        for name, arrays in layers.items():
            blobs = b"".join(_field(7, _blob(array)) for array in arrays)
            text = _field(1, name.encode()) + _field(2, b"Convolution")
            stream.write(_field(100, text + blobs))
    return path


def _blob(array):
    shape = b"".join(map(_varint, array.shape))
    return _field(7, _field(1, shape)) + _field(5, np.asarray(array, "<f4").tobytes())


def _field(number, payload):
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(number):
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def describe(stages, shape, norm=False):
    """Returns the network description of a chain that takes [1, C, H, W]."""
    dims = " ".join(f"dim: {size}" for size in shape)
    lines, bottom = [f'input: "data"\ninput_shape {{ {dims} }}'], "data"

    def add(name, kind, options):
        nonlocal bottom
        lines.append(
            f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" {options} }}'
        )
        bottom = name

    for index, stage in enumerate(stages):
        if len(stage) == 6:
            name, outputs, kernel, stride, pad, groups = stage
            numbers = f"num_output: {outputs} kernel_size: {kernel} stride: {stride}"
            add(
                name, "Convolution", f"convolution_param {{ {numbers} pad: {pad} group: {groups} }}"
            )
            if norm:
                add(f"batch_{name}", "BatchNorm", "batch_norm_param { eps: 1e-5 }")
            add(f"relu_{name}", "ReLU", "")
            continue
        if stage[0] == "lrn":
            numbers = "local_size: 5 alpha: 1e-4 beta: 0.75"
            add(f"norm{index}", "LRN", f"lrn_param {{ {numbers} }}")
        kernel, stride = stage[-2:]
        numbers = f"pool: MAX kernel_size: {kernel} stride: {stride}"
        add(f"pool{index}", "Pooling", f"pooling_param {{ {numbers} }}")
    return "\n".join(lines)


def forward(folder, stages, model, image, norm=False):
    """Runs OpenCV on an image [H, W, C]; returns {tap: [h, w, C]}."""
    blob = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)
    description = folder / "reference.prototxt"
    description.write_text(describe(stages, blob.shape, norm))
    network = cv2.dnn.readNetFromCaffe(str(description), str(model))
    network.enableFusion(False)
    network.setInput(blob)
    names = [stage[0] for stage in convolutions(stages)]
    maps = network.forward([f"relu_{name}" for name in names])
    return {name: each[0].transpose(1, 2, 0) for name, each in zip(names, maps, strict=True)}


@pytest.fixture(scope="session")
def caffe():
    """What the tests need of Caffe."""
    return types.SimpleNamespace(
        ALEXNET=ALEXNET,
        VGG16=VGG16,
        thin=thin,
        random_layers=random_layers,
        write_hdf5=write_hdf5,
        write_caffemodel=write_caffemodel,
        forward=forward,
    )
