"""Tests of the files of fitted networks of parts and of their flags."""

import numpy as np
import pytest

from tfcolor.config.command import define_flags
from tfcolor.config.parts_runs import (
    is_parts_run,
    load_arrays,
    load_fit_experiment,
    load_fitted_network,
    read_fit_experiment,
    save_arrays,
)
from tfcolor.core.errors import UsageError, UserError
from tfcolor.fit_parts import COMMAND


def parse(*flags):
    """Returns the experiment of flags, and the flags."""
    flag_values = define_flags(COMMAND)
    flag_values(["fit_parts", *flags])
    return read_fit_experiment(flag_values), flag_values


def test_flags_become_options_by_their_prefix():
    experiment, _ = parse("--parts_num_components=7", "--pool_window=3", "--classifier=svm")
    assert experiment.parts.num_components == 7
    assert experiment.pool.window == 3 and experiment.fit.classifier == "svm"
    assert experiment.classes.num_components == 1


def test_edges_and_parts_of_another_run_become_the_flags(tiny_parts_run):
    other = load_fit_experiment(tiny_parts_run)
    experiment, flag_values = parse(f"--parts_from={tiny_parts_run}", "--parts_num_components=99")
    assert experiment.parts == other.parts
    assert flag_values["parts_num_components"].value == other.parts.num_components


@pytest.mark.parametrize("flags, words", [
    (["--parts_num_rotations=8", "--classes_num_rotations=3"], "expected a divisor"),
    (["--upright_images=builtin:digits"], "--classes_num_rotations above 1"),
    (["--classifier=svm", "--parts_num_rotations=8", "--classes_num_rotations=8",
      "--upright_images=builtin:digits"], "--classifier=mixture"),
    (["--parts_coding=soft"], "expected hard with --parts_kind=bernoulli"),
    (["--parts_kind=kmeans", "--parts_coding=raw"], "expected hard, triangle, soft"),
    (["--parts_kind=kmeans", "--parts_coding=triangle"], "features that are 0 or 1"),
    (["--parts_kind=kmeans", "--parts_coding=soft", "--classifier=svm", "--keep_codes"],
      "--keep_codes is for --parts_coding=hard"),
    (["--parts_kind=gaussian", "--parts_coding=raw", "--classifier=none", "--pool_dilation=1"],
      "--pool_dilation is for --parts_coding=hard"),
    (["--parts_kind=kmeans", "--parts_num_rotations=4"], "--parts_num_rotations=4: expected 1"),
    (["--parts_kind=kmeans", "--parts_num_restarts=2"], "--parts_num_restarts=2: expected 1"),
])  # fmt: skip
def test_flags_that_do_not_fit_each_other_are_named(flags, words):
    with pytest.raises(UsageError, match=words):
        parse(*flags)


def test_stored_network_is_restored(tiny_parts_run):
    assert is_parts_run(tiny_parts_run)
    fitted = load_fitted_network(tiny_parts_run)
    assert fitted.view.num_classes == 10 and fitted.view.input == "gray"
    assert fitted.view.crop_size == fitted.network.canonical_size == 28
    assert fitted.network.top_features == fitted.scorer.weights.shape[0]


def test_other_folders_and_damaged_files_are_refused(tmp_path, tiny_run):
    assert not is_parts_run(tiny_run)
    with pytest.raises(UserError, match="is not a run of fit_parts"):
        load_fitted_network(tiny_run)
    path = tmp_path / "arrays.npz"
    save_arrays(path, {"numbers": np.arange(5000)})
    np.testing.assert_array_equal(load_arrays(path)["numbers"], np.arange(5000))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"cannot read .*arrays.npz"):
        load_arrays(path)
    with pytest.raises(UserError, match="cannot read"):
        load_arrays(tmp_path / "missing.npz")
