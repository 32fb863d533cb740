import json

import pytest
import tensorflow as tf
from absl import flags

from tfcolor.config.experiment import TRAIN_OPTIONS
from tfcolor.config.flags import define_options
from tfcolor.config.training import _preview_size, run_training
from tfcolor.core.errors import UsageError, UserError
from tfcolor.inference.painting import SizeOptions
from tfcolor.tasks.colorization import ColorizationOptions


def _flags(*arguments):
    flag_values = flags.FlagValues()
    for options_class, prefix in TRAIN_OPTIONS:
        define_options(options_class, prefix, flag_values)
    flag_values(["train", *arguments])
    return flag_values


@pytest.fixture
def run(tmp_path, tiny_flags, monkeypatch):
    """Runs everything but the training itself; returns the runs that would be trained."""
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)
    runs = []

    class _Trainer:
        def __init__(self, asked, request):
            runs.append(asked)

        def train(self):
            return {"steps": 4, "best_loss": 0.5}

    monkeypatch.setattr("tfcolor.config.training.Trainer", _Trainer)

    def start(*arguments):
        run_training(_flags(*tiny_flags, f"--run_dir={tmp_path / 'run'}", *arguments))
        return runs[-1]

    return start


def test_what_the_flags_describe_is_trained(run, tmp_path):
    asked = run("--seed=5", "--strategy=mirrored")
    (member,) = asked.members
    assert (member.task.name, member.name, member.seed) == ("colorization", "", 5)
    assert (asked.training.seed, asked.training.num_steps) == (5, 4)
    assert asked.strategy.num_replicas_in_sync == 2
    assert asked.directory.path == tmp_path / "run"
    assert asked.flags["seed"] == "5"
    assert "run_dir" not in asked.flags
    kernel = asked.network.trainable_variables[0]
    assert len(asked.strategy.experimental_local_results(kernel)) == 2
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert (record["seed"], record["num_replicas"]) == (5, 2)


def test_several_tasks_share_a_backbone(run, labelled_photos):
    asked = run(
        "--task=colorization,classification,classification",
        f"--task_flags=,--images={labelled_photos} --batch_size=3,--images={labelled_photos}",
        "--heldout_fraction=0.4",
    )
    names = [member.name for member in asked.members]
    assert names == ["colorization", "classification_0", "classification_1"]
    assert [member.batch_size for member in asked.members] == [4, 3, 4]
    assert len({member.seed for member in asked.members}) == 3
    assert {id(member.network.backbone) for member in asked.members} == {id(asked.backbone)}
    assert [member.network.head for member in asked.members] == asked.network.heads
    first, second = (asked.members[index].network.head.classes.kernel for index in (1, 2))
    assert first.shape == second.shape == [first.shape[0], 3]
    assert float(tf.reduce_max(tf.abs(first - second))) > 0
    assert "--classification_num_classes=3" in asked.flags["task_flags"]


def test_flags_are_recorded_and_others_refused(run, tmp_path):
    run("--seed=5")
    recorded = (tmp_path / "run/flags.cfg").read_text()
    assert "--seed=5\n" in recorded
    assert "--run_dir" not in recorded
    run("--seed=5")
    with pytest.raises(UserError, match="--seed was '5', is '6'"):
        run("--seed=6")
    assert (tmp_path / "run/flags.cfg").read_text() == recorded


def test_pictures_are_made_of_heldout_photographs_if_there_are_any(run, tmp_path):
    (evaluator,) = run().evaluators
    assert [name for name, _ in evaluator()] == ["colorized"]
    assert run("--heldout_fraction=0", f"--run_dir={tmp_path / 'other'}").evaluators == []


def test_previews_are_no_larger_than_training_photographs():
    assert _preview_size(ColorizationOptions()) == SizeOptions()
    small = ColorizationOptions(crop_size=32, min_side=40, max_side=64, edge=4)
    assert _preview_size(small) == SizeOptions(40, 64)


def test_unreadable_photographs_are_listed(run, tmp_path, photos):
    (tmp_path / "photos").mkdir()
    for path in photos.iterdir():
        (tmp_path / "photos" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "photos/bad.png").write_bytes(b"no image")
    run(f"--images={tmp_path / 'photos'}", f"--heldout_images={tmp_path / 'photos'}")
    log = (tmp_path / "run/unreadable.txt").read_text()
    assert log == f"{tmp_path / 'photos/bad.png'}: not an image, or cut off in its header\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--task=simclr", "--batch_size=1"), "--batch_size=1: --task=simclr compares"),
        (
            ("--task=inpainting", "--inpainting_readout=map", "--inpainting_crop_size=300"),
            "crop_size=300, min_side=256, max_side=512: expected crop_size <= min_side",
        ),
    ],
)
def test_usage_errors_leave_no_folder_that_refuses_what_would_be_right(
    run, tmp_path, flags, message
):
    with pytest.raises(UsageError, match=message):
        run(*flags)
    assert not (tmp_path / "run").exists()


def test_missing_images_are_a_user_error_before_anything_is_left(run, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        run(f"--images={tmp_path / 'nowhere'}")
    assert not (tmp_path / "run").exists()
