"""Tests of the figures of chapter 1."""

import numpy as np
import pytest

from tfcolor.analysis.parts_figures import (
    CodePanel,
    PictureRow,
    draw_parts,
    draw_permutations,
    draw_picture_rows,
    draw_turned_codes,
    to_bytes,
)


def test_rows_have_labels_and_columns_have_names():
    pictures = list(np.random.default_rng(0).integers(0, 256, (3, 5, 4, 1), np.uint8))
    rows = [PictureRow("up", pictures), PictureRow("down", pictures[:1])]
    figure = draw_picture_rows(rows, ["a", "b", "c"], "title")
    upper, lower = figure.axes
    assert [label.get_text() for label in upper.get_xticklabels()] == ["a", "b", "c"]
    assert upper.get_xticks().tolist() == [2, 9, 16]
    assert not lower.get_xticklabels()
    mosaic = lower.images[0].get_array()
    assert mosaic.shape == (5, 3 * 5 + 2 * 2, 3)
    np.testing.assert_array_equal(mosaic[:, :4], np.repeat(pictures[0], 3, axis=-1))
    assert (mosaic[:, 4:] == 255).all()


def test_parts_stand_in_reading_order():
    pictures = np.random.default_rng(0).random((5, 6, 6, 1), np.float32)
    (axes,) = draw_parts([("title", pictures)]).axes
    mosaic = axes.images[0].get_array()
    assert mosaic.shape == (2 * 24 + 2, 3 * 24 + 2 * 2, 3)
    fifth = mosaic[26:50:4, 26:50:4, 0]
    np.testing.assert_allclose(fifth, 255 * pictures[4, :, :, 0], atol=0.51)
    assert (mosaic[26:, 52:] == 255).all()


def test_directions_are_colors_and_nothing_is_white():
    panel = CodePanel("codes", np.array([[-1.0, 0.0, 120.0], [240.0, 359.9, 60.0]]))
    picture = CodePanel("image", np.full((4, 4, 1), 7, np.uint8))
    first, second, bar = draw_turned_codes([panel, picture], "title").axes
    image = first.images[0]
    colors = image.cmap(image.norm(panel.values))[..., :3]
    np.testing.assert_allclose(colors[0], [[1, 1, 1], [1, 0, 0], [0, 1, 0]], atol=0.1)
    np.testing.assert_allclose(colors[1, 0], [0, 0, 1], atol=0.1)
    np.testing.assert_allclose(colors[0, 1], colors[1, 1], atol=0.1)  # the circle closes
    assert (second.images[0].get_array() == 7).all()
    assert [label.get_text() for label in bar.get_xticklabels()][1:3] == ["up", "left"]


def test_blocks_that_meet_are_joined():
    matrix = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    figure = draw_permutations(matrix, 3, "title")
    upper, *pairings = figure.axes
    assert [text.get_text() for text in upper.texts] == list("012120201")
    assert [label.get_text() for label in upper.get_yticklabels()][1] == "t=0, r=1"
    for row, axes in zip(matrix, pairings, strict=True):
        ends = [line.get_ydata().tolist() for line in axes.lines]
        assert ends == [[block, place] for place, block in enumerate(row)]


@pytest.mark.parametrize(("size", "num_axes"), [(8, 1 + 8), (9, 1)])
def test_many_blocks_are_a_matrix_alone(size, num_axes):
    matrix = (np.arange(size)[:, None] + np.arange(size)) % size
    assert len(draw_permutations(matrix, size, "title").axes) == num_axes


def test_pictures_are_rounded_and_clipped():
    assert to_bytes(np.array([-1, 0.2, 0.999, 2])).tolist() == [0, 51, 255, 255]
