import pytest

from tfcolor.config.reproduction.study import FULL, SMALL, Training
from tfcolor.config.reproduction.testbed_trainings import (
    CLASSIFYING,
    DIVISIONS,
    MIXED,
    QUARTERS,
    SAMPLES,
    TENTHS,
    Division,
    distilled,
    everything,
    in_turns,
    joint,
    linear,
    represented,
    separate,
    side_by_side,
)


def values_of(training: Training) -> dict[str, str]:
    """Returns the flags of a training, the last of each name."""
    pairs = (flag.removeprefix("--").split("=", 1) for flag in training.flags)
    return dict(pairs)


def test_images_are_dealt_out_without_a_rest():
    parts = [SAMPLES.flags(index, FULL) for index in range(4)]
    assert parts == [
        (f"--image_range={k}0000:{k + 1}0000".replace("=00000:", "=0:"),) for k in range(4)
    ]
    assert SAMPLES.flags(3, SMALL) == ("--image_range=9600:12800",)


def test_mixed_losses_are_those_of_the_source_on_disjoint_classes():
    assert [MIXED.loss(index) for index in range(4)] == ["kl", "l2", "multilabel", "multihinge"]
    assert MIXED.flags(1, SMALL) == (
        "--class_subset=disjoint:1:25",
        "--classification_loss=l2",
    )


def test_a_task_of_two_divisions_is_one_training():
    assert separate(SMALL, MIXED)[0] == separate(SMALL, QUARTERS)[0]
    assert separate(SMALL, MIXED)[1] != separate(SMALL, QUARTERS)[1]


@pytest.mark.parametrize("division", DIVISIONS, ids=lambda one: one.name)
def test_tasks_of_a_joint_training_are_those_of_the_separate_ones(division: Division):
    flags = values_of(joint(FULL, division, "sgd"))
    texts = flags["task_flags"].split(",")
    assert flags["task"].split(",") == ["classification"] * division.count
    assert [tuple(text.split()) for text in texts] == [
        training.flags for training in separate(FULL, division)
    ]


def test_owners_read_their_share_of_the_top():
    texts = values_of(joint(FULL, QUARTERS, "split", split=True))["task_flags"].split(",")
    assert [text.split()[-1] for text in texts] == [
        f"--classification_segment={index}/4" for index in range(4)
    ]


def test_columns_are_trained_before_they_are_put_side_by_side():
    *columns, whole = side_by_side(SMALL, QUARTERS).lineage()
    assert tuple(columns) == whole.needs == separate(SMALL, QUARTERS, column=True)
    assert values_of(columns[2])["cifar_deep_column"] == "2/4"
    assert values_of(whole)["initial_weights"] == "{needs}"
    assert values_of(whole)["num_steps"] == "1"
    assert "num_steps" not in values_of(side_by_side(FULL, QUARTERS))


def test_turns_are_as_large_a_part_of_the_whole_at_both_scales():
    assert values_of(in_turns(FULL, TENTHS, 10_000))["task_quantum"] == "10000"
    small = values_of(in_turns(SMALL, TENTHS, 10_000))
    assert int(small["num_steps"]) / int(small["task_quantum"]) == 20
    joined = values_of(joint(SMALL, TENTHS, "x"))
    assert small["batch_size"] == joined["batch_size"]


def test_a_representation_is_probed_or_has_a_linear_layer_trained_upon_it():
    assert represented(SMALL, everything(SMALL)).runs == (everything(SMALL),)
    subject = represented(FULL, everything(FULL))
    assert subject.runs == (linear(everything(FULL)),) and subject.measure == CLASSIFYING
    shallow = distilled(FULL, "thin", (everything(FULL),), "--backbone=cifar_shallow")
    assert linear(shallow).flags == ("--backbone=cifar_shallow",)
    assert linear(shallow).run_name == "thin+linear"
