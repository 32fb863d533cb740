"""The published networks: what they are here, and what their files call each layer."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from tfcolor.backbones.base import Backbone
from tfcolor.core.errors import UserError
from tfcolor.heads.histogram import HistogramHead
from tfcolor.layers.batch_norm import RAMP_STEPS, ParameterFreeBatchNorm
from tfcolor.models.surgery import absorb_batch_norm, gray_from_rgb, match_input
from tfcolor.models.weights.assign import Comparison, assign_values, compare_tensors
from tfcolor.models.weights.layout import KERAS, Layout, Shape

Tensors = Mapping[str, np.ndarray]
Values = list[tuple[tf.Variable, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class ColorInput:
    """What a network of color photographs is fed: BGR of some scale minus means.

    Args:
      scale: of the images, 255 for [0, 255].
      bgr_means: subtracted from blue, green and red, in units of the scale.
    """

    scale: float
    bgr_means: tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class PublishedNetwork:
    """One published network.

    Args:
      backbone: its name in `BACKBONES`.
      options: of that backbone, where they differ from the defaults.
      head: what the file calls the hidden, hue and chroma layers; empty where
        no head was published, which then keeps its initial weights.
      color_input: for weights of a color network; None for gray input.
      ignored: patterns of tensors that the file has and we do not need.
      keeps_batch_norm: whether batch norms, with scale and shift, stay what they
        are; otherwise those of the file are absorbed.
    """

    backbone: str
    options: Mapping[str, str]
    head: Mapping[str, str]
    color_input: ColorInput | None = None
    ignored: tuple[str, ...] = ()
    keeps_batch_norm: bool = False


# Both heads are as the authors' network descriptions name them: the colorizer's
# autocolorize.prototxt, and the train_vgg16.prototxt of the proxy networks.
RELEASED_HEAD = {"hidden": "h_fc1", "hue": "prediction_h", "chroma": "prediction_c"}
PROXY_HEAD = {"hidden": "colorize_fc1", "hue": "prediction_h4", "chroma": "prediction_c4"}
NO_HEAD: dict[str, str] = {}

# The colorizer's fixed bilinear upsampling is kept among its weights.
UPSAMPLING = ("*_full_reshaped/0",)
CLASSIFIER = ("fc8/*", "predictions/*")
# ResNet colorized from its last map alone, not from a hypercolumn of all taps.
RESNET_HEAD = ("colorize_fc1/*", "prediction_*", "fc1000/*")

# Trained at sparse locations with offset 0 at every tap (DESIGN section 7).
UNNORMALIZED = {"use_batch_norm": "false", "tap_alignment": "zero"}

PUBLISHED: dict[str, PublishedNetwork] = {
    "autocolorize_vgg16": PublishedNetwork(
        "vgg16", {**UNNORMALIZED, "input_mean": "0.0"}, RELEASED_HEAD, ignored=UPSAMPLING
    ),
    "proxy_alexnet": PublishedNetwork("alexnet", {**UNNORMALIZED, "use_lrn": "true"}, PROXY_HEAD),
    "proxy_vgg16": PublishedNetwork("vgg16", UNNORMALIZED, PROXY_HEAD),
    "proxy_resnet152": PublishedNetwork(
        "resnet152",
        {"batch_norm_scale": "true"},
        NO_HEAD,
        ignored=RESNET_HEAD,
        keeps_batch_norm=True,
    ),
    "vgg16_gray": PublishedNetwork(
        "vgg16",
        {"use_batch_norm": "false"},
        NO_HEAD,
        ColorInput(255, (103.939, 116.779, 123.68)),
        CLASSIFIER,
    ),
    "alexnet_gray": PublishedNetwork(
        "alexnet",
        {"use_batch_norm": "false", "use_lrn": "true"},
        NO_HEAD,
        ColorInput(255, (104.0, 117.0, 123.0)),
        CLASSIFIER,
    ),
}
"""Names of `convert --network`."""

KERAS_LAYERS = {
    **{
        f"conv{block}_{index}": f"block{block}_conv{index}"
        for block in range(1, 6)
        for index in range(1, 4)
    },
    "fc6": "fc1",
    "fc7": "fc2",
}
"""What Keras calls the layers of VGG-16."""


@dataclasses.dataclass(frozen=True)
class _Place:
    """A layer of ours and where a file has it.

    Args:
      name: of the layer in the file.
      kernel: our variable, [kh, kw, in, out] or [in, out].
      bias: our variable, [out], or None.
      shape: of the file's kernel as [kh, kw, in, out].
      is_fully_connected: whether the file may hold the kernel as a matrix.
      color_input: for the first layer of a color network's weights.
      norm: our batch norm, where the file's is kept.
    """

    name: str
    kernel: tf.Variable
    bias: tf.Variable | None
    shape: Shape
    is_fully_connected: bool
    color_input: ColorInput | None = None
    norm: ParameterFreeBatchNorm | None = None

    @property
    def norm_names(self) -> tuple[str, ...]:
        """What Caffe files call the batch norm and, where kept, its scale."""
        if self.norm is None:
            return (f"batch_{self.name}",)
        is_block = self.name.startswith("res")
        rest = self.name.removeprefix("res") if is_block else f"_{self.name}"
        return f"bn{rest}", f"scale{rest}"


def layer_names(
    network: PublishedNetwork, backbone: Backbone, head: HistogramHead | None, layout: Layout
) -> list[str]:
    """Returns what a file may call the layers of a network, batch norms included.

    Args:
      network: the published network.
      backbone: ours.
      head: ours, or None if only the backbone is wanted.
      layout: of the file.

    Returns:
      Names in the order of the layers.
    """
    places = _places(network, backbone, head, layout)
    return [name for place in places for name in (place.name, *place.norm_names)]


def load_tensors(
    tensors: Tensors,
    network: PublishedNetwork,
    backbone: Backbone,
    head: HistogramHead | None,
    layout: Layout,
    *,
    source: str = "",
    allow_partial: bool = False,
) -> tuple[Comparison, list[str]]:
    """Loads a file's tensors into a network, all of them or nothing.

    Convolutions are transposed, batch norms absorbed or kept, and a color
    network's first layer is made to take what `backbone` takes: RGB, or gray.

    Args:
      tensors: float32 arrays [...] by "LAYER/PART".
      network: what the file is.
      backbone: with batch norms where `network` keeps them, else without; takes
        1 or 3 channels.
      head: on that backbone's taps in the published order, or None.
      layout: of the file.
      source: what messages call the file.
      allow_partial: whether layers that are not there or do not fit may stay as
        they are, and tensors that nobody expects may be left out.

    Returns:
      (comparison, untouched): how the file fits, and the file's names of those
      layers that keep their initial weights (ours for a head that was never
      published).

    Raises:
      UserError: naming the tensors, if the file does not fit and
        `allow_partial` is not set, or is damaged; or if `backbone` has other
        batch norms than `network` asks for. Then no variable has changed.
    """
    _check_norms(network, backbone)
    places = list(_places(network, backbone, head, layout))
    needs = [_expected(place, tensors, layout) for place in places]
    expected = {name: accepted for need in needs for name, accepted in need.items()}
    shapes = {name: array.shape for name, array in tensors.items()}
    comparison = compare_tensors(shapes, expected, network.ignored)
    if not allow_partial:
        comparison.check_complete(source)
    _check_finite({name: tensors[name] for name in comparison.matched}, source)
    values: Values = []
    untouched = [] if head is None or network.head else list(_layers(head))
    for place, need in zip(places, needs, strict=True):
        if all(name in comparison.matched for name in need):
            values += _converted(place, tensors, backbone.input_mean, layout)
        else:
            untouched.append(place.name)
    assign_values(values)
    return comparison, untouched


def _check_norms(network: PublishedNetwork, backbone: Backbone) -> None:
    """Raises UserError if batch norms are not as a published network needs them."""
    if not network.keeps_batch_norm:
        if backbone.batch_norms:
            raise UserError(
                "batch norms of a file are absorbed: build the network without batch norm"
            )
        return
    norms = [backbone.batch_norms.get(name) for name in backbone.convolutions]
    if any(norm is None or norm.scale is None or norm.bias is None for norm in norms):
        raise UserError(
            "batch norms of the file are kept: build the network with batch norm, scale and center"
        )


def _places(
    network: PublishedNetwork, backbone: Backbone, head: HistogramHead | None, layout: Layout
) -> Iterator[_Place]:
    """Yields the layers of a network in order, and where a file has them."""
    names = KERAS_LAYERS if layout is KERAS else {}
    color_input = network.color_input
    for name, layer in backbone.convolutions.items():
        rows, columns, in_channels, out_channels = layer.kernel.shape
        in_channels = in_channels if color_input is None else len(color_input.bgr_means)
        shape = (rows, columns, in_channels, out_channels)
        collapses = name in backbone.dropouts
        norm = backbone.batch_norms.get(name)
        yield _Place(
            names.get(name, name), layer.kernel, layer.bias, shape, collapses, color_input, norm
        )
        color_input = None
    for name, layer in _layers(head).items() if head is not None and network.head else ():
        shape = (1, 1, *layer.kernel.shape)
        yield _Place(network.head.get(name, name), layer.kernel, layer.bias, shape, True)


def _layers(head: HistogramHead) -> dict[str, tf.keras.layers.Layer]:
    """Returns the layers of a head by their usual names."""
    return {"hidden": head.hidden, **head.histograms}


def _check_finite(tensors: Tensors, source: str) -> None:
    """Raises UserError that names the tensors with a NaN or an infinity."""
    damaged = [name for name, array in tensors.items() if not np.isfinite(array).all()]
    if damaged:
        raise UserError(
            f"{source} is damaged: {', '.join(damaged)} has numbers that are not finite"
        )


def _expected(place: _Place, tensors: Tensors, layout: Layout) -> dict[str, tuple[Shape, ...]]:
    """Returns the names and accepted shapes of the tensors of one layer.

    Files of normalized networks have three tensors more: the sums of means and
    of variances, and the weight of these sums; and two more with scale and shift.
    """
    kernel, bias = (f"{place.name}/{part}" for part in layout.parts)
    biases = layout.bias_shapes(place.shape[-1])
    expected = {kernel: layout.kernel_shapes(place.shape, place.is_fully_connected)}
    if place.bias is not None:
        expected[bias] = biases
    norm, *scales = place.norm_names
    if scales or any(name.startswith(f"{norm}/") for name in tensors):
        single = layout.bias_shapes(1)
        expected |= {f"{norm}/0": biases, f"{norm}/1": biases, f"{norm}/2": single}
    return expected | {f"{scale}/{index}": biases for scale in scales for index in range(2)}


def _converted(
    place: _Place, tensors: Tensors, input_mean: tuple[float, ...], layout: Layout
) -> Values:
    """Returns the variables of a layer with what they are to hold."""
    kernel_name, bias_name = (f"{place.name}/{part}" for part in layout.parts)
    kernel = layout.to_kernel(tensors[kernel_name], place.shape)
    if place.norm is not None:
        return [(place.kernel, kernel), *_kept_norm(place.norm, place.norm_names, tensors)]
    bias = tensors[bias_name].reshape(-1)
    (norm,) = place.norm_names
    if f"{norm}/0" in tensors:
        kernel, bias = absorb_batch_norm(kernel, bias, *_statistics(norm, tensors))
    if place.color_input is not None:
        is_gray = place.kernel.shape[2] == 1
        kernel, bias = match_input(
            kernel[:, :, ::-1],
            bias,
            scale=place.color_input.scale,
            source_means=place.color_input.bgr_means[::-1],
            target_means=input_mean,
        )
        kernel = gray_from_rgb(kernel) if is_gray else kernel
    return [(place.kernel, kernel.reshape(place.kernel.shape)), (place.bias, bias)]


def _statistics(norm: str, tensors: Tensors) -> tuple[np.ndarray, np.ndarray]:
    """Returns the float32 [out] mean and variance of a file's batch norm."""
    weight = float(tensors[f"{norm}/2"].reshape(()))
    # Caffe divides by nothing, and has zeros, where no batch was seen yet.
    mean, variance = (
        tensors[f"{norm}/{index}"].reshape(-1) / np.float32(weight or 1.0) for index in range(2)
    )
    return mean, variance


def _kept_norm(layer: ParameterFreeBatchNorm, names: tuple[str, ...], tensors: Tensors) -> Values:
    """Returns the variables of a batch norm with what they are to hold."""
    norm, scale = names
    mean, variance = _statistics(norm, tensors)
    return [
        (layer.moving_mean, mean),
        (layer.moving_variance, variance),
        # Or a ramp would let the next batch replace the statistics.
        (layer.num_updates, np.asarray(RAMP_STEPS, np.int64)),
        (layer.scale, tensors[f"{scale}/0"].reshape(-1)),
        (layer.bias, tensors[f"{scale}/1"].reshape(-1)),
    ]
