import numpy as np
import pytest

from tfcolor.analysis.heldout_curves import trace_looks
from tfcolor.core.errors import UserError
from tfcolor.training.events import Events


def write(folder, curves):
    """Writes losses by folder of the events and tag, a look every ten steps."""
    events = Events(folder / "events", is_active=True)
    for curve, tags in curves.items():
        for tag, losses in tags.items():
            for number, loss in enumerate(losses):
                events.write(curve, {tag: loss, f"{tag}_hue": 7.0}, 10 * number)
    events.flush()
    return str(folder)


@pytest.fixture
def runs(tmp_path):
    looks = {
        "eval": {"loss": [4.0, 3.0, 3.5]},
        "eval_train": {"loss": [4.0, 2.0, 1.0]},
        "eval_constant": {"loss": [3.75, 3.75, 3.75]},
    }
    joint = {"eval": {"jigsaw/loss": [1.0, 2.0], "rotation/loss": [2.0, 1.0]}}
    return {"one": write(tmp_path / "one", looks), "two": write(tmp_path / "two", joint)}


def test_every_task_is_a_panel_with_its_best_look(runs):
    findings = trace_looks(runs)
    panels = findings.numbers["panels"]
    assert [one["title"] for one in panels] == ["one", "two, jigsaw", "two, rotation"]
    assert [(one["best_step"], one["best_loss"]) for one in panels] == [(10, 3), (0, 1), (10, 1)]
    assert panels[0]["eval"] == {"steps": [0, 10, 20], "losses": [4.0, 3.0, 3.5]}
    assert "eval_constant" not in panels[1]
    assert findings.headline == "2 of 3 held-out losses were lower than at the start"
    assert ("one/eval_constant_loss", 20, 3.75) in findings.scalars


def test_lines_are_what_was_measured(runs):
    axes = trace_looks(runs).figure.axes
    assert [one.get_title() for one in axes] == ["one", "two, jigsaw", "two, rotation"]
    lines = {line.get_label(): line.get_ydata() for line in axes[0].lines}
    np.testing.assert_array_equal(lines["training images"], [4, 2, 1])
    np.testing.assert_array_equal(lines["held-out images"], [4, 3, 3.5])
    np.testing.assert_array_equal(lines["best constant answer"], [3.75] * 3)
    assert len(axes[1].lines) == 1


def test_a_look_that_was_repeated_counts_once(tmp_path):
    folder = write(tmp_path, {"eval": {"loss": [4.0, 3.0]}})
    write(tmp_path, {"eval": {"loss": [4.0, 2.0]}})
    (panel,) = trace_looks({"again": folder}).numbers["panels"]
    assert panel["eval"] == {"steps": [0, 10], "losses": [4.0, 2.0]}


def test_a_folder_without_looks_is_named(tmp_path):
    with pytest.raises(UserError, match="has no look at held-out images in its events"):
        trace_looks({"none": str(tmp_path)})
