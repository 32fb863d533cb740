from pathlib import Path

from tfcolor.config.reproduction.layout import locate_images
from tfcolor.config.reproduction.pretext_trainings import (
    FEW,
    LINEAR,
    NUM_PRETRAINING,
    proxy,
    untrained,
    with_labels,
)
from tfcolor.config.reproduction.study import FULL, SMALL


def test_videos_are_the_images_of_their_task_alone():
    flags = proxy(SMALL, "cjv").flags
    places = [f"video:{{data}}/video:{split}" for split in ("train", "heldout")]
    assert flags[-1] == f"--task_flags=,,--images={places[0]} --heldout_images={places[1]}"
    (other,) = proxy(FULL, "cjv").flags
    assert other == "--task_flags=,,--images=video:{data}/Hollywood2 --heldout_images="
    assert not any(flag.startswith("--task_flags") for flag in proxy(SMALL, "v").flags)
    assert proxy(SMALL, "v").images == "video" and proxy(SMALL, "cjv").images == "photographs"


def test_plain_gradients_are_another_run():
    plain, normalized = proxy(SMALL, "cj", "momentum"), proxy(SMALL, "cj")
    assert plain.config == normalized.config and plain.name != normalized.name
    assert "--optimizer=momentum" in plain.flags


def test_no_image_of_the_supervised_training_is_probed():
    assert "--image_range=0:12800" in with_labels().flags
    assert untrained().flags == ("--num_steps=1", "--learning_rate=0")


def test_probes_learn_from_a_range_of_the_training_images_and_are_measured_on_others():
    cifar = Path("data/cifar-100-python")
    for measure in (LINEAR, FEW):
        images = locate_images(SMALL, Path("data"), "")[measure.images].test
        assert images == f"cifar100:{cifar}:train"
        assert f"--image_range={NUM_PRETRAINING}:16000" in measure.flags
        (test,) = (flag for flag in measure.flags if "_test_images=" in flag and "num" not in flag)
        assert test.partition("=")[2] == "cifar100:{data}/cifar-100-python:test"
