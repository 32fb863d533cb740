import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfcolor.analysis.findings import Findings, check_folder, write_findings
from tfcolor.core.errors import UserError


@pytest.fixture
def findings():
    return Findings(
        "shift",
        {"median": 0.5, "correlations": [1.0, float("nan")]},
        Figure(figsize=(2, 1)),
        [("median", 0, 0.25), ("median", 1, 0.5)],
        "a line",
    )


def test_figure_and_numbers_are_written(findings, tmp_path):
    paths = write_findings(findings, tmp_path / "new")
    assert paths["figure"] == tmp_path / "new/shift.png"
    assert Image.open(paths["figure"]).format == "PNG"
    assert json.loads(paths["json"].read_text()) == {"median": 0.5, "correlations": [1.0, None]}


def test_tensorboard_has_a_page(findings, tmp_path):
    folder = write_findings(findings, tmp_path)["events"] / "shift"
    events = EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0})
    events.Reload()
    assert sorted(events.Tags()["tensors"]) == ["figure", "median"]
    values = [
        (
            event.step,
            np.frombuffer(event.tensor_proto.tensor_content, np.float32)
            if event.tensor_proto.tensor_content
            else event.tensor_proto.float_val,
        )
        for event in events.Tensors("median")
    ]
    assert [(step, float(value[0])) for step, value in values] == [(0, 0.25), (1, 0.5)]
    width, height, picture = events.Tensors("figure")[0].tensor_proto.string_val
    assert (int(width), int(height)) == (200, 100)
    assert picture.startswith(b"\x89PNG")


def test_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        check_folder(tmp_path / "file")
    check_folder(tmp_path / "new")
