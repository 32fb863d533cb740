import json

import pytest
from absl import flags

from tfcolor.config.experiment import TRAIN_OPTIONS, read_experiment
from tfcolor.config.flags import define_options
from tfcolor.config.found_schedule import follow_schedule, read_found_schedule
from tfcolor.core.errors import UsageError, UserError
from tfcolor.training.early_stopping import FoundSchedule
from tfcolor.training.schedules import scheduled_rate

FOUND = {"rate_drops": [30, 70], "num_steps": 90, "best_step": 60}


@pytest.fixture
def follow(tmp_path):
    """Returns what follows the schedule of a run with this result: (experiment, flags)."""

    def follow_result(result, *arguments):
        (tmp_path / "result.json").write_text(json.dumps(result))
        flag_values = flags.FlagValues()
        for options_class, prefix in TRAIN_OPTIONS:
            define_options(options_class, prefix, flag_values)
        flag_values(["train", f"--schedule_from={tmp_path}", *arguments])
        return follow_schedule(read_experiment(flag_values), flag_values), flag_values

    return follow_result


def test_steps_and_drops_are_taken_over_and_recorded(follow):
    experiment, flag_values = follow({"found_schedule": FOUND}, "--learning_rate=2")
    assert experiment.training.num_steps == 90
    rates = [scheduled_rate(experiment.optimization, step) for step in (30, 31, 70, 71)]
    assert rates == pytest.approx([2, 0.2, 0.2, 0.02])
    assert read_experiment(flag_values) == experiment


def test_nothing_changes_without_a_run():
    flag_values = flags.FlagValues()
    for options_class, prefix in TRAIN_OPTIONS:
        define_options(options_class, prefix, flag_values)
    flag_values(["train"])
    experiment = read_experiment(flag_values)
    assert follow_schedule(experiment, flag_values) is experiment


def test_finding_and_following_at_once_is_refused(follow):
    for schedule in ("plateau", "cosine"):
        with pytest.raises(UsageError, match=f"{schedule}: expected --schedule=steps"):
            follow({"found_schedule": FOUND}, f"--schedule={schedule}")


def test_a_run_that_found_none_is_refused(follow, tmp_path):
    with pytest.raises(UserError, match="found no schedule; it needs --schedule=plateau"):
        follow({"steps": 5})
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(UserError, match="cannot read"):
        read_found_schedule(str(tmp_path))
    with pytest.raises(UserError, match="expected a finished run"):
        read_found_schedule(str(tmp_path / "nowhere"))


def test_the_record_of_a_run_is_read(tmp_path):
    (tmp_path / "result.json").write_text(json.dumps({"found_schedule": FOUND}))
    assert read_found_schedule(str(tmp_path)) == FoundSchedule((30, 70), 90, 60)
