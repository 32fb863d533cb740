import logging
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError, UserError
from tfcolor.training.checkpoints import (
    BEST_FOLDER,
    Checkpoints,
    checkpoint_folder,
    find_checkpoints,
    has_checkpoint,
    restore_newest,
)


class _State:
    """A variable, and the checkpoints of it in one folder, as of a new process."""

    def __init__(self, folder: Path, *, size=1000, keep=3, is_chief=True):
        self.folder = folder
        self.value = tf.Variable(tf.zeros([size]))
        self.checkpoint = tf.train.Checkpoint(value=self.value)
        self.checkpoints = Checkpoints(folder, self.checkpoint, keep, is_chief=is_chief)

    def save(self, *steps: int) -> None:
        for step in steps:
            self.value.assign(tf.fill(self.value.shape, float(step)))
            self.checkpoints.save(step)

    @property
    def number(self) -> float:
        """What the variable holds everywhere."""
        (number,) = np.unique(self.value)
        return number


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


def _steps(folder):
    return sorted(int(path.stem.split("-")[1]) for path in folder.glob("ckpt-*.index"))


def _cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def test_nothing_is_restored_from_nothing(folder):
    assert _State(folder).checkpoints.restore_last() is None
    assert restore_newest(_State(folder).checkpoint, folder / "missing") is None


def test_last_is_restored_and_old_ones_go(folder):
    _State(folder, keep=2).save(5, 10, 100)
    state = _State(folder, keep=2)
    assert state.checkpoints.restore_last() == 100
    assert state.number == 100
    assert _steps(folder) == [10, 100]


@pytest.mark.parametrize(
    ("suffix", "share"),
    [(".data-00000-of-00001", 0.5), (".data-00000-of-00001", 0), (".index", 0.5), (".index", 0)],
)
def test_a_truncated_last_checkpoint_gives_way_to_the_one_before(folder, caplog, suffix, share):
    caplog.set_level(logging.INFO)
    _State(folder).save(10, 20)
    _cut(folder / f"ckpt-20{suffix}", share)
    state = _State(folder)
    assert state.checkpoints.restore_last() == 10
    assert state.number == 10
    assert f"checkpoint {folder / 'ckpt-20'} is damaged" in caplog.text


def test_a_checkpoint_without_its_data_gives_way_to_the_one_before(folder):
    _State(folder).save(10, 20)
    (folder / "ckpt-20.data-00000-of-00001").unlink()
    assert _State(folder).checkpoints.restore_last() == 10


def test_a_flipped_bit_is_noticed(folder):
    _State(folder).save(10, 20)
    path = folder / "ckpt-20.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    assert _State(folder).checkpoints.restore_last() == 10


def test_training_goes_on_over_a_damaged_checkpoint(folder):
    _State(folder).save(10, 20)
    _cut(folder / "ckpt-20.data-00000-of-00001", 0.5)
    resumed = _State(folder)
    resumed.checkpoints.restore_last()
    resumed.save(20, 30)
    _cut(folder / "ckpt-30.data-00000-of-00001", 0.5)
    state = _State(folder)
    assert state.checkpoints.restore_last() == 20
    assert state.number == 20


def test_it_is_an_error_if_all_are_damaged(folder):
    _State(folder).save(10, 20)
    for path in folder.glob("*.data-*"):
        _cut(path, 0.5)
    with pytest.raises(UserError, match=f"none of the 2 checkpoints in {folder} can be restored: "):
        _State(folder).checkpoints.restore_last()


def test_a_network_of_another_shape_is_an_error_that_says_so(folder):
    _State(folder, size=1000).save(10)
    with pytest.raises(UserError, match=r"can be restored: .*\(1000,\).*\(999,\)"):
        _State(folder, size=999).checkpoints.restore_last()


def test_a_network_with_more_variables_is_an_error(folder):
    _State(folder).save(10)
    larger = tf.train.Checkpoint(value=tf.Variable(tf.zeros([1000])), more=tf.Variable(0.0))
    with pytest.raises(UserError, match="can be restored: "):
        restore_newest(larger, folder)


def test_best_is_kept_beside_the_last(folder):
    state = _State(folder, keep=2)
    state.save(10)
    state.checkpoints.save_best(10)
    state.save(20, 30, 40)
    fresh = _State(folder)
    assert restore_newest(fresh.checkpoint, folder / BEST_FOLDER) == 10
    assert fresh.number == 10
    assert fresh.checkpoints.restore_last() == 40


def test_a_checkpoint_is_found_by_its_step(folder):
    state = _State(folder, keep=2)
    state.save(10)
    state.checkpoints.save_best(10)
    state.save(20, 30, 40)
    run = folder.parent
    assert find_checkpoints(run, "30") == [(30, str(folder / "ckpt-30"))]
    best = [(10, str(folder / BEST_FOLDER / "ckpt-10"))]
    assert find_checkpoints(run, "10") == find_checkpoints(run, "best") == best
    with pytest.raises(UserError, match=r"no checkpoint of step 20: .*last or one of 10, 30, 40"):
        find_checkpoints(run, "20")
    with pytest.raises(UsageError, match="'first': expected best, last or a step"):
        find_checkpoints(run, "first")


def test_checkpoints_of_a_run_are_found(folder):
    assert not has_checkpoint(folder)
    assert find_checkpoints(folder.parent, "last") == find_checkpoints(folder.parent, "9") == []
    state = _State(folder)
    state.save(9, 10)
    assert has_checkpoint(folder)
    found = [(10, str(folder / "ckpt-10")), (9, str(folder / "ckpt-9"))]
    assert find_checkpoints(folder.parent, "last") == found
    kinds = ("best", "last")
    assert [checkpoint_folder(folder.parent, kind) for kind in kinds] == [folder, folder]
    state.checkpoints.save_best(9)
    best = folder / BEST_FOLDER
    assert [checkpoint_folder(folder.parent, kind) for kind in kinds] == [best, folder]


def test_only_one_best_is_kept(folder):
    state = _State(folder)
    for step in (5, 10, 15):
        state.checkpoints.save_best(step)
    assert _steps(folder / BEST_FOLDER) == [15]


def test_other_workers_leave_nothing_and_read_the_chiefs(folder):
    chief, worker = _State(folder), _State(folder, is_chief=False)
    worker.save(10)
    worker.checkpoints.save_best(10)
    assert list(folder.iterdir()) == []
    chief.save(20)
    worker.save(20)
    assert {path.name.split(".")[0] for path in folder.iterdir()} == {"checkpoint", "ckpt-20"}
    assert worker.checkpoints.restore_last() == 20


def test_a_folder_that_cannot_be_written_is_a_user_error(tmp_path):
    state = _State(tmp_path / "checkpoints")
    (tmp_path / "checkpoints").touch()
    with pytest.raises(UserError, match="cannot write the checkpoint of step 5: "):
        state.checkpoints.save(5)
