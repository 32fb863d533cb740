import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.taps import Tap
from tfcolor.heads.context_encoder import ContextEncoderHead

SIDE, PAINTED = 32, 16
TAPS = {"conv": Tap("conv", 4, 1.5, 6), "top": Tap("top", 8, 3.5, 9)}


def _head(reads_map=True, discriminator_rate=0.5, seed=0):
    sides = (SIDE, PAINTED)
    return ContextEncoderHead(
        TAPS, 3, 2, sides, reads_map=reads_map, discriminator_rate=discriminator_rate, seed=seed
    )


def _features(reads_map=True):
    shape = [2, 4, 4, 9] if reads_map else [2, 9]
    return {"top": tf.random.stateless_normal(shape, [3, 4])}


ORIGINAL = {"original": tf.random.stateless_uniform([2, PAINTED, PAINTED, 3], [5, 6])}


@pytest.mark.parametrize("reads_map", [True, False])
def test_the_middle_is_painted_and_judged(reads_map):
    head = _head(reads_map)
    outputs = head(_features(reads_map), ORIGINAL, TAPS, training=True)
    assert outputs["painted"].shape == [2, PAINTED, PAINTED, 3]
    assert outputs["fake_logits"].shape == [2]
    logits = head.discriminator.judge((ORIGINAL["original"],), (outputs["painted"],), True)
    np.testing.assert_allclose(outputs["real_logits"], logits["real_logits"], rtol=1e-5)


def test_of_a_map_the_whole_image_is_made_and_its_middle_taken():
    head = _head(discriminator_rate=0)
    whole = head.generator(_features()["top"])
    assert whole.shape == [2, SIDE, SIDE, 3]
    painted = head(_features(), {}, TAPS)["painted"]
    np.testing.assert_array_equal(painted, whole[:, 8:-8, 8:-8])


def test_without_a_discriminator_there_are_only_the_variables_of_the_generator():
    head = _head(discriminator_rate=0)
    assert len(head.trainable_variables) == len(head.generator.trainable_variables)
    assert set(head(_features(), {}, TAPS)) == {"painted"}


def test_gradients_stay_on_their_side():
    head, features = _head(), _features()
    making = [*head.generator.trainable_variables, features["top"]]
    judging = head.discriminator.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features["top"])
        outputs = head(features, ORIGINAL, TAPS, training=True)
        judged = tf.reduce_sum(outputs["fake_logits"] - outputs["real_logits"])
        opinion = tf.reduce_sum(outputs["fixed_fake_logits"])
        error = tf.reduce_sum(outputs["painted"] ** 2)
    assert tape.gradient(judged, making) == [None] * len(making)
    assert tape.gradient([opinion, error], judging) == [None] * len(judging)
    assert all(float(tf.norm(one)) > 0 for one in tape.gradient(judged, judging[:-1]))
    assert None not in tape.gradient(opinion, making)
    assert None not in tape.gradient(error, making)


@pytest.mark.parametrize("stride", [1, 6])
def test_cells_of_other_than_a_power_of_2_pixels_are_usage_errors(stride):
    taps = {"top": Tap("top", stride, 0.5, 9)}
    with pytest.raises(UsageError, match=f"a cell of top is {stride} pixels wide, expected a pow"):
        ContextEncoderHead(
            taps, 3, 2, (SIDE, PAINTED), reads_map=True, discriminator_rate=0, seed=0
        )
