import numpy as np
import pytest
import tensorflow as tf

from tfcolor.training.members import Member
from tfcolor.training.rounds import Rounds


class Sleeper:
    """A task without rounds."""


class Counter:
    """A task whose rounds have six examples and only count."""

    def __init__(self):
        self.state = tf.Module()
        self.state.number = tf.Variable(-1)

    def steps_per_round(self, batch_size):
        return 6 // batch_size

    def begin_round(self, network, number, batch_size):
        self.state.number.assign(number)
        return {"examples": float(batch_size), "network": float(network)}

    def redrawn_variables(self, network):
        return [f"variable of {network}"]

    def make_dataset(self, split, plan):
        raise NotImplementedError


def _begin(rounds, task, step):
    """Returns the figures of the round that begins, if one does."""
    return rounds.begin(task, step).figures if rounds.is_due(task, step) else None


@pytest.fixture
def rounds():
    tasks = {"a": Sleeper(), "b": Counter()}
    return Rounds([Member(task, 7, 2, 0, name) for name, task in tasks.items()])


def test_a_round_begins_once_at_its_first_step(rounds):
    begun = [(step, _begin(rounds, 1, step)) for step in (0, 0, 1, 2, 3, 3, 4, 9)]
    assert [step for step, figures in begun if figures is not None] == [0, 3, 9]
    assert begun[-1][1] == {"b/examples": 2.0, "b/network": 7.0}
    assert rounds.states[0].number.numpy() == 3


def test_every_boundary_begins_one(rounds):
    begun = [_begin(rounds, 1, step) is not None for step in range(8)]
    np.testing.assert_array_equal(begun, [True, False, False] * 2 + [True, False])


def test_a_resumed_run_goes_on_within_its_round(rounds):
    assert _begin(rounds, 1, 4) is None
    assert _begin(rounds, 1, 6) is not None


def test_tasks_without_rounds_never_begin_any(rounds):
    assert _begin(rounds, 0, 0) is None
    assert len(rounds.states) == 1


def test_states_are_saved_with_the_rounds(rounds, tmp_path):
    _begin(rounds, 1, 6)
    path = tf.train.Checkpoint(rounds=rounds).write(str(tmp_path / "saved"))
    _begin(rounds, 1, 9)
    tf.train.Checkpoint(rounds=rounds).read(path).assert_consumed()
    assert rounds.states[0].number.numpy() == 2


def test_what_a_round_draws_anew_is_named(rounds):
    assert rounds.begin(1, 3).redrawn == ["variable of 7"]
