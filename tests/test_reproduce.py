"""`reproduce` as a user runs it, on tiny networks."""

import json
import shutil

import pytest
from PIL import Image

from tfcolor.config.command import execute
from tfcolor.reproduce import COMMAND

TINY = """--num_steps=2
--rate_drops=1
--batch_size=2
--colorization_crop_size=32
--colorization_min_side=32
--colorization_max_side=40
--colorization_num_locations=4
--colorization_edge=4
--colorization_hidden_units=8
--vgg16_width_multiplier=0.03125
--checkpoint_every_steps=2
--log_every_steps=1
--evaluate_every_steps=2
--evaluate_num_examples=2
"""


@pytest.mark.slow
def test_a_row_is_trained_measured_and_pictured(photos, tmp_path):
    data, output = tmp_path / "data", tmp_path / "out"
    for name in ("train", "val"):
        shutil.copytree(photos, data / name)
    (tmp_path / "tiny.cfg").write_text(TINY)
    flags = ["--table=2.2", f"--data={data}", "--seeds=1", "--rows=gray,fading"]
    flags += [f"--output={output}", f"--train_flagfile={tmp_path / 'tiny.cfg'}"]
    assert execute(COMMAND, flags) == 0
    records = json.loads((output / "report.json").read_text())
    measured = {record["row"] for record in records if record["mean"] is not None}
    assert measured == {"No colorization", "+ chromatic fading"}
    assert Image.open(output / "pictures.png").width == 3 * 260 + 4
    # Finished work is recognized.
    stamp = (output / "runs/hue_chroma_seed0/result.json").stat().st_mtime_ns
    assert execute(COMMAND, flags) == 0
    assert (output / "runs/hue_chroma_seed0/result.json").stat().st_mtime_ns == stamp


def test_usage_errors_have_status_2(capsys):
    assert execute(COMMAND, ["--table=9.9"]) == 2
    assert "--table=9.9" in capsys.readouterr().err
