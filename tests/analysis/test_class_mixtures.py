"""Tests of the mean pictures of classes."""

import numpy as np
import pytest

from tfcolor.analysis.class_mixtures import NamedArrays, show_class_mixtures
from tfcolor.core.errors import UserError


def pictures(components, seed=0):
    """Returns float32 [3, M, 8, 6, 1]."""
    return np.random.default_rng(seed).random((3, components, 8, 6, 1), np.float32)


def labels_of(found):
    """Returns what stands beside each row."""
    return [axes.get_yticklabels()[0].get_text() for axes in found.figure.axes]


def test_rotated_classes_are_shown_before_and_after_setting_upright():
    upright = {"class_pictures": pictures(1), "num_rotations": np.array(1)}
    rotated = {
        "class_pictures": pictures(2, 1),
        "upright_class_pictures": pictures(2, 2),
        "num_rotations": np.array(16),
    }
    runs = [NamedArrays("runs/plain", upright), NamedArrays("runs/turned", rotated)]
    found = show_class_mixtures(runs)
    assert [(row["model"], row["stage"], row["component"]) for row in found.numbers["rows"]] == [
        ("runs/plain", "as found", 0),
        ("runs/turned", "as found", 0),
        ("runs/turned", "as found", 1),
        ("runs/turned", "set upright", 0),
        ("runs/turned", "set upright", 1),
    ]
    last = found.numbers["rows"][-1]["contrast"]
    expected = [np.std(one) for one in rotated["upright_class_pictures"][:, 1]]
    assert last == pytest.approx(expected)
    assert labels_of(found)[0] == "plain"
    assert labels_of(found)[-1] == "turned\nset upright\ncomponent 1"
    mosaic = found.figure.axes[2].images[0].get_array()
    cell = np.round(255 * rotated["class_pictures"][1, 1])
    np.testing.assert_array_equal(mosaic[:8, 10:16], np.repeat(cell, 3, axis=-1))
    assert ("contrast_4", 2, last[2]) in found.scalars


def test_run_without_class_mixture_is_refused():
    runs = [NamedArrays("runs/svm", {"num_rotations": np.array(1)})]
    with pytest.raises(UserError, match=r"runs/svm has no mixture .*--classifier=mixture"):
        show_class_mixtures(runs)
