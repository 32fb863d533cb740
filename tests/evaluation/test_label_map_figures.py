import numpy as np

from tfcolor.evaluation.label_map_figures import (
    VOID_COLOR,
    WRONG_COLOR,
    ShownLabels,
    class_palette,
    draw_class_bars,
    draw_confusion,
    draw_label_map_sheet,
    paint_errors,
    paint_label_map,
)

TRUTH = np.array([[0, 1, 255], [2, 2, 1]])
PREDICTED = np.array([[0, 2, 1], [2, 1, 1]])


def _shown():
    image = np.full((2, 3, 3), 100, np.uint8)
    return ShownLabels("a.png", image, TRUTH, PREDICTED)


def test_palette_is_that_of_voc():
    known = {5: (128, 0, 128), 8: (64, 0, 0), 15: (192, 128, 128), 20: (0, 64, 128)}
    palette = class_palette(21)
    assert {label: tuple(palette[label]) for label in known} == known
    assert len({tuple(color) for color in class_palette(256)}) == 256


def test_void_is_neither_class_nor_error():
    palette = class_palette(3)
    picture = paint_label_map(TRUTH, palette)
    assert tuple(picture[0, 2]) == VOID_COLOR
    np.testing.assert_array_equal(picture[1], palette[[2, 2, 1]])
    errors = paint_errors(_shown())
    assert tuple(errors[0, 2]) == VOID_COLOR
    is_red = (errors == WRONG_COLOR).all(axis=-1)
    np.testing.assert_array_equal(is_red, [[False, True, False], [False, True, False]])
    assert errors[0, 0].tolist() == [178, 178, 178]


def test_sheet_has_a_row_of_pictures_each_and_a_legend_of_what_occurs():
    figure = draw_label_map_sheet([_shown(), _shown()], ("sky", "tree", "house", "boat"))
    assert len([axes for axes in figure.axes if axes.images]) == 8
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["sky", "tree", "house", "void"]
    color = figure.legends[0].get_patches()[1].get_facecolor()
    np.testing.assert_allclose(color[:3], [128 / 255, 0, 0], atol=1e-6)


def test_bars_are_sorted_without_undefined_classes():
    figure = draw_class_bars(["a", "b", "c"], [0.5, np.nan, 0.25], "IoU")
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [25, 50]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c", "a"]
    assert "mean 37.5 %" in axes.get_title()


def test_confusion_is_shown_in_percent_of_the_true_class():
    figure = draw_confusion(np.array([[3, 1], [0, 0]]), ["a", "b"])
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, [[75, 25], [0, 0]])
