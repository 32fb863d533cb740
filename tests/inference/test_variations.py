import numpy as np
import pytest
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs import OUTPUT_SPACES
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.taps import Tap
from tfcolor.data.images import Photograph
from tfcolor.inference.hints import Hints
from tfcolor.inference.loading import SavedColorizer
from tfcolor.inference.painting import Painter, SizeOptions
from tfcolor.inference.variations import SampleOptions, Wishes, color_variations, vary_decoding


class Dreamer:
    """Predicts the same random histograms for every photograph, and counts calls."""

    def __init__(self, space="hue_chroma"):
        self.painter = Painter(OUTPUT_SPACES[space](), SizeOptions(min_side=1), Tap("grid", 4, 1.5))
        self.num_calls = 0

    def histograms(self, gray):
        self.num_calls += 1
        shape = (1, -(-gray.shape[1] // 4), -(-gray.shape[2] // 4))
        random_numbers = np.random.default_rng(0)
        return {
            name: tf.constant(random_numbers.dirichlet(np.full(size, 0.5), shape), tf.float32)
            for name, size in self.painter.space.histograms.items()
        }


PIXELS = np.random.default_rng(3).integers(60, 200, (18, 26, 3)).astype(np.uint8)
PHOTOGRAPH = Photograph("a.png", PIXELS, None, "PNG")


def _color(wishes, colorizer=None):
    return list(color_variations(colorizer or Dreamer(), PHOTOGRAPH, wishes))


def test_seeds_count_up_and_something_is_drawn():
    decoding = DecodingOptions(seed=5, use_fading=False)
    varied = vary_decoding(decoding, SampleOptions(num_samples=3))
    assert [(each.seed, each.sampling) for each in varied] == [
        (5, "once"),
        (6, "once"),
        (7, "once"),
    ]
    pixelwise = vary_decoding(DecodingOptions(sampling="pixelwise"), SampleOptions(num_samples=2))
    assert {each.sampling for each in pixelwise} == {"pixelwise"}
    assert not any(each.use_fading for each in varied)


def test_favored_colors_are_evenly_spaced():
    decoding = DecodingOptions(bias_strength=2.0, bias_angle=0.1)
    varied = vary_decoding(decoding, SampleOptions(num_samples=4, samples_by="bias"))
    np.testing.assert_allclose([each.bias_angle for each in varied], [0.1, 0.35, 0.6, 0.85])
    assert {(each.bias_strength, each.sampling) for each in varied} == {(2.0, "none")}


def test_one_sample_is_what_was_asked_for():
    for by in ("seed", "bias"):
        assert vary_decoding(DecodingOptions(), SampleOptions(samples_by=by)) == (
            DecodingOptions(),
        )


def test_a_bias_needs_strength():
    with pytest.raises(UsageError, match="give --decoding_bias_strength, for instance 1"):
        vary_decoding(DecodingOptions(), SampleOptions(num_samples=2, samples_by="bias"))


@pytest.mark.parametrize("by", ["seed", "bias"])
def test_variations_differ_and_the_network_looks_once(by):
    decoding = DecodingOptions(bias_strength=3.0, use_fading=False)
    decodings = vary_decoding(decoding, SampleOptions(num_samples=3, samples_by=by))
    dreamer = Dreamer()
    colored = _color(Wishes(decodings), dreamer)
    assert dreamer.num_calls == 1
    assert len(colored) == 3
    for index, one in enumerate(colored):
        error = np.abs(one.rgb.mean(axis=-1) - PIXELS.mean(axis=-1))
        assert error.max() <= 1 / 6 + 1e-4  # float32
        for other in colored[:index]:
            assert np.abs(one.rgb.astype(int) - other.rgb).mean() > 1


def test_a_variation_is_its_decoding():
    decodings = vary_decoding(DecodingOptions(use_fading=False), SampleOptions(num_samples=2))
    colored = _color(Wishes(decodings))
    painter = Dreamer().painter
    gray = tf.constant(PIXELS.mean(axis=-1, dtype=np.float32)[None, ..., None] / 255)
    expected = painter.paint(gray, Dreamer().histograms(gray), decodings[1])["rgb"][0]
    # One step where rounding falls on another side of a half.
    assert np.abs(colored[1].rgb - 255 * expected.numpy()).max() <= 1.01


def test_targets_move_the_colors():
    target = np.eye(32)[21] * 0.97 + 0.03 / 32
    plain, moved = (
        _color(wishes)[0].rgb / 255 for wishes in (Wishes(), Wishes(targets={"hue": target}))
    )
    assert np.mean(moved[..., 2] - moved[..., 0]) > np.mean(plain[..., 2] - plain[..., 0]) + 0.05
    unweighted = _color(Wishes(targets={"hue": target}, target_weight=0.0))[0].rgb / 255
    np.testing.assert_allclose(unweighted, plain, atol=1.01 / 255)


def test_a_reference_gives_its_colors():
    reference = np.full((9, 9, 3), (0.2, 0.4, 0.6), np.float32)
    rgb = _color(Wishes(reference_rgb=reference))[0].rgb.astype(int)
    assert np.all(rgb[..., 2] > rgb[..., 1]) and np.all(rgb[..., 1] > rgb[..., 0])
    np.testing.assert_allclose(rgb.mean(axis=-1), PIXELS.mean(axis=-1), atol=0.34)


def test_hints_are_checked_against_the_photograph():
    hints = Hints("h.json", np.array([(18, 0)]), np.zeros((1, 3), np.float32))
    with pytest.raises(UserError, match=r"row 18, column 0 lies outside of a.png of 26x18 pixels"):
        _color(Wishes(hints=hints))


def test_what_a_colorizer_cannot_do_is_said(colorizer_export):
    two = vary_decoding(DecodingOptions(), SampleOptions(num_samples=2))
    hints = Hints("h.json", np.array([(0, 0)]), np.zeros((1, 3), np.float32))
    with pytest.raises(UsageError, match="--num_samples=2: the network predicts lab_values"):
        Wishes(two).check(Dreamer("lab_values"))
    with pytest.raises(UsageError, match="no histograms to move"):
        Wishes(targets={}).check(Dreamer("lab_values"))
    with pytest.raises(UserError, match="hints need histograms"):
        Wishes(hints=hints).check(Dreamer("lab_values"))
    Wishes(two, targets={}, hints=hints).check(SavedColorizer(colorizer_export))
