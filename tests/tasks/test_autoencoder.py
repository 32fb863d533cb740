import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.data.transforms import center_view
from tfcolor.models.network import Network, kernel_and_bias_variables
from tfcolor.tasks.autoencoder import AutoencoderOptions, AutoencoderTask

SMALL = {"crop_size": 227, "min_side": 227, "max_side": 240}
SHORTCUTS = ("conv2", "conv4", "fc6")
LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")


@pytest.fixture(scope="module")
def reader(photos):
    return ExampleReader(open_images(str(photos)), cache_bytes=10**7)


@pytest.fixture(scope="module")
def batch(reader):
    return _batch(_task({"train": reader}))


def _task(readers=None, **options):
    return AutoencoderTask(AutoencoderOptions(**{**SMALL, **options}), readers or {})


def _batch(task, split="train", batch_size=3, seed=0):
    return next(iter(task.make_dataset(split, BatchPlan(batch_size, seed, num_batches=1))))


def _network(task, seed=0, name="alexnet"):
    kind = BACKBONES[name]
    options = kind.Options(width_multiplier=1 / 64)
    backbone = kind(options, input_channels=task.input_channels, seed=seed)
    head = task.build_head(backbone.canonical_taps(), seed)
    return Network(backbone, head, convolutional=False)


def _variables(network):
    """Returns the kernels of encoder and decoder by layer."""
    encoder = {name: layer.kernel for name, layer in network.backbone.convolutions.items()}
    decoder = {f"g_{name}": stage.mapping.kernel for name, stage in network.head.stages.items()}
    return encoder | decoder


def _gradients(task, network, batch):
    """Returns the losses, and the gradients of each by layer."""
    inputs, targets = batch
    variables = _variables(network)
    with tf.GradientTape(persistent=True) as tape:
        losses = task.compute_losses(targets, network(inputs, training=True))
        sums = {name: tf.reduce_sum(loss) for name, loss in losses.items()}
    gradients = {name: tape.gradient(value, variables) for name, value in sums.items()}
    return losses, gradients


def test_what_is_seen_is_what_is_reconstructed(reader):
    readers = {"train": reader, "heldout": reader}
    inputs, targets = _batch(_task(readers))
    assert inputs["image"].shape == [3, 227, 227, 3]
    np.testing.assert_array_equal(inputs["image"], targets["image"])
    gray = _batch(_task(readers, input="gray"))[0]["image"].numpy()
    np.testing.assert_allclose(
        gray, inputs["image"].numpy().mean(axis=-1, keepdims=True), atol=1e-6
    )
    copied = AutoencoderTask(AutoencoderOptions(**SMALL, input="gray"), readers, color_input=True)
    np.testing.assert_array_equal(_batch(copied)[1]["image"], np.repeat(gray, 3, axis=-1))
    assert [_task(input=kind).input_channels for kind in ("gray", "color")] == [1, 3]


def test_held_out_images_are_the_middle(reader):
    task = _task({"train": reader, "heldout": reader})
    images = _batch(task, "heldout", batch_size=6)[0]["image"].numpy()
    expected = [center_view(tf.constant(reader.read(i)[0]), 227, 227).numpy() for i in range(6)]
    order = [np.argmin([np.abs(image - one).mean() for one in expected]) for image in images]
    assert sorted(order) == list(range(6))
    np.testing.assert_array_equal(images, np.stack(expected)[order])


@pytest.fixture(scope="module")
def shortcut_gradients(batch):
    task = _task(shortcuts=SHORTCUTS)
    return _gradients(task, _network(task), batch)


def test_each_loss_reaches_the_layers_of_its_path_and_no_others(shortcut_gradients):
    _, gradients = shortcut_gradients
    assert list(gradients) == ["code", *SHORTCUTS]
    for entry, found in gradients.items():
        last = LAYERS.index("fc7" if entry == "code" else entry)
        encoder = set(LAYERS[: last + 1])
        decoder = {f"g_{name}" for name in ("x", *LAYERS[:last])}
        assert {name for name, value in found.items() if value is not None} == encoder | decoder
        assert all(float(tf.norm(found[name])) > 0 for name in encoder | decoder)


def test_without_their_weight_shortcuts_change_nothing(shortcut_gradients, batch):
    losses, gradients = shortcut_gradients
    plain = _task()
    plain_losses, plain_gradients = _gradients(plain, _network(plain), batch)
    np.testing.assert_array_equal(losses["code"], plain_losses["code"])
    for name, gradient in plain_gradients["code"].items():
        np.testing.assert_array_equal(gradients["code"][name], gradient)
    outputs = {f"{name}_reconstruction": tf.ones([2, 3, 3, 1]) for name in ("code", *SHORTCUTS)}
    weightless = _task(shortcuts=SHORTCUTS, shortcut_weight=0.0)
    terms = weightless.compute_losses({"image": tf.zeros([2, 3, 3, 1])}, outputs)
    assert {name: term.numpy().tolist() for name, term in terms.items()} == {
        "code": [12.5, 12.5],
        **{name: [0.0, 0.0] for name in SHORTCUTS},
    }


def test_losses_agree_with_numpy():
    task = _task(
        shortcuts=("conv2",), shortcut_weight=0.3, is_variational=True, divergence_weight=0.7,
        ladder_weight=0.1,
    )  # fmt: skip
    random_numbers = np.random.default_rng(6)
    image = random_numbers.uniform(size=(2, 5, 4, 3)).astype(np.float32)
    outputs = {
        f"{entry}_reconstruction": random_numbers.uniform(size=image.shape).astype(np.float32)
        for entry in task.entries
    }
    outputs["mean"], outputs["log_variance"] = random_numbers.normal(size=(2, 2, 7))
    outputs["ladder"] = np.array([1.5, 2.5])
    errors = {
        entry: 50 * np.mean(0.25 * (image - outputs[f"{entry}_reconstruction"]) ** 2, (1, 2, 3))
        for entry in task.entries
    }
    mean, log_variance = outputs["mean"], outputs["log_variance"]
    divergence = -0.5 * np.sum(1 + log_variance - mean**2 - np.exp(log_variance), axis=-1)
    expected = {
        "code": errors["code"],
        "conv2": 0.3 * errors["conv2"],
        "divergence": 0.7 * divergence,
        "ladder": [0.15, 0.25],
    }
    losses = task.compute_losses({"image": image}, outputs)
    assert list(losses) == list(expected)
    for name, loss in losses.items():
        np.testing.assert_allclose(loss, expected[name], rtol=1e-5)


def test_signal_to_noise_is_that_of_the_code_in_8_bits(batch):
    task, (_, targets) = _task(), batch
    (metric,) = task.build_metrics().values()
    image = targets["image"].numpy()
    noisy = image + np.random.default_rng(0).normal(0, 0.5, image.shape).astype(np.float32)
    for part in (slice(0, 1), slice(1, 3)):
        metric.update_state({"image": image[part]}, {"code_reconstruction": noisy[part]})
    error = np.mean((image - np.clip(noisy, 0, 1)) ** 2, axis=(1, 2, 3))
    assert float(metric.result()) == pytest.approx(np.mean(-10 * np.log10(error)), rel=1e-4)


def test_every_variable_is_a_kernel_or_a_bias():
    task = _task(shortcuts=SHORTCUTS, embedding_size=6, is_variational=True)
    kernels, biases = kernel_and_bias_variables(_network(task))
    # 7 layers; 8 stages, of which one spreads too; mean and variance.
    assert len(kernels) == len(biases) == 7 + 9 + 2


def test_gray_images_have_gray_reconstructions():
    head = _network(_task(input="gray")).head
    assert head.stages["x"].mapping.bias.shape == [1]


def test_options_are_completed_by_the_backbone():
    assert AutoencoderOptions().completed({}, 224) == AutoencoderOptions(crop_size=224)
    with pytest.raises(UsageError, match="--autoencoder_crop_size=200: the backbone takes 227"):
        AutoencoderOptions(crop_size=200).completed({}, 227)
    with pytest.raises(UsageError, match=r"crop_size=227, min_side=99, .*: expected crop_size <="):
        AutoencoderOptions(min_side=99).completed({}, 227)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortcut_weight": -1.0}, "--autoencoder_shortcut_weight=-1.0: expected at least 0"),
        ({"sigmoid_outputs": "some"}, "--autoencoder_sigmoid_outputs=some: expected one of none"),
        ({"dropout_rate": 1.0}, "--autoencoder_dropout_rate=1.0: expected at most 0.99"),
        ({"embedding_size": -1}, "--autoencoder_embedding_size=-1: expected at least 0"),
    ],
)
def test_values_that_are_not_accepted_are_usage_errors(options, message):
    with pytest.raises(UsageError, match=message):
        check_options(AutoencoderOptions(**options), "autoencoder_")


@pytest.mark.parametrize("shortcuts", [("fc7",), ("x",), ("conv9",), ("conv2", "conv2")])
def test_shortcuts_that_do_not_exist_are_usage_errors(shortcuts):
    message = f"--autoencoder_shortcuts={','.join(shortcuts)}: expected some of conv1, .*, fc6, eac"
    with pytest.raises(UsageError, match=message):
        _network(_task(shortcuts=shortcuts))


def test_backbones_without_a_decoder_are_usage_errors():
    with pytest.raises(UsageError, match="expected --backbone=alexnet or vgg16"):
        _network(_task(), name="cifar_shallow")
