import shutil

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import (
    build_network,
    build_task,
    load_colorizer,
    load_network,
    open_experiment_readers,
)
from tfcolor.config.experiment import load_experiment
from tfcolor.core.errors import UsageError, UserError
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.loading import SavedColorizer
from tfcolor.inference.painting import SizeOptions

SIZE = SizeOptions(24, 48)


def _load(model, checkpoint="best"):
    return load_colorizer(str(model), checkpoint, DecodingOptions(), SIZE)


def test_one_experiment_gives_one_network(tiny_run):
    experiment = load_experiment(tiny_run)
    task = build_task(experiment, open_experiment_readers(experiment))
    assert task.splits == ("train", "heldout")
    one, other = (build_network(experiment, task) for _ in range(2))
    assert len(one.trainable_variables) > 10
    for first, second in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_task_without_readers_gives_the_same_head(tiny_run):
    experiment = load_experiment(tiny_run)
    network = build_network(experiment, build_task(experiment, {}))
    assert network.head.hidden.kernel.shape[1] == experiment.task.hidden_units


@pytest.mark.parametrize(("checkpoint", "folder"), [("best", "best"), ("last", "")])
def test_network_of_a_run_has_the_weights_of_its_checkpoint(tiny_run, checkpoint, folder):
    network, origin = load_network(tiny_run, checkpoint)
    prefix = tf.train.latest_checkpoint(str(tiny_run / "checkpoints" / folder))
    assert origin == {
        "run": str(tiny_run),
        "task": "colorization",
        "backbone": "alexnet",
        "step": int(prefix.rsplit("-", 1)[1]),
    }
    saved = [
        tf.train.load_variable(prefix, name)
        for name, _ in tf.train.list_variables(prefix)
        if name.startswith("network/head/hidden/kernel/.ATTR")
    ]
    np.testing.assert_array_equal(network.head.hidden.kernel, saved[0])


def test_the_last_stands_in_for_a_missing_best(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoints/best")
    _, origin = load_network(tmp_path / "run", "best")
    assert origin["step"] == load_network(tiny_run, "last")[1]["step"]


def test_a_run_without_checkpoints_is_a_user_error(tiny_run, tmp_path):
    shutil.copy(tiny_run / "flags.cfg", tmp_path)
    with pytest.raises(UserError, match=f"{tmp_path} has no checkpoint yet: train it first"):
        load_network(tmp_path)


def test_a_run_and_an_export_are_told_apart(tiny_run, tiny_export):
    colorizer = _load(tiny_run)
    assert type(colorizer) is Colorizer
    assert colorizer.painter.size == SIZE
    assert type(_load(tiny_export)) is SavedColorizer
    assert type(_load(tiny_export / "1")) is SavedColorizer


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="--model is not given"):
        _load("")
    with pytest.raises(UserError, match=f"--model={tmp_path / 'x'}: there is no such folder"):
        _load(tmp_path / "x")
    with pytest.raises(UserError, match="is not a run"):
        _load(tmp_path)
