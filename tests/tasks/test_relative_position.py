import numpy as np
import pytest
import tensorflow as tf

from tests.tasks.shortcut_probe import (
    accuracy,
    block_images,
    block_phases,
    edge_distances,
    fringe_shifts,
    fringed_images,
    make_examples,
    most_of_guessing,
    smooth_images,
)
from tfcolor.backbones.base import INPUT_MEAN
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options
from tfcolor.core.taps import Tap
from tfcolor.data.patch_appearance import CONTRAST
from tfcolor.tasks.colorization import ColorizationOptions, ColorizationTask
from tfcolor.tasks.relative_position import RelativePositionOptions, RelativePositionTask

TAPS = {"top": Tap("top", 8, 3.5, 5)}
DIRECTIONS = {
    "upper left": (-1, -1),
    "above": (-1, 0),
    "upper right": (-1, 1),
    "left": (0, -1),
    "right": (0, 1),
    "lower left": (1, -1),
    "below": (1, 0),
    "lower right": (1, 1),
}
"""Down and right, from the first patch to the second."""


def _task(**options):
    options = {
        "readout": "average",
        "patch_size": 32,
        "hidden_sizes": (9,),
        "pixelated_share": 0.0,
        "use_mirror": False,
        **options,
    }
    return RelativePositionTask(RelativePositionOptions(**options), {})


def test_patches_lie_where_the_label_says():
    task = _task(max_side=84, colors="lightness")
    side = task.options.geometry.view_side
    assert side == 84
    # Lightness that rises by row, and at another rate by column, says where a patch is.
    rows, columns = np.mgrid[:side, :side]
    down, right = (np.repeat(one[..., None], 3, -1).astype(np.uint8) for one in (rows, columns))
    first = make_examples(task, np.repeat(down[None], 50, axis=0))
    second = make_examples(task, np.repeat(right[None], 50, axis=0))
    np.testing.assert_array_equal(first[1], second[1])
    means = np.stack([first[0].mean(axis=(2, 3, 4)), second[0].mean(axis=(2, 3, 4))], axis=-1)
    steps = np.sign(np.round(means[:, 1] - means[:, 0], 1))
    for label, step in zip(first[1], steps, strict=True):
        assert DIRECTIONS[task.label_name(label)] == tuple(step)
    assert len(set(first[1])) == 8


def test_sizes_are_in_proportion_to_the_published_ones():
    published = RelativePositionOptions(readout="average", patch_size=96).geometry
    assert (published.gap, published.jitter, published.view_side) == (48, 7, 254)
    small = RelativePositionOptions(readout="average", patch_size=48, jitter=0).geometry
    assert (small.gap, small.jitter) == (24, 0)


def test_patches_have_one_contrast_but_for_lightness():
    images = np.random.default_rng(0).integers(0, 256, (3, 90, 95, 3), np.uint8)
    for colors in ("drop", "project", "keep"):
        patches = (make_examples(_task(colors=colors), images)[0] - INPUT_MEAN) / CONTRAST
        np.testing.assert_allclose(patches.mean(axis=(2, 3)), np.zeros([3, 2, 3]), atol=1e-4)
        np.testing.assert_allclose((patches**2).mean(axis=(2, 3, 4)), np.ones([3, 2]), atol=1e-4)
    lightness = make_examples(_task(colors="lightness"), images)[0]
    assert np.ptp(lightness, axis=-1).max() == 0
    assert len(np.unique(np.round(lightness.std(axis=(2, 3, 4)), 3))) > 1
    gray = make_examples(_task(colors="lightness", input="gray"), images)[0]
    np.testing.assert_array_equal(gray, lightness[..., :1])


def test_harmonized_patches_are_what_colorization_sees():
    """A photograph of one color looks the same to both tasks."""
    images = np.broadcast_to(np.uint8([[[[40, 120, 230]]]]), (2, 90, 95, 3))
    options = ColorizationOptions(crop_size=32, min_side=40, max_side=60, edge=0)
    colorized = ColorizationTask(options, {}, color_input=True).make_example(images[0], [0, 1])
    seen = np.unique(np.round(colorized[0]["image"], 5))
    np.testing.assert_allclose(seen, [390 / 3 / 255], atol=1e-5)
    patches = make_examples(_task(colors="lightness", pixelated_share=0), images)[0]
    np.testing.assert_allclose(patches, np.full_like(patches, seen[0]), atol=2e-5)


def test_a_share_of_the_patches_is_pixelated():
    images = smooth_images(90)[:20]
    patches, _ = make_examples(_task(pixelated_share=0.5), images)
    sharp, _ = make_examples(_task(), images)
    is_pixelated = np.abs(patches - sharp).max(axis=(2, 3, 4)) > 1e-6
    assert 10 <= is_pixelated.sum() <= 30


def test_the_head_starts_at_guessing():
    task = _task()
    head = task.build_head(TAPS, seed=1)
    top = tf.random.stateless_uniform([4, 2, 2, 5], [1, 2])
    outputs = head({"top": top}, {"image": tf.zeros([2, 2, 32, 32, 3])}, TAPS)
    loss = task.compute_losses({"label": tf.constant([0, 7])}, outputs)["cross_entropy"]
    np.testing.assert_allclose(loss, np.log(8), atol=1e-2)
    shapes = [tuple(one.shape) for one in head.trainable_variables[::2]]
    assert shapes == [(10, 9), (9, 8)]


def test_pictures_place_the_second_patch():
    pair = tf.stack([tf.fill([6, 6, 3], 0.2), tf.fill([6, 6, 3], 0.6)])[tf.newaxis]
    targets, outputs = {"label": tf.constant([2])}, {"logits": tf.one_hot([3], 8)}
    (panels,) = _task().depict({"image": pair}, targets, outputs)
    assert [panel.caption for panel in panels] == ["upper right", "left"]
    true, answer = (panel.pixels[..., 0] for panel in panels)
    assert true.shape == (22, 22)
    assert {true[10, 10], answer[10, 10]} == {51}
    assert {true[2, 19], answer[10, 2]} == {153}
    assert (np.count_nonzero(true), np.count_nonzero(answer)) == (72, 72)


def _found(images, cue, **options):
    patches, labels = make_examples(_task(max_side=images.shape[1], **options), images)
    return accuracy(cue(patches), labels)


def test_edges_do_not_tell_the_direction():
    def distances(patches):
        return edge_distances(patches, [(0, 1)])

    assert _found(smooth_images(64), distances, gap=0, jitter=0) > 2 * most_of_guessing(8)
    assert _found(smooth_images(84), distances) < most_of_guessing(8)


def test_color_fringes_do_not_tell_the_direction():
    images = fringed_images(84)
    assert _found(images, fringe_shifts, colors="keep") > 0.8
    for colors in ("drop", "project"):
        assert _found(images, fringe_shifts, colors=colors) < most_of_guessing(8)


def test_the_grid_of_a_jpeg_does_not_tell_the_direction():
    # Patches of 36 pixels side by side begin at two phases of the grid.
    open_options = {"patch_size": 36, "gap": 0, "jitter": 0}
    assert _found(block_images(72), block_phases, **open_options) > 2 * most_of_guessing(8)
    assert _found(block_images(100), block_phases, min_side=100) < most_of_guessing(8)


def test_published_head_answers_about_a_pair_through_residual_units():
    task = _task(head="residual", residual_channels=(6, 5), residual_width=3, pair_width=2)
    taps = {"block3_unit3": Tap("block3_unit3", 8, 2.0, 4)}
    head = task.build_head(taps, 0)
    features = {"top": tf.random.stateless_normal([4, 4, 4, 4], [1, 2])}
    outputs = head(features, {"image": tf.zeros([2, 2, 32, 32, 3])}, taps)
    assert outputs["logits"].shape == [2, 8]
    assert head.code_size == 5


def test_options_are_completed_and_checked():
    options = RelativePositionOptions().completed({}, 227)
    assert options.patch_size == 227
    assert options.view.crop_size == options.view.min_side == options.view.max_side // 2
    check_options(options, "relative_position_")
    message = r"--relative_position_patch_size.*=96: the backbone takes 227"
    with pytest.raises(UsageError, match=message):
        RelativePositionOptions(patch_size=96).completed({}, 227)
    with pytest.raises(UsageError, match="crop_size=254, min_side=250, max_side=508"):
        RelativePositionOptions(readout="average", patch_size=96, min_side=250).completed({}, 227)
    with pytest.raises(UsageError, match="expected --relative_position_readout=average, not top"):
        RelativePositionOptions(head="residual")
    with pytest.raises(UsageError, match="--relative_position_colors=all: expected one of drop"):
        check_options(RelativePositionOptions(colors="all"), "relative_position_")
