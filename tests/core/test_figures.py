import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.core.figures import save_figure


def test_figures_are_written_whole(tmp_path):
    figure = Figure()
    figure.subplots().bar([20.0, 25.0], [1, 2], color="black")
    save_figure(figure, tmp_path / "new/figure.png")
    with Image.open(tmp_path / "new/figure.png") as picture:
        assert picture.format == "PNG"
        assert np.ptp(np.asarray(picture.convert("L"))) > 200
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["figure.png"]
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        save_figure(figure, tmp_path / "file/figure.png")
