import numpy as np
import pytest

from tfcolor.evaluation.figures import (
    draw_contact_sheet,
    draw_error_curves,
    draw_psnr_histogram,
    draw_reliability,
)


def test_error_curves_are_in_percent():
    errors = np.linspace(0, 2, 9)
    figure = draw_error_curves({"ours": (errors, errors / 4), "gray": (errors, errors / 8)}, 0.01)
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines] == ["ours", "gray"]
    np.testing.assert_allclose(axes.lines[0].get_xydata(), np.stack([errors, 25 * errors], -1))
    assert "eps = 0.01" in axes.get_xlabel()


@pytest.mark.parametrize("values", [[24.0], [20.0, 21.5, 30.0, 30.0]])
def test_every_photograph_is_in_the_histogram(values):
    figure = draw_psnr_histogram({"ours": values, "gray": values[::-1]})
    (axes,) = figure.axes
    counts = sum(bar.get_height() for bar in axes.patches if hasattr(bar, "get_height"))
    assert counts == 2 * len(values)
    (_, labels) = axes.get_legend_handles_labels()
    assert f"ours, mean {np.mean(values):.2f} dB" in labels


def test_reliability_shows_groups_that_have_pixels():
    confidence, accuracy = np.array([0.1, 0.0, 0.8]), np.array([0.3, 0.0, 0.6])
    figure = draw_reliability("hue", (confidence, accuracy, np.array([0.25, 0, 0.75])), 0.2)
    upper, lower = figure.axes
    np.testing.assert_allclose(upper.lines[1].get_xydata(), [[0.1, 0.3], [0.8, 0.6]])
    assert [bar.get_height() for bar in lower.patches] == [25, 0, 75]
    assert "hue: calibration error 0.200" in upper.get_title()


def test_contact_sheet_shows_pictures_in_their_order():
    pictures = [np.full((4, 6, 3), level, np.uint8) for level in (10, 20, 30)]
    blocks = {"best": [("a, 30.0 dB", pictures)] * 2, "worst": [("b, 10.0 dB", pictures[::-1])]}
    figure = draw_contact_sheet(blocks)
    shown = [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes if axes.images]
    assert shown == [10, 20, 30, 10, 20, 30, 30, 20, 10]
