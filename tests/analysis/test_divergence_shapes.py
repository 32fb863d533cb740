import numpy as np
import pytest

from tfcolor.analysis.divergence_shapes import DivergenceShapesOptions, show_divergence_shapes
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options


@pytest.fixture(scope="module")
def found():
    return show_divergence_shapes(DivergenceShapesOptions(t=0.4))


def _curves(found, name):
    shape = found.numbers["divergences"][name]
    return np.array(shape["teacher_fixed"]), np.array(shape["student_fixed"])


def test_curves_reach_0_at_their_anchors_only(found):
    scores, anchors = np.array(found.numbers["scores"]), found.numbers["anchors"]
    assert anchors == [-2, 0, 2]
    for name in found.numbers["divergences"]:
        for curves in _curves(found, name):
            assert np.all(curves >= 0)
            np.testing.assert_allclose(scores[np.argmin(curves, axis=1)], anchors, atol=1e-9)
            np.testing.assert_allclose(curves.min(axis=1), 0, atol=1e-12)


def test_properties_of_the_four_divergences(found):
    scores = np.array(found.numbers["scores"])
    square = (scores - np.array([[-2], [0], [2]])) ** 2 / 2
    for curves in _curves(found, "squared distance"):
        np.testing.assert_allclose(curves, square, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(*_curves(found, "symmetric"), rtol=1e-9, atol=1e-12)
    # Anchors are 2 apart, which is 40 scores.
    for curves in _curves(found, "shift-invariant"):
        np.testing.assert_allclose(curves[0, :-40], curves[1, 40:], rtol=1e-9, atol=1e-12)
    student, teacher = _curves(found, "Kullback-Leibler")
    p, q = np.exp(0.4 * np.array([[-2], [0], [2]])), np.exp(0.4 * scores)
    expected = (p * np.log(p / q) - p + q) / 0.4**2
    np.testing.assert_allclose(student, expected, rtol=1e-9, atol=1e-9)
    assert np.abs(student - teacher).max() > 0.1


def test_figure_has_two_plots_for_each_of_four_divergences(found):
    axes = found.figure.get_axes()
    assert len(axes) == 8
    assert [len(one.lines) for one in axes] == [3] * 8
    assert found.headline == "4 alpha-beta divergences at t = 0.4"
    titles = [one.get_title() for one in axes if one.get_title()]
    assert titles[1:3] == ["Kullback-Leibler\n(0.4, 0)", "symmetric\n(0.4, 0.4)"]


def test_t_is_not_negative():
    with pytest.raises(UsageError, match=r"divergence_shapes_t=-1\.0: expected at least 0"):
        check_options(DivergenceShapesOptions(t=-1.0), "divergence_shapes_")
