import json
import re

import numpy as np
import pytest

from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.core.errors import UserError
from tfcolor.inference.histogram_file import read_histograms, write_histograms


def test_what_is_written_is_read(tmp_path):
    random_numbers = np.random.default_rng(0)
    histograms = {name: random_numbers.dirichlet(np.ones(4)) for name in ("hue", "chroma")}
    write_histograms(tmp_path / "a.json", histograms)
    read = read_histograms(tmp_path / "a.json", HueChroma(4))
    assert set(read) == set(histograms)
    for name, histogram in histograms.items():
        np.testing.assert_allclose(read[name], histogram, atol=1e-8)


def test_counts_of_one_histogram_become_shares(tmp_path):
    (tmp_path / "a.json").write_text('{"hue": [0, 3, 1, 0]}')
    read = read_histograms(tmp_path / "a.json", HueChroma(4))
    assert {name: value.tolist() for name, value in read.items()} == {"hue": [0, 0.75, 0.25, 0]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": [1]}, "has a: expected lists for hue (4 bins), chroma (4 bins)"),
        ({}, "has nothing: expected lists"),
        ([1, 2], "has [1, 2]: expected lists"),
        ({"hue": [1, 2, 3]}, "hue has 3 numbers: expected 4, one per bin"),
        ({"hue": [1, 2, "x", 3]}, "hue is not a list of numbers"),
        ({"hue": [1, 2, -1, 3]}, "hue has negative or infinite numbers, or only 0"),
        ({"chroma": [0, 0, 0, 0]}, "chroma has negative or infinite numbers, or only 0"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, content, message):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=re.escape(message)):
        read_histograms(tmp_path / "a.json", HueChroma(4))


def test_files_that_are_none_are_user_errors(tmp_path):
    (tmp_path / "a.json").write_text("hue")
    with pytest.raises(UserError, match=r"a.json: not JSON"):
        read_histograms(tmp_path / "a.json", HueChroma(4))
    with pytest.raises(UserError, match=r"missing.json: no such file"):
        read_histograms(tmp_path / "missing.json", HueChroma(4))
