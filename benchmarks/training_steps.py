"""Training steps with sparse hypercolumns, ours and with CropAndResize."""

from collections.abc import Callable, Mapping

import hypercolumns
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.heads.histogram import HistogramHead
from tfcolor.layers.dropout import StatelessDropout
from tfcolor.models.network import Network
from tfcolor.ops.pass_through import PassThroughColumns

OUTPUTS = {"hue": 32, "chroma": 32}


def added_steps(size: int, batch: int, count: int) -> dict[str, Callable[[], tf.Tensor]]:
    """Returns steps of VGG-16 that differ in how its 16 maps are sampled.

    Forward and backward through the network with a loss on fc7 ("without"),
    and the same with a loss on the 12,417 channels of the columns besides.
    """
    class_ = BACKBONES["vgg16"]
    backbone = class_(class_.Options(use_batch_norm=False, dropout_rate=0.0), 1, 5)
    images = tf.random.stateless_uniform([batch, size, size, 1], [1, 2])
    locations = hypercolumns.random_locations(size, batch, count)
    taps = backbone.taps(size, size)

    def step(sample: Callable | None, sampler_class: Callable | None) -> tf.Tensor:
        sampler = sampler_class(locations, taps) if sampler_class else None
        with tf.GradientTape() as tape:
            features = backbone(images, training=True, visitor=sampler)
            loss = tf.reduce_sum(features["fc7"] ** 2)
            if sampler is not None:
                loss += tf.nn.l2_loss(sampler.columns)
            elif sample is not None:
                maps = [features[name] for name in taps]
                loss += tf.nn.l2_loss(sample(maps, locations, list(taps.values())))
        gradients = tape.gradient(loss, backbone.trainable_variables)
        return tf.add_n([tf.reduce_sum(one) for one in gradients])

    variants: dict[str, tuple[Callable | None, Callable | None]] = {
        "without": (None, None),
        "pass_through": (None, PassThroughColumns),
        "native": (hypercolumns.native, None),
        "crop_and_resize": (hypercolumns.crop_and_resize, None),
    }
    return {
        name: tf.function(lambda pair=pair: step(*pair), autograph=False)
        for name, pair in variants.items()
    }


class ColumnsThenDense(tf.keras.Model):
    """The head as stock operations write it: crops, concat, one matrix."""

    def __init__(self, taps: Mapping[str, Tap]) -> None:
        super().__init__(name="histogram_head", autocast=False)
        self.hidden = tf.keras.layers.Dense(1024, "relu")
        self.dropout = StatelessDropout(0.5, derive_seed(0, "hidden"))
        self.logits = tf.keras.layers.Dense(sum(OUTPUTS.values()))

    def call(self, features, inputs, taps, training=False):
        """Predicts all logits at `locations`, float32 [B, L, 2]."""
        maps = [features[name] for name in taps]
        columns = hypercolumns.crop_and_resize(maps, inputs["locations"], list(taps.values()))
        hidden = self.dropout(self.hidden(columns), seeds=inputs["seed"], training=training)
        return {"logits": self.logits(hidden)}


def full_steps(size: int, batch: int, count: int) -> dict[str, Callable[[], tf.Tensor]]:
    """Returns whole training steps of AlexNet with either head, momentum update."""
    steps = {}
    inputs = {
        "image": tf.random.stateless_uniform([batch, size, size, 1], [1, 2]),
        "seed": tf.random.stateless_uniform([batch, 2], [5, 6], 0, 99, tf.int64),
        "locations": hypercolumns.random_locations(size, batch, count),
    }
    for name in ("ours", "crop_and_resize"):
        class_ = BACKBONES["alexnet"]
        backbone = class_(class_.Options(), 1, 5)
        taps = backbone.taps(size, size)
        ours = name == "ours"
        head = HistogramHead(taps, OUTPUTS, seed=2) if ours else ColumnsThenDense(taps)
        steps[name] = _whole_step(Network(backbone, head), inputs)
    return steps


def _whole_step(network: Network, inputs: Mapping[str, tf.Tensor]) -> Callable[[], tf.Tensor]:
    """Returns a graph of one step: forward, backward, update."""
    optimizer = tf.keras.optimizers.SGD(1e-4, momentum=0.9)
    network(inputs, training=True)
    optimizer.build(network.trainable_variables)

    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = network(inputs, training=True)
            loss = tf.add_n([tf.nn.l2_loss(one) for one in outputs.values()])
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss

    return tf.function(step, autograph=False)
