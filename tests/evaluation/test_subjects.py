import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.evaluation.subjects import named_classes, shared_classes

SMALL = {"num_classes": 3, "crop_size": 32}


@pytest.fixture(scope="module")
def trained(build_trained):
    return build_trained("classification", SMALL)


def test_gray_networks_see_the_mean_of_the_colors(trained, build_trained):
    rgb = np.random.default_rng(0).random((2, 4, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(trained.inputs(rgb), rgb.mean(-1, keepdims=True), atol=1e-6)
    colored = build_trained("classification", {**SMALL, "input": "color"})
    np.testing.assert_array_equal(colored.inputs(rgb), rgb)


def test_outputs_are_those_of_the_network_without_dropout(trained):
    images = tf.random.stateless_uniform([4, 32, 32, 1], [1, 2])
    expected = trained.network({"image": images}, training=False)["logits"]
    np.testing.assert_allclose(trained.outputs(images)["logits"], expected, atol=1e-5)
    assert np.ptp(expected) > 0.1


def test_networks_of_one_ensemble_share_their_classes(trained, build_trained):
    named = dataclasses.replace(trained, class_names=("a", "b", "c"))
    assert shared_classes([trained, named]) == (3, ("a", "b", "c"))
    more = build_trained("classification", {**SMALL, "num_classes": 4}, seed=1)
    with pytest.raises(UserError, match=r"classification1 tells other classes .* \(4 and 3\)"):
        shared_classes([named, more])
    other = dataclasses.replace(trained, class_names=("a", "c", "b"))
    with pytest.raises(UserError, match="other classes"):
        shared_classes([named, other])


def test_names_are_the_networks_then_the_images_then_numbers(trained):
    named = dataclasses.replace(trained, class_names=("a", "b", "c"))
    assert named_classes([named], ("c", "b")) == ("a", "b", "c")
    assert named_classes([trained], ("x", "y", "z")) == ("x", "y", "z")
    assert named_classes([trained], ()) == ("0", "1", "2")
    with pytest.raises(UserError, match=r"has 2 classes: runs/classification0 tells 3 apart"):
        named_classes([trained], ("x", "y"))
