import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.backbones.resnet import ResNetOptions
from tfcolor.backbones.resnet_v2 import ResNetV2Options
from tfcolor.heads.histogram import HistogramHead
from tfcolor.layers import hypercolumn
from tfcolor.models.network import JointNetwork, Network, kernel_and_bias_variables
from tfcolor.training.distribution import build_strategy
from tfcolor.training.options import DistributionOptions

SEEDS = tf.constant([[1, 2], [3, 4]], tf.int64)

# One of each kind: the others differ by their numbers of layers.
every_backbone = pytest.mark.parametrize(
    "name", sorted(BACKBONES.keys() - {"resnet50", "resnet101", "resnet50_v2", "cifar_deep"})
)


def _network(name="vgg16", **options):
    class_ = BACKBONES[name]
    if issubclass(class_.Options, ResNetOptions):
        options["stage_blocks"] = (1, 2, 1, 1)
    if issubclass(class_.Options, ResNetV2Options):
        options["block_units"] = (1, 2, 1)
    backbone = class_(class_.Options(width_multiplier=1 / 32, **options), 1, 5)
    head = HistogramHead(backbone.taps(32, 32), {"hue": 6}, hidden_units=9, seed=2)
    return Network(backbone, head)


def _inputs(size=(45, 70)):
    return {
        "image": tf.random.uniform([2, *size, 1]),
        "seed": SEEDS,
        "locations": tf.random.uniform([2, 7, 2], 0, 45),
    }


@pytest.fixture
def bfloat16_policy():
    """Builds what the test makes under mixed_bfloat16."""
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    tf.keras.mixed_precision.set_global_policy("float32")


def test_network_is_backbone_then_head():
    network, inputs = _network(), _inputs()
    features = network.features(inputs["image"])
    expected = network.head(features, inputs, network.backbone.taps(45, 70))["hue_logits"]
    np.testing.assert_allclose(network(inputs)["hue_logits"], expected, rtol=1e-5, atol=1e-8)
    assert network.features(inputs["image"])["fc7"].shape[:3] == [2, 2, 3]


def test_unknown_sizes_give_the_same_outputs():
    network = _network("alexnet")
    network.head.hidden.kernel.assign(tf.random.normal(network.head.hidden.kernel.shape))
    signature = {
        "image": tf.TensorSpec([None, None, None, 1]),
        "seed": tf.TensorSpec([None, 2], tf.int64),
        "locations": tf.TensorSpec([None, None, 2]),
    }
    traced = tf.function(network.__call__, input_signature=[signature])
    inputs = _inputs()
    np.testing.assert_allclose(
        traced(inputs)["hue_logits"], network(inputs)["hue_logits"], rtol=1e-4, atol=1e-4
    )


@pytest.mark.native
@every_backbone
@pytest.mark.parametrize("num_locations", [7, 40])
def test_maps_pass_through_in_training_with_the_same_numbers(name, num_locations, monkeypatch):
    # Batch norm cancels the biases, whose gradients are then rounding alone.
    network, inputs = _network(name, use_batch_norm=False), _inputs((35, 52))
    network.head.hidden.kernel.assign(tf.random.normal(network.head.hidden.kernel.shape))
    inputs["locations"] = tf.random.uniform([2, num_locations, 2], 0, 45)

    def step():
        with tf.GradientTape() as tape:
            logits = network(inputs, training=True)["hue_logits"]
            loss = tf.reduce_mean(tf.nn.log_softmax(logits)[..., 0])
        gradients = tape.gradient(loss, network.trainable_variables)
        return [logits, *(tf.convert_to_tensor(one) for one in gradients)]

    graph = tf.function(step).get_concrete_function()
    kinds = [operation.type for operation in graph.graph.get_operations()]
    if "Tfcolor>HypercolumnTap" not in kinds:
        pytest.skip("the native op is not built")
    assert "ZerosLike" not in kinds
    monkeypatch.setattr(hypercolumn, "choose_implementation", lambda *_: "reference")
    for one, other in zip(graph(), tf.function(step)(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * np.abs(other).max())


def test_inference_has_stock_operations_only():
    network = _network()
    taps = network.backbone.taps(32, 48)

    @tf.function
    def serve(images):
        logits, _ = network.head.dense(network.features(images), taps, (32, 48))
        return logits

    graph = serve.get_concrete_function(tf.zeros([1, 32, 48, 1])).graph.as_graph_def()
    nodes = [*graph.node, *(node for one in graph.library.function for node in one.node_def)]
    assert not [node.op for node in nodes if ">" in node.op]


def test_canonical_mode_reaches_the_head():
    class Top(tf.keras.Model):
        def call(self, features, inputs, taps, training=False):
            return {"top": features["top"]}

    network = Network(_network().backbone, Top(autocast=False), convolutional=False)
    assert network(_inputs((224, 224)))["top"].shape == [2, 128]


@every_backbone
@pytest.mark.parametrize("use_batch_norm", [True, False])
def test_kernels_and_biases_are_a_partition(name, use_batch_norm):
    network = _network(name, use_batch_norm=use_batch_norm)
    kernels, biases = kernel_and_bias_variables(network)
    layers, norms = network.backbone.convolutions.values(), network.backbone.batch_norms.values()
    assert len(kernels) == len(layers) + 2
    num_biases = sum(one.use_bias for one in layers) + sum(
        len(one.trainable_variables) for one in norms
    )
    assert len(biases) == num_biases + 2
    assert {id(one) for one in kernels + biases} == {id(one) for one in network.trainable_variables}
    assert {len(one.shape) for one in biases} == {1}
    assert network.head.hidden.kernel is kernels[-2] or network.head.hidden.kernel in kernels[-2:]


def test_scales_of_batch_norms_go_with_the_biases():
    network = _network("resnet50", batch_norm_scale=True)
    kernels, biases = kernel_and_bias_variables(network)
    norms = network.backbone.batch_norms.values()
    assert {norm.scale.ref() for norm in norms} < {one.ref() for one in biases}
    assert len(biases) == 2 * len(norms) + 2
    assert len(kernels) == len(norms) + 2


def test_variable_without_role_is_an_error():
    network = _network()
    network.head.histograms["hue"].extra = network.head.histograms["hue"].add_weight(
        name="scale", shape=[6]
    )
    with pytest.raises(
        ValueError, match=r"scale.* is neither; expected one layer's kernel or bias"
    ):
        kernel_and_bias_variables(network)


def test_variable_of_two_layers_is_an_error():
    network = _network()
    layers = network.backbone.convolutions
    layers["conv1_2"].kernel = layers["conv2_1"].kernel
    with pytest.raises(ValueError, match="is kernel and kernel"):
        kernel_and_bias_variables(network)


@every_backbone
def test_a_step_in_mixed_precision(name, bfloat16_policy):
    network, inputs = _network(name, use_batch_norm=True), _inputs((19, 26))
    optimizer = tf.keras.optimizers.SGD(0.1)

    @tf.function
    def step(inputs):
        with tf.GradientTape() as tape:
            logits = network(inputs, training=True)["hue_logits"]
            loss = tf.reduce_mean(tf.nn.log_softmax(logits)[..., 0])
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return logits, gradients

    before = network.head.histograms["hue"].bias.numpy()
    logits, gradients = step(inputs)
    assert logits.dtype == tf.float32
    assert network.features(inputs["image"])["top"].dtype == tf.bfloat16
    assert all(np.isfinite(one).all() for one in gradients)
    assert np.abs(network.head.histograms["hue"].bias.numpy() - before).max() > 0
    norms = network.backbone.batch_norms.values()
    assert {norm.moving_mean.dtype for norm in norms} == {tf.float32}


def test_weights_survive_a_checkpoint(tmp_path):
    network, restored = _network(), _network()
    inputs = _inputs()
    network(inputs, training=True)
    for variable in network.variables:
        variable.assign(variable + tf.ones([], variable.dtype))
    path = tf.train.Checkpoint(network=network).save(str(tmp_path / "saved"))
    tf.train.Checkpoint(network=restored).restore(path).assert_consumed()
    for one, two in zip(network.variables, restored.variables, strict=True):
        np.testing.assert_array_equal(one, two)


def _gradients(network, inputs, layer):
    """Returns the logits, and a loss's gradient by the kernel of one layer."""
    with tf.GradientTape() as tape:
        logits = network(inputs, training=True)["hue_logits"]
        loss = tf.reduce_sum(tf.nn.log_softmax(logits)[..., 0]) / 28
    return logits, tape.gradient(loss, network.backbone.convolutions[layer].kernel)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layer"), [("alexnet", "conv2"), ("resnet152", "res2a_branch2b")])
def test_two_replicas_compute_what_one_does(name, layer):
    class_ = BACKBONES[name]
    more = {"stage_blocks": (1, 1, 1, 1)} if name == "resnet152" else {}
    options = class_.Options(width_multiplier=1 / 32, synchronize_batch_norm=True, **more)

    def build():
        backbone = class_(options, 1, 5)
        return Network(backbone, HistogramHead(backbone.taps(32, 32), {"hue": 6}, 9, seed=2))

    strategy = build_strategy(DistributionOptions(strategy="mirrored"))
    with strategy.scope():
        mirrored = build()
    single = build()
    random = np.random.default_rng(1)
    inputs = {
        "image": random.random([4, 45, 38, 1], np.float32),
        "seed": random.integers(0, 99, [4, 2]),
        "locations": 38 * random.random([4, 7, 2], np.float32),
    }

    def share(name):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(np.split(inputs[name], 2)[context.replica_id_in_sync_group])
        )

    @tf.function
    def run(shares):
        logits, gradient = strategy.run(_gradients, args=(mirrored, shares, layer))
        return logits, strategy.reduce("SUM", gradient, axis=None)

    logits, gradient = run({name: share(name) for name in inputs})
    logits = np.concatenate(strategy.experimental_local_results(logits))
    expected = _gradients(single, inputs, layer)
    scale = np.abs(expected[1]).max()
    np.testing.assert_allclose(logits, expected[0], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(gradient / scale, expected[1] / scale, atol=1e-3)


def test_heads_of_several_tasks_are_saved_with_their_backbone():
    networks = [_network(), _network()]
    joint = JointNetwork(networks[0].backbone, [network.head for network in networks])
    own = sum(len(network.head.trainable_variables) for network in networks)
    assert len(joint.trainable_variables) == own + len(networks[0].backbone.trainable_variables)
    assert joint.heads[1].hidden.kernel is networks[1].head.hidden.kernel


class Sum(tf.keras.Model):
    """A head that adds up the top of each image."""

    def call(self, features, inputs, taps, training=False):
        del inputs, taps, training
        return {"sum": tf.reduce_sum(features["top"], axis=[1, 2, 3])}


def test_patches_of_an_example_are_images_of_their_own():
    class_ = BACKBONES["cifar_shallow"]
    network = Network(class_(class_.Options(use_dropout=False), 3, 5), Sum())
    patches = tf.random.stateless_uniform([2, 3, 20, 24, 3], [4, 5])
    together = network({"image": patches, "seed": SEEDS}, training=True)["sum"]
    alone = [network({"image": patches[:, number]})["sum"] for number in range(3)]
    np.testing.assert_allclose(together, np.stack(alone, axis=1).reshape(-1), rtol=1e-5)


def test_patches_have_dropout_masks_of_their_own():
    class_ = BACKBONES["cifar_shallow"]
    network = Network(class_(class_.Options(), 3, 5), Sum())
    patch = tf.random.stateless_uniform([1, 1, 20, 24, 3], [4, 5])
    inputs = {"image": tf.tile(patch, [2, 3, 1, 1, 1]), "seed": SEEDS}
    sums = network(inputs, training=True)["sum"].numpy()
    assert len(np.unique(sums)) == 6
    np.testing.assert_array_equal(network(inputs, training=True)["sum"], sums)
