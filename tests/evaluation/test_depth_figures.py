import numpy as np
import pytest

from tfcolor.evaluation.depth_figures import (
    COLUMNS,
    LARGEST_ERROR,
    ShownDepth,
    draw_depth_errors,
    draw_depth_sheet,
)


def _shown(largest):
    truth = np.array([[1.0, 2.0, 0.0], [4.0, largest, 2.0]])
    return ShownDepth("best: a.png", np.zeros((2, 3, 3), np.uint8), truth, truth + 1)


def test_sheet_has_a_row_of_pictures_each_with_one_scale_for_all():
    figure = draw_depth_sheet([_shown(5.0), _shown(8.0)])
    pictures = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(pictures) == 2 * len(COLUMNS)
    assert [axes.get_title() for axes in figure.axes[:4]] == list(COLUMNS)
    for row in (pictures[:4], pictures[4:]):
        _, truth, predicted, error = row
        assert truth.get_clim() == predicted.get_clim() == (0, 8)
        assert error.get_clim() == (0, LARGEST_ERROR)
        is_unknown = [[False, False, True], [False, False, False]]
        np.testing.assert_array_equal(truth.get_array().mask, is_unknown)
        np.testing.assert_array_equal(error.get_array().mask, is_unknown)
        assert error.get_array()[0, 1] == pytest.approx(0.5)
    assert "depth (m)" in [axes.get_xlabel() for axes in figure.axes][-2]


def test_errors_are_drawn_in_percent_at_the_middle_of_their_range():
    edges = np.array([0.0, 0.5, 1.0])
    curves = {"network": np.array([np.nan, 0.1]), "mean depth": np.array([np.nan, 0.4])}
    (axes,) = draw_depth_errors(edges, curves).axes
    assert [line.get_label() for line in axes.lines] == ["network", "mean depth"]
    np.testing.assert_allclose(axes.lines[1].get_xydata()[1], [0.75, 40])
    assert axes.get_ylim()[0] == 0
