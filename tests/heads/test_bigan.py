import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.heads.bigan import BiganHead, BiganSizes
from tfcolor.models.network import kernel_and_bias_variables

SIZES = BiganSizes(side=16, image_channels=2, code_size=5, channels=2, num_units=6)
TAPS = {"top": Tap("top", 8, 3.5, 9)}
INPUTS = {
    "image": tf.random.stateless_uniform([3, 16, 16, 2], [1, 2]),
    "code": tf.random.stateless_uniform([3, 5], [3, 4], -1, 1),
}
FEATURES = {"top": tf.random.stateless_normal([3, 2, 2, 9], [5, 6])}


@pytest.fixture(scope="module")
def head():
    return BiganHead(TAPS, SIZES, seed=0)


def test_the_mean_feature_is_encoded_linearly(head):
    mean = FEATURES["top"].numpy().mean((1, 2))
    encoded = head(FEATURES, INPUTS, TAPS)["encoded"]
    np.testing.assert_allclose(encoded, mean @ head.encoder.kernel.numpy(), rtol=1e-4, atol=1e-6)
    collapsed = head({"top": tf.constant(mean)}, INPUTS, TAPS)["encoded"]
    np.testing.assert_allclose(collapsed, encoded, rtol=1e-5)


def test_pairs_are_of_image_and_encoding_and_of_code_and_what_it_generates(head):
    outputs = head(FEATURES, INPUTS, TAPS)
    np.testing.assert_array_equal(outputs["generated"], head.generator(INPUTS["code"]))
    np.testing.assert_array_equal(outputs["reconstruction"], head.generator(outputs["encoded"]))
    real = head.discriminator((INPUTS["image"], outputs["encoded"]), "real")
    fake = head.discriminator((outputs["generated"], INPUTS["code"]), "fake")
    np.testing.assert_allclose(outputs["real_logits"], real, rtol=1e-5)
    np.testing.assert_allclose(outputs["fake_logits"], fake, rtol=1e-5)


def test_nothing_is_reconstructed_in_training(head):
    assert "reconstruction" not in head(FEATURES, INPUTS, TAPS, training=True)


def test_gradients_stay_on_their_side(head):
    parts = {
        "encoder": [*head.encoder.trainable_variables, FEATURES["top"]],
        "generator": head.generator.trainable_variables,
        "discriminator": head.discriminator.trainable_variables,
    }
    assert sum(map(len, parts.values())) == len(head.trainable_variables) + 1
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(FEATURES["top"])
        outputs = head(FEATURES, INPUTS, TAPS, training=True)
        sums = {
            "discriminator": tf.reduce_sum(outputs["real_logits"] - 2 * outputs["fake_logits"]),
            "encoder": tf.reduce_sum(outputs["fixed_real_logits"]),
            "generator": tf.reduce_sum(outputs["fixed_fake_logits"]),
        }
    reached = {
        name: {
            part: [one is not None for one in tape.gradient(value, variables)]
            for part, variables in parts.items()
        }
        for name, value in sums.items()
    }
    for name, found in reached.items():
        assert all(found[name])
        assert not any(any(found[other]) for other in found if other != name)


def test_every_variable_is_a_kernel_or_a_bias(head):
    kernels, biases = kernel_and_bias_variables(head)
    # The encoder; spread and 2 stages; 2 stages, image, code and opinion.
    assert len(kernels) == len(biases) == 1 + 3 + 5
