import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.evaluation.reports import Reports, ranked_blocks
from tfcolor.evaluation.scores import ColorScores


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 40])
def test_blocks_hold_the_extremes_and_the_middle(count):
    decibels = np.random.default_rng(count).permutation(count).astype(float)
    blocks = {name: decibels[chosen].tolist() for name, chosen in ranked_blocks(decibels).items()}
    shown = [*blocks["best"], *blocks["median"], *blocks["worst"]]
    assert shown == sorted(shown, reverse=True)
    assert len(set(shown)) == len(shown) == min(count, 9)
    assert blocks["best"][0] == count - 1
    assert shown[-1] == 0
    if blocks["median"]:
        assert abs(np.median(blocks["median"]) - np.median(decibels)) <= 1


def test_what_is_wanted_is_written_for_a_single_gray_photograph(tmp_path):
    rgb = tf.random.stateless_uniform([1, 13, 17, 3], [1, 2])
    scores = ColorScores(0.01, None)
    scores.add("one.png", rgb, tf.repeat(tf.reduce_mean(rgb, -1, keepdims=True), 3, -1))
    asked = []

    def show(row):
        asked.append(row)
        return rgb, rgb

    Reports().write(scores, show)
    assert not asked
    Reports(f"{tmp_path}/table.csv", f"{tmp_path}/figures").write(scores, show)
    assert asked == [0]
    assert "one.png" in (tmp_path / "table.csv").read_text()
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert figures == {"contact_sheet.png", "error_curve.png", "psnr_histogram.png"}


def test_what_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    for reports in (Reports(table=f"{tmp_path}/file/x"), Reports(figures=f"{tmp_path}/file")):
        with pytest.raises(UserError, match="cannot write"):
            reports.check()
    Reports().check()
