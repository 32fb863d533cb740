import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.analysis.observation import PhotographOptions, View, Views
from tfcolor.core.errors import UserError
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.inference.painting import SizeOptions


def test_activations_are_those_of_the_backbone(build_chain):
    network = build_chain()
    rgb = tf.random.stateless_uniform([2, 9, 14, 3], seed=[1, 2])
    seen = network.observe(["conv2", "conv1"])(rgb)
    expected = network.backbone(tf.reduce_mean(rgb, -1, keepdims=True), convolutional=True)
    assert sorted(seen) == ["conv1", "conv2"]
    for name, features in seen.items():
        np.testing.assert_allclose(features, expected[name], atol=1e-6)
    np.testing.assert_allclose(
        seen["conv1"][..., :1], tf.reduce_mean(rgb, -1, keepdims=True), atol=1e-6
    )


@pytest.mark.parametrize("alignment", ["centered", "zero"])
def test_cells_lie_where_they_look_whatever_the_alignment(build_chain, alignment):
    network = build_chain(tap_alignment=alignment)
    assert network.backbone.taps(16, 24)["conv2"].offset[0] == (alignment == "centered") / 2
    tap = network.geometry("conv2", (16, 24))
    assert (tap.stride, tap.offset) == (2, (0.5, 0.5))  # behind a 2x2 pool
    assert network.geometry("conv1", (16, 24)).offset == (0, 0)


def test_image_is_a_tap_but_no_layer(build_chain):
    network = build_chain()
    assert list(network.taps) == ["x", "conv1", "conv2"]
    assert list(network.layers) == ["conv1", "conv2"]


def test_views_hold_the_photographs_in_color(spotted):
    views = list(spotted)
    assert [view.size for view in views] == [(24, 40), (32, 28), (20, 20)]
    assert [view.position for view in views] == [0, 1, 2]
    assert views[1].name.endswith("b.png")
    assert views[1].pixels[20, 9].tolist() == [255, 190, 80]


def test_views_are_resized_to_what_networks_see(photos):
    reader = open_readers(DataOptions(images=str(photos), heldout_fraction=0.0))["train"]
    views = list(Views(reader, PhotographOptions(num_images=2), SizeOptions(96, 200)))
    assert [view.size for view in views] == [(96, 128), (128, 96)]  # photos of 48x64 and 64x48
    assert views[0].full_size == (48, 64)


def test_places_are_mapped_to_the_photograph():
    view = View(0, "", (50, 20), tf.zeros([1, 100, 40, 3]))
    assert view.to_full_size((0.5, 0.5)) == (0.0, 0.0)  # the first two pixels are one
    assert view.to_full_size((99.5, 39.5)) == pytest.approx((49.5, 19.5))


def test_unreadable_photographs_are_passed_over(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    Image.new("RGB", (16, 12), "red").save(tmp_path / "b.png")
    reader = open_readers(DataOptions(images=str(tmp_path), heldout_fraction=0.0))["train"]
    views = Views(reader, PhotographOptions(), SizeOptions(8, 32))
    assert [view.position for view in views] == [1]
    (tmp_path / "b.png").unlink()
    reader = open_readers(DataOptions(images=str(tmp_path), heldout_fraction=0.0))["train"]
    with pytest.raises(UserError, match="none of the 1 images"):
        list(Views(reader, PhotographOptions(), SizeOptions(8, 32)))
