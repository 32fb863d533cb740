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
    description = describe(stages, (1, image.shape[2], *image.shape[:2]), norm)
    names = [stage[0] for stage in convolutions(stages)]
    return _run(folder, description, model, image, {name: f"relu_{name}" for name in names})


def _run(folder, description, model, image, outputs):
    """Runs OpenCV; `outputs` names the layer whose output each tap is."""
    blob = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)
    path = folder / "reference.prototxt"
    path.write_text(description)
    network = cv2.dnn.readNetFromCaffe(str(path), str(model))
    network.enableFusion(False)
    network.setInput(blob)
    maps = network.forward(list(outputs.values()))
    return {name: each[0].transpose(1, 2, 0) for name, each in zip(outputs, maps, strict=True)}


def resnet152_blocks():
    """Returns [(name, width, stride)] of ResNet-152, names without "res"."""
    stages = [
        (["2a", "2b", "2c"], 64),
        (["3a", *(f"3b{index}" for index in range(1, 8))], 128),
        (["4a", *(f"4b{index}" for index in range(1, 36))], 256),
        (["5a", "5b", "5c"], 512),
    ]
    return [
        (name, width, 2 if name in ("3a", "4a", "5a") else 1)
        for names, width in stages
        for name in names
    ]


def resnet152_convolutions(divisor):
    """Yields (suffix, inputs, outputs, kernel, stride, pad); suffix as in bn2a_branch1."""
    channels = 64 // divisor
    yield "_conv1", 1, channels, 7, 2, 3
    for name, full_width, stride in resnet152_blocks():
        width = full_width // divisor
        if name.endswith("a"):
            yield f"{name}_branch1", channels, 4 * width, 1, stride, 0
        yield f"{name}_branch2a", channels, width, 1, stride, 0
        yield f"{name}_branch2b", width, width, 3, 1, 1
        yield f"{name}_branch2c", width, 4 * width, 1, 1, 0
        channels = 4 * width


def resnet152_layers(divisor):
    """Returns {layer: [arrays]}: kernels, sums of statistics, scales and shifts."""
    generator, factor, layers = np.random.default_rng(7), np.float32(999), {}
    for suffix, inputs, outputs, kernel, _, _ in resnet152_convolutions(divisor):
        name = "conv1" if suffix == "_conv1" else f"res{suffix}"
        layers[name] = _random_pair(generator, (outputs, inputs, kernel, kernel))[:1]
        statistics = generator.normal(0, 0.3, outputs), generator.uniform(0.5, 2, outputs)
        sums = [np.float32(factor * each) for each in statistics]
        layers[f"bn{suffix}"] = [*sums, np.float32([factor])]
        # Branches add little, or fifty sums would not stay near 1.
        size = 0.2 if suffix.endswith("2c") else 1
        scale, shift = generator.uniform(0.5, 1.5, outputs), generator.normal(0, 0.1, outputs)
        layers[f"scale{suffix}"] = [np.float32(size * each) for each in (scale, shift)]
    return layers


def describe_resnet152(shape, divisor):
    """Returns the network description of ResNet-152 on [1, C, H, W]."""
    dims = " ".join(f"dim: {size}" for size in shape)
    lines = [f'input: "data"\ninput_shape {{ {dims} }}']
    convolutions_by_suffix = {row[0]: row for row in resnet152_convolutions(divisor)}

    def add(name, kind, bottoms, options=""):
        below = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
        lines.append(f'layer {{ name: "{name}" type: "{kind}" {below} top: "{name}" {options} }}')
        return name

    def add_convolution(suffix, bottom):
        _, _, outputs, kernel, stride, pad = convolutions_by_suffix[suffix]
        name = "conv1" if suffix == "_conv1" else f"res{suffix}"
        numbers = f"num_output: {outputs} kernel_size: {kernel} stride: {stride} pad: {pad}"
        options = f"convolution_param {{ {numbers} bias_term: false }}"
        current = add(name, "Convolution", [bottom], options)
        current = add(f"bn{suffix}", "BatchNorm", [current])
        return add(f"scale{suffix}", "Scale", [current], "scale_param { bias_term: true }")

    current = add("relu_conv1", "ReLU", [add_convolution("_conv1", "data")])
    current = add("pool1", "Pooling", [current], "pooling_param { kernel_size: 3 stride: 2 }")
    for name, _, _ in resnet152_blocks():
        has_projection = f"{name}_branch1" in convolutions_by_suffix
        shortcut = add_convolution(f"{name}_branch1", current) if has_projection else current
        for part in ("2a", "2b"):
            convolved = add_convolution(f"{name}_branch{part}", current)
            current = add(f"relu_{name}_{part}", "ReLU", [convolved])
        branch = add_convolution(f"{name}_branch2c", current)
        current = add(f"relu_res{name}", "ReLU", [add(f"res{name}", "Eltwise", [shortcut, branch])])
    return "\n".join(lines)


def forward_resnet152(folder, divisor, model, image):
    """Runs OpenCV on an image [H, W, C]; returns {layer: [h, w, C]} of every block."""
    description = describe_resnet152((1, image.shape[2], *image.shape[:2]), divisor)
    names = ["conv1", *(f"res{name}" for name, _, _ in resnet152_blocks())]
    return _run(folder, description, model, image, {name: f"relu_{name}" for name in names})


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
        resnet152_layers=resnet152_layers,
        forward_resnet152=forward_resnet152,
    )
