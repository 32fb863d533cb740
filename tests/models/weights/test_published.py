import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UserError
from tfcolor.heads.histogram import HistogramHead
from tfcolor.models.network import Network
from tfcolor.models.weights.caffe_hdf5 import read_caffe_hdf5
from tfcolor.models.weights.caffe_model import read_caffemodel
from tfcolor.models.weights.keras_h5 import read_keras_h5
from tfcolor.models.weights.layout import CAFFE, KERAS
from tfcolor.models.weights.published import PUBLISHED, layer_names, load_tensors

MEAN = 114.451 / 255
HIDDEN_UNITS, NUM_BINS = 24, 8
DIVISORS = {"vgg16": 16, "alexnet": 8}
HEADS = {
    "autocolorize_vgg16": ("h_fc1", "prediction_h", "prediction_c"),
    "proxy_alexnet": ("colorize_fc1", "prediction_h4", "prediction_c4"),
    "proxy_vgg16": ("colorize_fc1", "prediction_h4", "prediction_c4"),
}


def _build(name, width=None, channels=1, **options):
    """Builds our side of a published network, thin unless told otherwise."""
    published = PUBLISHED[name]
    kind = BACKBONES[published.backbone]
    width = width or 1 / DIVISORS[published.backbone]
    texts = {**published.options}
    chosen = {"use_batch_norm": False, "use_lrn": "use_lrn" in texts}
    chosen["tap_alignment"] = texts.get("tap_alignment", "centered")
    if "input_mean" in texts:
        chosen["input_mean"] = (float(texts["input_mean"]),)
    fields = {field.name for field in dataclasses.fields(kind.Options)}
    chosen = {key: value for key, value in chosen.items() if key in fields} | options
    backbone = kind(kind.Options(width_multiplier=width, **chosen), channels, seed=5)
    size = kind.canonical_size
    full = width == 1
    head = HistogramHead(
        backbone.taps(size, size),
        {"hue": 32 if full else NUM_BINS, "chroma": 32 if full else NUM_BINS},
        hidden_units=1024 if full else HIDDEN_UNITS,
        seed=5,
    )
    return published, Network(backbone, head)


def _thin_layers(caffe, name, **options):
    published = PUBLISHED[name]
    stages = {"vgg16": caffe.VGG16, "alexnet": caffe.ALEXNET}[published.backbone]
    stages = caffe.thin(stages, DIVISORS[published.backbone])
    sizes = {"hidden_units": HIDDEN_UNITS, "num_bins": NUM_BINS}
    return stages, caffe.random_layers(stages, 1, HEADS.get(name), **sizes, **options)


def _load(name, network, tensors, layout=CAFFE, **options):
    return load_tensors(
        tensors, PUBLISHED[name], network.backbone, network.head, layout, source="w.h5", **options
    )


def _check_taps(ours, reference, atol=1e-4):
    assert reference
    for name, expected in reference.items():
        assert np.abs(expected).max() > 0.1
        got = np.reshape(ours[name][0], expected.shape)
        np.testing.assert_allclose(got, expected, atol=atol, err_msg=name)


def _image(size, channels=1):
    return np.random.default_rng(1).uniform(size=(*size, channels)).astype(np.float32)


def test_colorizer_equals_caffe_at_every_tap_and_in_its_head(caffe, tmp_path):
    stages, layers = _thin_layers(caffe, "autocolorize_vgg16")
    layers["fc7_full_reshaped"] = [np.ones([1, 1, 16, 16])]
    _, network = _build("autocolorize_vgg16")
    tensors = read_caffe_hdf5(caffe.write_hdf5(tmp_path / "w.h5", layers))
    comparison, untouched = _load("autocolorize_vgg16", network, tensors)
    assert len(comparison.matched) == 2 * (15 + 3) and not untouched

    image = _image((64, 96))
    model = caffe.write_caffemodel(tmp_path / "w.caffemodel", layers)
    maps = {"data": image, **caffe.forward(tmp_path, stages, model, image)}
    _check_taps(network.features(image[None]), maps)

    # With offset 0 a location that every stride divides reads single cells.
    locations = np.array([[0, 0], [32, 64], [32, 0]])
    columns = [
        np.concatenate([m[row * len(m) // 64, column * len(m) // 64] for m in maps.values()])
        for row, column in locations
    ]
    weights, bias = layers["h_fc1"]
    hidden = np.maximum(np.array(columns) @ weights.T + bias, 0)
    inputs = {"image": image[None], "locations": locations[None].astype(np.float32)}
    outputs = network(inputs)
    for ours, theirs in (("hue", "prediction_h"), ("chroma", "prediction_c")):
        weights, bias = layers[theirs]
        expected = hidden @ weights.T + bias
        np.testing.assert_allclose(outputs[f"{ours}_logits"][0], expected, atol=1e-4)


def test_proxy_alexnet_equals_caffe_with_normalization_before_pooling(caffe, tmp_path):
    stages, layers = _thin_layers(caffe, "proxy_alexnet")
    model = caffe.write_caffemodel(tmp_path / "w.caffemodel", layers)
    published, network = _build("proxy_alexnet")
    names = layer_names(published, network.backbone, network.head, CAFFE)
    _load("proxy_alexnet", network, read_caffemodel(model, names))
    image = _image((227, 227))
    reference = caffe.forward(tmp_path, stages, model, image - np.float32(MEAN))
    _check_taps(network.backbone(image[None], convolutional=False), reference)


@pytest.mark.slow
def test_alexnet_of_full_size_equals_caffe(caffe, tmp_path):
    # 57 million weights: about 15 s, 2 GB.
    layers = caffe.random_layers(caffe.ALEXNET, 1, HEADS["proxy_alexnet"])
    _, network = _build("proxy_alexnet", width=1)
    assert sum(array.size for name in ["conv1", "fc6"] for array in layers[name]) == (
        11616 + 96 + 37752832
    )
    path = caffe.write_hdf5(tmp_path / "w.h5", layers)
    comparison, _ = _load("proxy_alexnet", network, read_caffe_hdf5(path))
    assert comparison.matched["fc6/0"] == (4096, 256, 6, 6)
    path.unlink()
    model = caffe.write_caffemodel(tmp_path / "w.caffemodel", layers)
    image = _image((227, 227))
    reference = caffe.forward(tmp_path, caffe.ALEXNET, model, image - np.float32(MEAN))
    _check_taps(network.backbone(image[None], convolutional=False), reference)
    model.unlink()


def test_batch_norms_of_a_file_are_absorbed(caffe, tmp_path):
    stages, layers = _thin_layers(caffe, "proxy_vgg16", norm=True)
    tensors = read_caffe_hdf5(caffe.write_hdf5(tmp_path / "w.h5", layers))
    _, network = _build("proxy_vgg16")
    comparison, _ = _load("proxy_vgg16", network, tensors)
    assert comparison.matched["batch_conv1_1/2"] == (1,)
    image = _image((64, 64))
    model = caffe.write_caffemodel(tmp_path / "w.caffemodel", layers)
    reference = caffe.forward(tmp_path, stages, model, image - np.float32(MEAN), norm=True)
    _check_taps(network.features(image[None]), reference)

    del tensors["batch_conv3_2/2"]
    with pytest.raises(UserError, match=r"missing batch_conv3_2/2 \[1\]"):
        _load("proxy_vgg16", network, tensors)


def _thin_resnet152(**options):
    kind = BACKBONES["resnet152"]
    options = {"width_multiplier": 1 / 16, "batch_norm_scale": True, **options}
    return kind(kind.Options(**options), 1, seed=5)


def test_residual_network_equals_caffe_at_every_block(caffe, tmp_path):
    layers = caffe.resnet152_layers(divisor=16)
    blocks = [name[3:-9] for name in layers if name.startswith("res") and name.endswith("2c")]
    backbone = _thin_resnet152(tapped_blocks=tuple(f"res{name}" for name in blocks))
    published = PUBLISHED["proxy_resnet152"]
    extra = {"prediction_h4": [np.ones([32, 8])]}
    path = caffe.write_hdf5(tmp_path / "w.h5", layers | extra)
    comparison, untouched = load_tensors(
        read_caffe_hdf5(path), published, backbone, None, CAFFE, source="w.h5"
    )
    assert len(comparison.matched) == 155 * (1 + 3 + 2) and not untouched

    image = _image((64, 96))
    model = caffe.write_caffemodel(tmp_path / "w.caffemodel", layers)
    reference = caffe.forward_resnet152(tmp_path, 16, model, image - np.float32(MEAN))
    assert len(reference) == 1 + 50
    _check_taps(backbone(image[None]), reference)

    names = layer_names(published, backbone, None, CAFFE)
    assert read_caffemodel(model, names).keys() == comparison.matched.keys()


def test_loaded_statistics_outlive_the_next_batch(caffe):
    layers = caffe.resnet152_layers(divisor=16)
    tensors = {
        f"{name}/{index}": a for name, each in layers.items() for index, a in enumerate(each)
    }
    backbone = _thin_resnet152(batch_norm_ramp=True)
    load_tensors(tensors, PUBLISHED["proxy_resnet152"], backbone, None, CAFFE)
    norm = backbone.batch_norms["res4b35_branch2a"]
    np.testing.assert_allclose(norm.moving_mean, layers["bn4b35_branch2a"][0] / 999, rtol=1e-5)
    norm(100 * tf.ones([2, 16]), training=True)
    expected = 0.999 * layers["bn4b35_branch2a"][0] / 999 + 0.1
    np.testing.assert_allclose(norm.moving_mean, expected, rtol=1e-4, atol=1e-4)

    for options in ({"use_batch_norm": False}, {"batch_norm_scale": False}):
        other = _thin_resnet152(stage_blocks=(1, 1, 1, 1), **options)
        with pytest.raises(UserError, match="with batch norm, scale and center"):
            load_tensors(tensors, PUBLISHED["proxy_resnet152"], other, None, CAFFE)


def _damage(tensors, how):
    if how == "missing":
        del tensors["conv3_2/0"]
    elif how == "mis-shaped":
        tensors["conv3_2/0"] = tensors["conv3_2/0"][..., :2]
    elif how == "unexpected":
        tensors["conv3_9/0"] = np.ones([1])
    else:
        tensors["conv3_2/0"] = np.full_like(tensors["conv3_2/0"], np.nan)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", r"w\.h5 does not fit: missing conv3_2/0 \[16, 16, 3, 3\]\. --allow_partial"),
        ("mis-shaped", r"mis-shaped conv3_2/0 \[16, 16, 3, 2\], expected \[16, 16, 3, 3\]"),
        ("unexpected", r"unexpected conv3_9/0 \[1\]"),
        ("not finite", r"w\.h5 is damaged: conv3_2/0"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_changes_nothing(caffe, how, message):
    _, layers = _thin_layers(caffe, "autocolorize_vgg16")
    tensors = {
        f"{name}/{index}": a for name, each in layers.items() for index, a in enumerate(each)
    }
    _damage(tensors, how)
    _, network = _build("autocolorize_vgg16")
    before = [variable.numpy() for variable in network.variables]
    with pytest.raises(UserError, match=message):
        _load("autocolorize_vgg16", network, tensors)
    for variable, value in zip(network.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_a_network_with_batch_norm_is_refused():
    _, network = _build("proxy_vgg16", use_batch_norm=True)
    with pytest.raises(UserError, match="without batch norm"):
        _load("proxy_vgg16", network, {})


def test_a_partial_load_keeps_whole_layers_only(caffe):
    _, layers = _thin_layers(caffe, "autocolorize_vgg16")
    tensors = {
        f"{name}/{index}": a for name, each in layers.items() for index, a in enumerate(each)
    }
    _damage(tensors, "missing")
    _damage(tensors, "unexpected")
    _, network = _build("autocolorize_vgg16")
    kept = network.backbone.convolutions["conv3_2"]
    before = kept.kernel.numpy(), kept.bias.numpy()
    _, untouched = _load("autocolorize_vgg16", network, tensors, allow_partial=True)
    assert untouched == ["conv3_2"]
    np.testing.assert_array_equal(kept.kernel, before[0])
    np.testing.assert_array_equal(kept.bias, before[1])
    last = network.backbone.convolutions["fc7"]
    np.testing.assert_array_equal(last.bias, tensors["fc7/1"])


@pytest.fixture(scope="module")
def keras_vgg16(tmp_path_factory):
    """A thin VGG-16 as Keras builds and saves it, with its activations' model."""
    layers = tf.keras.layers
    inputs = current = tf.keras.Input([224, 224, 3])
    taps = {}
    for block, (channels, count) in enumerate([(4, 2), (8, 2), (16, 3), (32, 3), (32, 3)], 1):
        for index in range(1, count + 1):
            current = layers.Conv2D(
                channels,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                bias_initializer=tf.keras.initializers.RandomNormal(stddev=0.1),
                name=f"block{block}_conv{index}",
            )(current)
            taps[f"conv{block}_{index}"] = current
        current = layers.MaxPool2D()(current)
    current = layers.Flatten()(current)
    for name in ("fc1", "fc2"):
        current = layers.Dense(256, "relu", kernel_initializer="he_normal", name=name)(current)
        taps[f"fc{int(name[-1]) + 5}"] = current
    outputs = layers.Dense(10, name="predictions")(current)
    path = tmp_path_factory.mktemp("keras") / "vgg16.h5"
    tf.keras.Model(inputs, outputs).save_weights(path)
    return path, tf.keras.Model(inputs, taps)


def _keras_taps(model, image):
    """Feeds Keras as its `preprocess_input` says: BGR, 0 to 255, minus the means."""
    fed = 255 * image[..., ::-1] - np.float32([103.939, 116.779, 123.68])
    return {name: value.numpy()[0] for name, value in model(fed[None]).items()}


def test_color_network_equals_keras_everywhere_with_its_means(keras_vgg16):
    path, model = keras_vgg16
    means = (123.68 / 255, 116.779 / 255, 103.939 / 255)
    _, network = _build("vgg16_gray", channels=3, input_mean=means)
    _, untouched = _load("vgg16_gray", network, read_keras_h5(path), KERAS)
    assert untouched == ["hidden", "hue", "chroma"]
    image = _image((224, 224), channels=3)
    reference = _keras_taps(model, image)
    scale = max(np.abs(value).max() for value in reference.values())
    ours = network.backbone(image[None], convolutional=False)
    _check_taps(ours, reference, atol=1e-6 * scale)  # activations are in the hundreds


def test_gray_network_equals_keras_on_gray_wherever_no_padding_is_read(keras_vgg16):
    path, model = keras_vgg16
    _, network = _build("vgg16_gray")
    _load("vgg16_gray", network, read_keras_h5(path), KERAS)
    image = _image((224, 224))
    reference = _keras_taps(model, np.repeat(image, 3, axis=-1))
    ours = network.features(image[None])
    margins = {"conv1_1": 1, "conv1_2": 2, "conv2_1": 2, "conv2_2": 3, "conv3_3": 5, "conv4_3": 6}
    for name, margin in margins.items():
        inside = np.s_[margin:-margin, margin:-margin]
        expected = reference[name][inside]
        np.testing.assert_allclose(
            ours[name][0].numpy()[inside], expected, atol=1e-5 * expected.max(), err_msg=name
        )
