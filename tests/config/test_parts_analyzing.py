"""Tests of the analyses of networks of parts, from their flags."""

import pytest
from absl import flags

from tfcolor.config.analyzing import ANALYZE_OPTIONS, NUM_RUNS
from tfcolor.config.flags import define_options
from tfcolor.config.parts_analyzing import PARTS_ANALYSES, Subjects, open_all, open_set_aside
from tfcolor.config.parts_runs import load_fit_experiment
from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.options import DataOptions


def analyze(name, models=(), images="", *arguments):
    """Returns the numbers of an analysis."""
    flag_values = flags.FlagValues()
    for options_class, prefix in ANALYZE_OPTIONS:
        define_options(options_class, prefix, flag_values)
    flag_values(["analyze", *arguments])
    return PARTS_ANALYSES[name](Subjects(tuple(models), images), flag_values).numbers


def test_every_analysis_has_a_number_of_runs():
    assert set(PARTS_ANALYSES) < set(NUM_RUNS)


def test_every_place_is_opened_by_itself():
    images = "builtin:digits,builtin:digits_rot:test"
    found = analyze("variations", (), images, "--examples_per_place=3")
    assert [place["place"] for place in found["places"]] == images.split(",")
    assert [len(place["examples"]) for place in found["places"]] == [3, 3]
    with pytest.raises(UsageError, match="--images is not given: variations shows a row"):
        analyze("variations")


def test_parts_need_no_finished_run(tiny_parts_run, tmp_path):
    for name in ("flags.cfg", "parts.npz"):
        (tmp_path / name).write_bytes((tiny_parts_run / name).read_bytes())
    found = analyze("parts", [str(tmp_path), str(tiny_parts_run)], "", "--num_parts=2")
    assert [run["num_shown"] for run in found["runs"]] == [2, 2]
    assert found["runs"][0]["counts"] == found["runs"][1]["counts"]


def test_images_of_a_run_are_those_it_set_aside(tiny_parts_run):
    arguments = ["--turn_num_images=4", "--turn_image=2", "--turn_degrees=90"]
    found = analyze("feature_transformation", [str(tiny_parts_run)], "", *arguments)
    assert (found["num_images"], found["degrees"]) == (4, 90)
    data = load_fit_experiment(tiny_parts_run).data
    assert open_set_aside(data, "run").num_examples == 100
    with pytest.raises(UsageError, match="--images is not given, and run set no images aside"):
        open_set_aside(DataOptions(images=data.images, heldout_fraction=0.0), "run")
    assert open_all("builtin:digits").num_examples == 1000


def test_classes_of_a_rotated_run_have_two_stages(tiny_parts_run):
    rows = analyze("class_mixtures", [str(tiny_parts_run)])["rows"]
    assert [row["stage"] for row in rows] == ["as found", "set upright"]
    assert {len(row["contrast"]) for row in rows} == {10}


def test_group_is_that_of_the_flags():
    flag = "--permutations_num_rotations=2"
    assert analyze("permutations", (), "", flag)["matrix"][1] == [1, 0, 3, 2]


@pytest.mark.parametrize("name", ["parts", "feature_transformation", "class_mixtures"])
def test_other_runs_are_refused(tmp_path, name):
    (tmp_path / "flags.cfg").write_text("--backbone=alexnet\n")
    with pytest.raises(UserError, match="is not a run of fit_parts"):
        analyze(name, [str(tmp_path)])
