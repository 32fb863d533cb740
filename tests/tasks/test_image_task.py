"""Tests of what tasks on images share."""

import types

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.tasks.image_task import ImageTask


@pytest.mark.parametrize(
    ("options", "color_input", "channels"),
    [({"input": "color"}, False, 3), ({"input": "gray"}, False, 1), ({"input": "gray"}, True, 3),
     ({}, False, 1), ({}, True, 3)],
)  # fmt: skip
def test_network_sees_the_colors_or_their_mean(options, color_input, channels):
    task = ImageTask(types.SimpleNamespace(**options), {}, color_input=color_input)
    view = np.random.default_rng(0).random([4, 5, 3], np.float32)
    is_color = options.get("input") == "color"
    expected = view if is_color else view.mean(axis=-1, keepdims=True)
    assert task.input_channels == channels
    np.testing.assert_allclose(
        task.as_input(tf.constant(view)), np.broadcast_to(expected, [4, 5, channels]), atol=1e-6
    )


def test_splits_are_those_with_images():
    reader = object()
    assert ImageTask(types.SimpleNamespace(), {}).splits == ()
    assert ImageTask(types.SimpleNamespace(), {"train": reader}).splits == ("train",)
    both = {"heldout": reader, "train": reader}
    assert ImageTask(types.SimpleNamespace(), both).splits == ("train", "heldout")
