from pathlib import Path

import pytest

from tfcolor.config.reproduction.layout import COLORIZATION
from tfcolor.config.reproduction.options import ReproduceOptions, choose_output, find_place
from tfcolor.core.errors import UsageError, UserError


def test_tables_share_a_folder_of_runs_unless_they_are_given_one(data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    options = ReproduceOptions(table="3.4", data="data")
    assert choose_output(options) == tmp_path / "runs/table_3.4_small"
    assert find_place(options).work == tmp_path / "runs/reproduction_small"
    assert find_place(options).data == data
    options = ReproduceOptions(figure="3.5", data="data", output="out")
    assert choose_output(options) == find_place(options).work == tmp_path / "out"
    assert find_place(ReproduceOptions(data="data", output="out", work="work")).work.name == "work"


def test_validation_images_stand_in_for_a_missing_set(tmp_path):
    options = ReproduceOptions(table="2.2", scale="full", data=str(tmp_path))
    place = find_place(options, "cval1k", ("--colorization_subset=cval1k",))
    assert place.subset == {COLORIZATION: ("--colorization_subset=cval1k",)}
    (tmp_path / "cval1k").mkdir()
    place = find_place(options, "cval1k", ("--colorization_subset=cval1k",))
    assert place.subset == {}
    assert Path(place.images[COLORIZATION].test).name == "cval1k"


def test_data_has_to_be_named_and_there():
    with pytest.raises(UsageError, match="--data is not given: name a folder with photos/train"):
        find_place(ReproduceOptions(table="3.4"))
    with pytest.raises(UserError, match="--data=nowhere: no such folder; expected ImageNet/train"):
        find_place(ReproduceOptions(table="3.4", scale="full", data="nowhere"))
