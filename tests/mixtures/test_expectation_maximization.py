import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

from tfcolor.core.errors import UsageError, UserError
from tfcolor.mixtures.bernoulli import BernoulliMixture, BernoulliOptions
from tfcolor.mixtures.expectation_maximization import (
    FitState,
    em_step,
    fit_mixture,
    mixture_from_arrays,
)
from tfcolor.mixtures.gaussian import GaussianOptions
from tfcolor.mixtures.samples import DenseSamples, SparseSamples

BITS = BernoulliOptions(
    num_components=4, num_iterations=3, num_restarts=2, min_relative_gain=0.0, min_prob=0.01
)
NUMBERS = GaussianOptions(
    num_components=3, num_iterations=2, num_restarts=2, min_relative_gain=0.0, covariance="full"
)


@pytest.fixture(scope="module")
def samples():
    generator = np.random.default_rng(0)
    probs = generator.random((4, 3, 10))[generator.integers(4, size=80)]
    return DenseSamples((generator.random(probs.shape) < probs).astype(np.uint8))


def digest(state):
    """Returns a number for every bit of a state."""
    arrays = state.to_arrays()
    return [(name, hashlib.sha256(arrays[name].tobytes()).hexdigest()) for name in sorted(arrays)]


def test_best_of_the_restarts_is_kept(samples):
    state = fit_mixture(samples, BITS, seed=0)
    assert [len(history) for history in state.histories] == [3, 3]
    lasts = [history[-1] for history in state.histories]
    assert len(set(lasts)) == 2
    assert state.log_likelihood == max(lasts)
    # The best was kept after its last M-step, so it fits better still.
    assert em_step(state.best, samples, BITS)[1] > max(lasts)
    assert (state.restart, state.iteration, state.current) == (2, 0, None)


def test_one_seed_gives_one_result(samples):
    first, again, other = (fit_mixture(samples, BITS, seed=seed) for seed in (0, 0, 1))
    assert digest(first) == digest(again)
    assert first.histories != other.histories


@pytest.mark.parametrize("options", [BITS, NUMBERS], ids=["bernoulli", "gaussian"])
def test_a_fit_goes_on_from_any_iteration(samples, options, tmp_path):
    states = []
    whole = fit_mixture(samples, options, seed=3, on_iteration=states.append)
    assert len(states) == options.num_restarts * options.num_iterations
    assert digest(states[-1]) == digest(whole)
    for index in (options.num_iterations - 1, options.num_iterations):
        np.savez(tmp_path / "state.npz", **states[index].to_arrays())
        with np.load(tmp_path / "state.npz") as arrays:
            start = FitState.from_arrays(arrays)
        assert digest(start) == digest(states[index])
        assert digest(fit_mixture(samples, options, seed=3, start=start)) == digest(whole)


def test_a_finished_fit_does_nothing(samples):
    state = fit_mixture(samples, BITS, seed=0)
    assert fit_mixture(samples, BITS, seed=0, start=state, on_iteration=pytest.fail) is state


def test_small_gain_ends_a_restart_before_its_m_step(samples):
    options = BernoulliOptions(num_components=4, num_iterations=50, min_relative_gain=3e-3)
    states = []
    state = fit_mixture(samples, options, seed=0, on_iteration=states.append)
    (history,) = state.histories
    gains = np.diff(history) / np.abs(history[:-1])
    assert 2 < len(history) < 50
    assert (gains[:-1] >= 3e-3).all()
    assert gains[-1] < 3e-3
    assert (state.best.means == states[-2].current.means).all()


def test_sparse_samples_give_the_same_fit(samples):
    rows = scipy.sparse.csr_matrix(samples.values.reshape(-1, 10))
    dense = fit_mixture(samples, BITS, seed=0)
    sparse = fit_mixture(SparseSamples(rows, 3), BITS, seed=0)
    np.testing.assert_allclose(sparse.histories, dense.histories, rtol=1e-5)
    np.testing.assert_allclose(sparse.best.means, dense.best.means, atol=1e-3)


def test_unusable_options_and_samples_are_refused(samples):
    with pytest.raises(UserError, match="81 components from 80 samples"):
        fit_mixture(samples, BernoulliOptions(num_components=81), seed=0)
    with pytest.raises(UsageError, match=r"--min_prob=0\.7: expected at most 0.5"):
        fit_mixture(samples, BernoulliOptions(min_prob=0.7), seed=0)
    with pytest.raises(UsageError, match="--covariance=round: expected one of tied, full"):
        fit_mixture(samples, GaussianOptions(covariance="round"), seed=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("covariance", ["diagonal", "tied", "identity"])
def test_samples_that_are_not_finite_are_refused(value, covariance):
    values = np.random.default_rng(0).normal(size=(50, 1, 3))
    values[17, 0, 1] = value
    options = GaussianOptions(num_components=2, num_restarts=2, covariance=covariance)
    with pytest.raises(UserError, match=r"the log-likelihood is .*: expected finite samples"):
        fit_mixture(DenseSamples(values), options, seed=0)


def test_mixtures_are_told_apart_by_their_arrays():
    arrays = {"part/weights": np.ones((1, 1)), "part/means": np.full((1, 1, 2), 0.5)}
    assert isinstance(mixture_from_arrays(arrays, "part/"), BernoulliMixture)
    assert mixture_from_arrays(arrays, "other/") is None
    assert digest(FitState.from_arrays(FitState().to_arrays())) == digest(FitState())


FIT = """
import sys
import numpy as np
import scipy.sparse
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
tf.config.experimental.enable_op_determinism()
from tfcolor.mixtures.bernoulli import BernoulliOptions
from tfcolor.mixtures.expectation_maximization import fit_mixture
from tfcolor.mixtures.gaussian import GaussianOptions
from tfcolor.mixtures.samples import DenseSamples, SparseSamples

generator = np.random.default_rng(0)


def report(samples, options):
    state = fit_mixture(samples, options, seed=0)
    print(state.histories, [array.tobytes().hex() for array in vars(state.best).values()])


# Products of a million and more multiplications, which threads would share.
for shape, components in (((1500, 1, 150), 64), ((300, 8, 60), 20)):
    bits = (generator.random(shape) < 0.2).astype(np.uint8)
    options = BernoulliOptions(num_components=components, num_iterations=2, chunk_megabytes=1)
    report(DenseSamples(bits), options)
rows = scipy.sparse.csr_matrix(bits.reshape(-1, 60))
report(SparseSamples(rows, 8), BernoulliOptions(num_components=5, num_iterations=2))
values = generator.normal(size=(1000, 2, 12))
options = GaussianOptions(num_components=20, num_iterations=2, covariance="full")
report(DenseSamples(values), options)
"""


def test_results_do_not_depend_on_the_number_of_threads():
    runs = []
    for num_threads in ("1", "2"):
        threads = {"OPENBLAS_NUM_THREADS": num_threads, "OMP_NUM_THREADS": num_threads}
        threads["TF_ENABLE_ONEDNN_OPTS"] = "1"  # as every command sets it
        runs.append(
            subprocess.run(
                [sys.executable, "-c", FIT, num_threads],
                env={**os.environ, **threads},
                capture_output=True,
                check=True,
            ).stdout
        )
    assert len(runs[0]) > 10_000
    assert runs[0] == runs[1]
