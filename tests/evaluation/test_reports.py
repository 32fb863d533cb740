import numpy as np
import pytest
from matplotlib.figure import Figure

from tfcolor.core.errors import UserError
from tfcolor.evaluation.reports import Reports, ranked_blocks


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


def test_what_is_wanted_is_written_and_nothing_else_is_drawn(tmp_path):
    drawn = []

    def drawings():
        for name in ("curve", "sheet"):
            drawn.append(name)
            yield name, Figure()

    rows = [{"image": "one.png", "score": 3}]
    Reports().write(rows, drawings())
    Reports(table=f"{tmp_path}/table.csv").write(rows, drawings())
    assert not drawn
    assert (tmp_path / "table.csv").read_text() == "image,score\none.png,3\n"
    Reports(figures=f"{tmp_path}/figures").write(rows, drawings())
    assert drawn == ["curve", "sheet"]
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    assert files == {"curve.png", "sheet.png"}


def test_what_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    for reports in (Reports(table=f"{tmp_path}/file/x"), Reports(figures=f"{tmp_path}/file")):
        with pytest.raises(UserError, match="cannot write"):
            reports.check()
    Reports().check()
