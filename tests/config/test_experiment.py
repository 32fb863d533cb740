import dataclasses
import re

import pytest
from absl import flags

from tfcolor.backbones import BACKBONES
from tfcolor.config.experiment import (
    TRAIN_OPTIONS,
    UNRECORDED,
    check_same_flags,
    choose_run_dir,
    load_experiment,
    read_experiment,
)
from tfcolor.config.flags import define_options, write_flagfile
from tfcolor.core.errors import UsageError, UserError
from tfcolor.tasks import TASKS


def _flags(*arguments):
    flag_values = flags.FlagValues()
    for options_class, prefix in TRAIN_OPTIONS:
        define_options(options_class, prefix, flag_values)
    flag_values(["train", *arguments])
    return flag_values


def test_no_two_options_share_a_flag():
    names = [
        prefix + field.name for kind, prefix in TRAIN_OPTIONS for field in dataclasses.fields(kind)
    ]
    assert len(set(names)) == len(names)


def test_every_task_and_backbone_has_flags():
    classes = {options_class for options_class, _ in TRAIN_OPTIONS}
    for table in (TASKS, BACKBONES):
        assert {entry.Options for entry in table.values()} <= classes


def test_defaults_are_an_experiment():
    experiment = read_experiment(_flags())
    assert experiment.run.task == ("colorization",)
    assert experiment.task == TASKS["colorization"].Options()
    assert experiment.backbone == BACKBONES[experiment.run.backbone].Options()


@pytest.mark.parametrize("name", BACKBONES)
def test_options_are_those_of_the_chosen_backbone(name):
    experiment = read_experiment(_flags(f"--backbone={name}", f"--{name}_width_multiplier=0.5"))
    assert type(experiment.backbone) is BACKBONES[name].Options
    assert experiment.backbone.width_multiplier == 0.5


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--task=", "--task=: expected a task, or several with commas"),
        ("--task_flags=--batch_size=3", "--task_flags has 1 texts for 1 tasks: expected one"),
        ("--task=sorting", "--task=sorting: expected one of colorization"),
        ("--backbone=lenet", "--backbone=lenet: expected one of"),
        ("--batch_size=0", "--batch_size=0: expected at least 1"),
        ("--colorization_edge=176", "--colorization_edge=176: expected less than half"),
    ],
)
def test_values_that_are_not_accepted_are_usage_errors(argument, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        read_experiment(_flags(argument))


def test_a_run_gives_its_experiment_back(tmp_path):
    flag_values = _flags(
        "--run_dir=elsewhere", "--seed=9", "--rate_drops=3,5", "--images=a b, c", "--strategy=auto"
    )
    write_flagfile(tmp_path / "flags.cfg", flag_values, UNRECORDED)
    loaded, given = load_experiment(tmp_path), read_experiment(flag_values)
    assert loaded.run.run_dir == ""
    assert dataclasses.replace(loaded, run=given.run) == given


def test_a_folder_that_is_no_run_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path} is not a run: it has no flags.cfg"):
        load_experiment(tmp_path)


@pytest.mark.parametrize("text", ["--unknown_flag=1\n", "--seed=many\n"])
def test_a_run_of_another_program_is_a_user_error(tmp_path, text):
    (tmp_path / "flags.cfg").write_text(text)
    with pytest.raises(UserError, match=f"cannot read {tmp_path / 'flags.cfg'}: "):
        load_experiment(tmp_path)


def test_run_dir_is_the_one_given_or_the_next_free_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(choose_run_dir("mine", "parts")) == "mine"
    assert str(choose_run_dir("", "colorization_vgg16")) == "runs/colorization_vgg16_001"
    (tmp_path / "runs/colorization_vgg16_001").mkdir(parents=True)
    assert str(choose_run_dir("", "colorization_vgg16")) == "runs/colorization_vgg16_002"


def test_a_run_goes_on_with_the_same_flags_only(tmp_path):
    flagfile = tmp_path / "flags.cfg"
    check_same_flags(flagfile, _flags("--seed=1"))
    write_flagfile(flagfile, _flags("--seed=1"), UNRECORDED)
    check_same_flags(flagfile, _flags("--seed=1", "--run_dir=other"))
    with pytest.raises(UserError) as caught:
        check_same_flags(flagfile, _flags("--seed=2", "--momentum=0.5"))
    assert "--momentum was '0.9', is '0.5'; --seed was '1', is '2'. " in str(caught.value)
    assert str(caught.value).endswith("or another --run_dir")


def test_tasks_have_flags_of_their_own():
    experiment = read_experiment(
        _flags(
            "--task=colorization,classification,classification",
            "--images=a",
            "--batch_size=6",
            "--task_flags=,--images=b --batch_size=2,--classification_num_classes=7",
        )
    )
    members = experiment.members
    assert [member.data.images for member in members] == ["a", "b", "a"]
    assert [member.batch_size for member in members] == [6, 2, 6]
    assert [member.options.num_classes for member in members[1:]] == [0, 7]
    assert experiment.labels == ("colorization", "classification_0", "classification_1")
    assert experiment.task is members[0].options
    assert experiment.select("classification").task is members[1].options
    assert experiment.select("segmentation") == experiment


def test_a_joint_run_gives_its_experiment_back(tmp_path):
    texts = "--task_flags='--images=a b',\"--images=c,d\""
    flag_values = _flags("--task=colorization,classification", texts)
    write_flagfile(tmp_path / "flags.cfg", flag_values, UNRECORDED)
    loaded = load_experiment(tmp_path)
    assert loaded == read_experiment(flag_values)
    assert [member.data.images for member in loaded.members] == ["a b", "c,d"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--task=colorization,segmentation",), 0),
        (("--task=colorization,rotation,jigsaw",), 1),
        (("--task=classification,rotation", "--classification_input=color"), 0),
    ],
)
def test_without_a_name_the_first_task_that_sees_colors_is_selected(flags, expected):
    experiment = read_experiment(_flags(*flags))
    assert experiment.select("") == dataclasses.replace(experiment, selected=expected)
