import numpy as np
import pytest
import skimage.color
import tensorflow as tf

from tfcolor.data.inception_views import inception_colors, inception_crop

# Stays in [0, 1] whatever is done to it, so that no order hides behind a clip.
MILD = np.random.default_rng(0).uniform(0.44, 0.56, (13, 17, 3)).astype(np.float32)
HEIGHT, WIDTH = 90, 130
# Red tells the row and green the column of each pixel.
RAMP = np.zeros([HEIGHT, WIDTH, 3], np.uint8)
RAMP[..., 0] = 2 * np.arange(HEIGHT)[:, np.newaxis]
RAMP[..., 1] = np.arange(WIDTH)


def _seed(number):
    return tf.constant([7, number], tf.int64)


def test_crops_have_random_area_and_aspect_and_lie_anywhere():
    areas, aspects, centers = [], [], []
    for number in range(60):
        crop = inception_crop(tf.constant(RAMP), _seed(number), 21, 0.08).numpy() * 255
        rows, columns = crop[:, 10, 0] / 2, crop[10, :, 1]
        # Away from the border, where ramps bend, their slope is that of the crop.
        height, width = 21 * np.diff(rows[5:16]).mean(), 21 * np.diff(columns[5:16]).mean()
        areas.append(height * width / (HEIGHT * WIDTH))
        aspects.append(width / height)
        centers.append((rows[10] / HEIGHT, columns[10] / WIDTH))
    assert 0.07 < min(areas) < 0.2
    assert 0.7 < max(areas) < 1.03
    assert 0.72 < min(aspects) < 0.9
    assert 1.1 < max(aspects) < 1.39
    assert np.all(np.std(centers, axis=0) > 0.08)


def test_the_whole_photograph_is_the_largest_crop():
    square = np.random.default_rng(2).integers(0, 256, (12, 12, 3)).astype(np.uint8)
    crop = inception_crop(tf.constant(square), _seed(0), 12, 1.0)
    np.testing.assert_allclose(crop, square / 255, atol=1e-5)


def test_inception_colors_are_its_four_changes_in_one_of_its_orders():
    seen = set()
    for number in range(16):
        seeds = tf.unstack(tf.random.experimental.stateless_split(_seed(number), 5))
        draw = tf.random.stateless_uniform
        shift = float(draw([], seeds[0], -32 / 255, 32 / 255))
        color, contrast = (float(draw([], seeds[one], 0.5, 1.5)) for one in (1, 3))
        turn = float(draw([], seeds[2], -0.2, 0.2))
        changes = {
            "b": lambda view, shift=shift: view + shift,
            "s": lambda view, color=color: _in_hsv(view, 1.0 * color, 0.0),
            "h": lambda view, turn=turn: _in_hsv(view, 1.0, turn),
            "c": lambda view, factor=contrast: (
                (view - view.mean(axis=(0, 1))) * factor + view.mean(axis=(0, 1))
            ),
        }
        found = inception_colors(tf.constant(MILD), _seed(number)).numpy()
        assert 0 <= found.min() < found.max() <= 1
        for order in ("bshc", "sbch", "chbs", "hscb"):
            view = MILD.astype(np.float64)
            for name in order:
                view = changes[name](view)
            if np.abs(np.clip(view, 0, 1) - found).max() < 1e-4:
                seen.add(order)
                break
        else:
            pytest.fail(f"no order gives what seed {number} does")
    assert len(seen) > 2


def _in_hsv(view, factor, turn):
    """Changes saturation and hue by scikit-image alone."""
    hsv = skimage.color.rgb2hsv(view)
    hsv[..., 1] = np.clip(hsv[..., 1] * factor, 0, 1)
    hsv[..., 0] = (hsv[..., 0] + turn) % 1
    return skimage.color.hsv2rgb(hsv)
