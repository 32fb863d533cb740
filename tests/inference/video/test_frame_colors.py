import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.lightness import quantize_rgb
from tfcolor.core.errors import UsageError
from tfcolor.inference.hint_field import HintOptions
from tfcolor.inference.hints import Hints
from tfcolor.inference.photographs import BlendOptions
from tfcolor.inference.variations import Wishes
from tfcolor.inference.video.frame_colors import FrameColors, check_wishes
from tfcolor.inference.video.reading import FilmReader, open_film


@pytest.fixture(scope="module")
def film(write_film, scene, tmp_path_factory):
    return open_film(write_film(tmp_path_factory.mktemp("film") / "film.mkv", scene[:2]))


@pytest.fixture(scope="module")
def frame(film):
    return next(FilmReader(film).frames())


def paint(colorizer, film, frame, wishes=None, **settings):
    colors = FrameColors(colorizer, film, wishes or Wishes(), **settings)
    _, prediction = colors.predict(frame)
    return colors.paint(frame, prediction, begins_shot=True)


def test_a_frame_gets_the_colors_of_a_photograph(tiny_colorizer, film, frame):
    rgb, doubt = paint(tiny_colorizer, film, frame)
    expected = tiny_colorizer.colorize(tf.constant(frame.gray()))
    np.testing.assert_allclose(rgb, expected["rgb"][0], atol=1e-5)
    assert np.ptp(rgb, axis=-1).mean() > 0.01
    # Of the network's size, not of the frame's.
    np.testing.assert_allclose(doubt, expected["uncertainty"].numpy().mean(), atol=0.01)


def test_exact_colors_keep_the_lightness(tiny_colorizer, film, frame):
    rgb, _ = paint(tiny_colorizer, film, frame, is_exact=True)
    float_rgb, _ = paint(tiny_colorizer, film, frame)
    np.testing.assert_array_equal(rgb, quantize_rgb(float_rgb))
    np.testing.assert_array_equal(rgb.sum(axis=-1, dtype=int), 3 * frame.samples.astype(int))


def test_strength_scales_the_colors(tiny_colorizer, film, frame):
    full, _ = paint(tiny_colorizer, film, frame)
    half, _ = paint(tiny_colorizer, film, frame, Wishes(blend=BlendOptions(strength=0.5)))
    gray = frame.gray()[0]
    np.testing.assert_allclose(half - gray, (full - gray) / 2, atol=1e-6)


def test_the_network_sees_square_pixels(tiny_colorizer, film, frame):
    wide = dataclasses.replace(film, pixel_aspect=Fraction(3, 2))
    colors = FrameColors(tiny_colorizer, wide, Wishes())
    seen, prediction = colors.predict(frame)
    assert seen.shape == (24, 48)  # of 48 x 96 square pixels
    rgb, _ = colors.paint(frame, prediction, begins_shot=True)
    assert rgb.shape == (48, 64, 3)
    np.testing.assert_allclose(rgb.mean(axis=-1), frame.gray()[0, ..., 0], atol=1e-6)


def test_wished_histograms_are_favored_through_a_shot(tiny_colorizer, film, frame):
    blue = np.eye(8)[5] * 0.9 + 0.1 / 8
    wishes = Wishes(targets={"hue": blue}, target_weight=100.0)
    colors = FrameColors(tiny_colorizer, film, wishes)
    _, prediction = colors.predict(frame)
    first, _ = colors.paint(frame, prediction, begins_shot=True)
    bias = dict(colors.bias)
    assert bias["hue"].argmax() == 5
    other = prediction[::-1].copy()
    colors.paint(frame, other, begins_shot=False)
    np.testing.assert_array_equal(colors.bias["hue"], bias["hue"])
    colors.paint(frame, other, begins_shot=True)
    resumed = FrameColors(tiny_colorizer, film, wishes)
    resumed.bias = bias
    np.testing.assert_array_equal(resumed.paint(frame, prediction, begins_shot=False)[0], first)


HINT = Hints("hints", np.array([[1, 2]]), np.float32([[1, 0, 0]]))


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        (Wishes(decodings=(DecodingOptions(), DecodingOptions(seed=1))), "--num_samples=2"),
        (Wishes(hints=HINT, hint_options=HintOptions()), "hints are for one photograph"),
        (Wishes(reference_rgb=np.zeros([2, 3, 3], np.float32)), "use --transfer=energy"),
        (Wishes(blend=BlendOptions(layer="ab")), "--layer=ab"),
    ],
)
def test_wishes_for_photographs_alone_are_refused(tiny_colorizer, wishes, reason):
    with pytest.raises(UsageError, match=reason):
        check_wishes(wishes, tiny_colorizer)
    check_wishes(Wishes(), tiny_colorizer)
