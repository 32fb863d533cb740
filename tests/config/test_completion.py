import pytest
from absl import flags

from tfcolor.config.completion import check_frozen, complete_experiment
from tfcolor.config.experiment import TRAIN_OPTIONS, read_experiment
from tfcolor.config.flags import define_options
from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.options import open_readers


def _flags(*arguments):
    flag_values = flags.FlagValues()
    for options_class, prefix in TRAIN_OPTIONS:
        define_options(options_class, prefix, flag_values)
    flag_values(["train", *arguments])
    return flag_values


def _complete(flag_values):
    experiment = read_experiment(flag_values)
    readers = [open_readers(member.data) for member in experiment.members]
    return complete_experiment(experiment, readers, flag_values)


def test_what_the_images_decide_is_recorded(labelled_photos):
    flag_values = _flags("--task=classification", f"--images={labelled_photos}")
    completed = _complete(flag_values)
    assert (completed.task.num_classes, completed.task.crop_size) == (3, 224)
    assert read_experiment(flag_values) == completed


def test_nothing_is_recorded_where_nothing_is_left_open(photos):
    flag_values = _flags(f"--images={photos}")
    experiment = read_experiment(flag_values)
    assert complete_experiment(experiment, [{}], flag_values) == experiment


def test_each_task_is_completed_from_its_own_images(labelled_photos, photos):
    flag_values = _flags(
        "--task=classification,colorization",
        "--backbone=alexnet",
        f"--task_flags=--images={labelled_photos},--images={photos}",
    )
    completed = _complete(flag_values)
    assert completed.members[0].options.num_classes == 3
    text, other = completed.run.task_flags
    assert text.split() == [
        f"--images={labelled_photos}",
        "--classification_crop_size=227",
        "--classification_num_classes=3",
    ]
    assert other == f"--images={photos}"
    assert read_experiment(flag_values) == completed
    assert _complete(flag_values) == completed  # as when a run is begun again


def test_images_without_classes_are_refused(photos):
    with pytest.raises(UserError, match="class"):
        _complete(_flags("--task=classification", f"--images={photos}"))


def test_a_backbone_that_no_task_trains_is_to_be_frozen():
    probe = ("--task=linear_probe", "--images=x")
    check_frozen(read_experiment(_flags(*probe, "--frozen_through=top")))
    with pytest.raises(UsageError, match=r"--frozen_through=conv1: expected top, since linear_pr"):
        check_frozen(read_experiment(_flags(*probe, "--frozen_through=conv1")))
    # Beside a task that trains it, the classifiers follow.
    check_frozen(read_experiment(_flags("--task=linear_probe,rotation", "--images=x")))
