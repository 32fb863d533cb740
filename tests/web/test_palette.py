import colorsys

import numpy as np
import pytest

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs import OUTPUT_SPACES
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.web.palette import likely_colors

BINS = 16


def peaked(places, size=BINS):
    """Returns float32 [size], almost all of it at some bins with given shares."""
    histogram = np.full(size, 1e-6)
    for place, share in places.items():
        histogram[place] = share
    return np.float32(histogram / histogram.sum())


def to_rgb(color):
    return np.array(list(bytes.fromhex(color.rgb[1:]))) / 255


def test_each_peak_of_the_hue_becomes_a_color_of_its_share():
    histograms = {"hue": peaked({1: 0.7, 9: 0.3}), "chroma": peaked({6: 1.0})}
    colors = likely_colors(HueChroma(BINS), DecodingOptions(), histograms, 0.5, num_colors=2)
    hues = [colorsys.rgb_to_hsv(*to_rgb(color))[0] for color in colors]
    # Bin k holds the hues from k / 16 to (k + 1) / 16.
    assert hues == pytest.approx([1.5 / BINS, 9.5 / BINS], abs=0.04)
    assert [color.share for color in colors] == pytest.approx([0.7, 0.3], abs=0.08)


def test_colors_have_the_lightness_of_the_pixel():
    histograms = {"hue": np.full(BINS, 1 / BINS), "chroma": np.full(BINS, 1 / BINS)}
    for lightness in (0.2, 0.8):
        colors = likely_colors(HueChroma(BINS), DecodingOptions(), histograms, lightness)
        means = [to_rgb(color).mean() for color in colors]
        assert means == pytest.approx([lightness] * len(colors), abs=1 / 255)
        assert 3 <= len({color.rgb for color in colors}) == len(colors) <= 8
        assert sum(color.share for color in colors) <= 1


def test_a_sure_prediction_gives_one_color():
    histograms = {"hue": peaked({3: 1.0}), "chroma": peaked({2: 1.0})}
    assert len(likely_colors(HueChroma(BINS), DecodingOptions(), histograms, 0.5)) == 1


@pytest.mark.parametrize("name", OUTPUT_SPACES)
def test_every_space_has_a_palette_or_says_that_it_has_none(name):
    space = OUTPUT_SPACES[name](0)
    predictions = {output.name: np.full(output.size, 1 / output.size) for output in space.outputs}
    colors = likely_colors(space, DecodingOptions(), predictions, 0.5)
    assert bool(colors) == bool(space.histograms)
    assert [color.share for color in colors] == sorted((c.share for c in colors), reverse=True)
