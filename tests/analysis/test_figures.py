import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tfcolor.analysis.figures import (
    PatchBlock,
    draw_feature_shift,
    draw_filters,
    draw_patch_sheet,
    rasterize,
)
from tfcolor.analysis.patches import cut_patch
from tfcolor.core.figures import save_figure


def test_bars_and_whiskers_are_medians_and_quartiles():
    layers = [
        {
            "layer": "conv1",
            "lower_quartile": 0.5,
            "median": 0.75,
            "upper_quartile": 0.875,
            "num_dead": 0,
        },
        {
            "layer": "fc7",
            "lower_quartile": -0.25,
            "median": 0.0,
            "upper_quartile": 0.5,
            "num_dead": 3,
        },
        {
            "layer": "fc8",
            "lower_quartile": np.nan,
            "median": np.nan,
            "upper_quartile": np.nan,
            "num_dead": 8,
        },
    ]
    (axes,) = draw_feature_shift(layers, "title").axes
    bars, whiskers = axes.containers
    assert [bar.get_height() for bar in bars] == [0.75, 0, 0]
    segments = whiskers.lines[2][0].get_segments()
    assert [segment[:, 1].tolist() for segment in segments[:2]] == [[0.5, 0.875], [-0.25, 0.5]]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["conv1", "fc7 (3 dead)", "fc8 (8 dead)"]
    assert axes.get_ylim()[0] < -0.25


def test_sheet_has_a_row_for_each_feature_and_a_block_for_each_network():
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    patches = [cut_patch(image, (3, 3 + shift), 4) for shift in range(3)]
    blocks = [PatchBlock("before", [patches[:2], patches]), PatchBlock("after", [[], patches[:1]])]
    before, after = draw_patch_sheet("fc7", [3, 17], blocks, 3).axes
    assert (before.get_title(), after.get_title()) == ("before", "after")
    assert [label.get_text() for label in before.get_yticklabels()] == ["fc7 #3", "fc7 #17"]
    mosaic = before.images[0].get_array()
    assert mosaic.shape == (2 * 4 + 2, 3 * 4 + 2 * 2, 3)
    np.testing.assert_array_equal(mosaic[:4, 6:10], patches[1].pixels)
    np.testing.assert_array_equal(mosaic[6:, 12:], patches[2].pixels)
    assert (mosaic[:4, 12:] == 255).all()
    np.testing.assert_array_equal(after.images[0].get_array()[6:, :4], patches[0].pixels)
    assert [text.get_text() for text in after.texts] == ["never active"]


@pytest.mark.parametrize("channels", [1, 3])
def test_every_filter_is_normalized_by_itself(channels):
    kernel = np.random.default_rng(1).normal(size=(11, 11, channels, 5))
    kernel[..., 2] *= 100
    kernel[..., 4] = 0
    (axes,) = draw_filters(kernel, "title").axes
    mosaic = axes.images[0].get_array()
    pitch, side = 2 * 11 + 2, 2 * 11
    assert mosaic.shape == (side, 5 * pitch - 2, 3)
    for index in range(5):
        picture = mosaic[::2, index * pitch : index * pitch + side : 2].astype(float)
        one = kernel[..., index]
        expected = 127.5 + 127.5 * one / (abs(one).max() or 1)
        np.testing.assert_allclose(picture, np.broadcast_to(expected, picture.shape), atol=0.51)


def test_many_filters_fill_several_rows():
    (axes,) = draw_filters(np.ones((3, 3, 1, 30)), "title").axes
    assert axes.images[0].get_array().shape == (3 * 26 - 2, 12 * 26 - 2, 3)


def test_figure_is_saved_and_rasterized(tmp_path):
    figure = Figure(figsize=(2, 1), dpi=50)
    figure.patch.set_facecolor("red")
    assert rasterize(figure).shape == (50, 100, 3)
    assert (rasterize(figure) == [255, 0, 0]).all()
    save_figure(figure, tmp_path / "new/figure.png")
    assert Image.open(tmp_path / "new/figure.png").size == (300, 150)
