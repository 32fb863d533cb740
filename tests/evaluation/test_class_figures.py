import numpy as np
import sklearn.metrics

from tfcolor.evaluation.class_figures import (
    draw_confused_pairs,
    draw_few_label_curve,
    draw_precision_recall,
    precision_recall,
)


def test_curve_agrees_with_scikit_learn_over_ties_and_difficult_images():
    random_numbers = np.random.default_rng(0)
    labels = random_numbers.choice([1, 0, -1], 60)
    scores = random_numbers.integers(0, 12, 60)
    recall, precision = precision_recall(labels, scores)
    known = labels >= 0
    expected = sklearn.metrics.precision_recall_curve(labels[known], scores[known])
    np.testing.assert_allclose(precision, expected[0][-2::-1])
    np.testing.assert_allclose(recall, expected[1][-2::-1])
    assert [len(values) for values in precision_recall([0, -1], [1, 2])] == [0, 0]


def test_sheet_has_a_curve_per_class():
    curves = {f"class{number}": (np.array([0.5, 1]), np.array([1, 0.5])) for number in range(6)}
    curves["none"] = (np.zeros(0), np.zeros(0))
    figure = draw_precision_recall(curves, {**dict.fromkeys(curves, 0.75), "none": None})
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles[0] == "class0: AP 75.0 %"
    assert titles[-1] == "none: no positive"
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xydata(), [[50, 100], [100, 50]])


def test_most_frequent_mistake_is_on_top():
    confusion = np.array([[5, 0, 5], [1, 8, 1], [0, 7, 3]])
    (axes,) = draw_confused_pairs(confusion, ["a", "b", "c"]).axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["c taken for b", "a taken for c", "b taken for a", "b taken for c"]
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [7, 5, 1, 1])
    assert [text.get_text() for text in axes.texts] == ["70 %", "50 %", "10 %", "10 %"]
    assert axes.yaxis_inverted()
    (axes,) = draw_confused_pairs(np.diag([1, 2]), ["a", "b"]).axes
    assert axes.get_title() == "No mistake"


def test_curve_has_a_point_for_each_number_of_labels():
    (axes,) = draw_few_label_curve([5, 20], [0.25, 0.5], [0.01, 0], 0.1).axes
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[5, 25], [20, 50]])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["5", "20"]
