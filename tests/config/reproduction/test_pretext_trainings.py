from tfcolor.config.reproduction.pretext_trainings import proxy, untrained, with_labels
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
