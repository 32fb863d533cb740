"""Fitting mixtures by EM, with restarts, from any iteration on."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from tfcolor.core.options import check_options
from tfcolor.core.seeds import derive_seed
from tfcolor.mixtures.bernoulli import BernoulliMixture, BernoulliOptions
from tfcolor.mixtures.gaussian import GaussianMixture, GaussianOptions
from tfcolor.mixtures.options import MixtureOptions
from tfcolor.mixtures.samples import Samples

AnyMixture = TypeVar("AnyMixture", BernoulliMixture, GaussianMixture)
Options = BernoulliOptions | GaussianOptions


@dataclasses.dataclass(frozen=True)
class FitState:
    """Everything that a fit needs to go on after an iteration.

    Args:
      histories: log-likelihoods before each M-step, for each restart begun.
      current: the mixture of the restart under way; None between restarts.
      best: the mixture of the best restart finished; None before the first.
    """

    histories: tuple[tuple[float, ...], ...] = ()
    current: Any = None
    best: Any = None

    @property
    def restart(self) -> int:
        """Returns how many restarts are finished."""
        return len(self.histories) - (self.current is not None)

    @property
    def iteration(self) -> int:
        """Returns how many iterations the restart under way has had."""
        return len(self.histories[-1]) if self.current is not None else 0

    @property
    def log_likelihood(self) -> float:
        """Returns the log-likelihood last recorded in the best restart finished."""
        return max((history[-1] for history in self.histories[: self.restart]), default=-np.inf)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Returns the state as named arrays for `np.savez`: float64 [...], int64 [...]."""
        arrays = {
            "histories": np.array([value for history in self.histories for value in history]),
            "lengths": np.array([len(history) for history in self.histories], np.int64),
        }
        for name in ("current", "best"):
            mixture = getattr(self, name)
            parts = {} if mixture is None else vars(mixture)
            arrays |= {f"{name}/{part}": array for part, array in parts.items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "FitState":
        """Returns the state that `to_arrays` gave as arrays, float64 and int64 [...]."""
        ends = np.cumsum(arrays["lengths"])[:-1]
        histories = np.split(arrays["histories"], ends) if len(arrays["lengths"]) else []
        return cls(
            tuple(tuple(history.tolist()) for history in histories),
            mixture_from_arrays(arrays, "current/"),
            mixture_from_arrays(arrays, "best/"),
        )


def mixture_from_arrays(arrays: Mapping[str, np.ndarray], prefix: str = "") -> Any:
    """Returns the mixture whose fields are among named arrays.

    Args:
      arrays: float64 [...] by name, fields of `BernoulliMixture` or
        `GaussianMixture`.
      prefix: before each of their names.

    Returns:
      The mixture, or None if there is none of this prefix.
    """
    parts = {
        name.removeprefix(prefix): np.asarray(arrays[name])
        for name in arrays
        if name.startswith(prefix)
    }
    if not parts:
        return None
    return GaussianMixture(**parts) if "covariances" in parts else BernoulliMixture(**parts)


def em_step(mixture: AnyMixture, samples: Samples, options: Any) -> tuple[AnyMixture, float]:
    """Returns the mixture after one iteration, and how well it fitted before.

    Args:
      mixture: where to start.
      samples: N complete samples.
      options: of the mixture's kind, limits of the parameters.

    Returns:
      The next mixture; the log-likelihood of all samples under `mixture`.
    """
    statistics = mixture.expect(samples, options)
    return mixture.update(statistics, options), statistics.log_likelihood


def fit_mixture(
    samples: Samples,
    options: Options,
    *,
    seed: int,
    start: FitState | None = None,
    on_iteration: Callable[[FitState], None] | None = None,
) -> FitState:
    """Fits a mixture by EM from several starts and keeps the best.

    The result depends on samples, options and seed alone: not on the number of
    threads, and not on whether the fit was interrupted and went on from a state.

    Args:
      samples: N complete samples.
      options: whose type says which kind of mixture.
      seed: of all restarts.
      start: a state of the same fit to go on from.
      on_iteration: called with the state after every iteration.

    Returns:
      The last state; `best` is the mixture.

    Raises:
      UserError: if there are fewer samples than components, samples are not
        finite or, for bits, neither 0 nor 1, or an option is out of range.
    """
    check_options(options)
    state = start or FitState()
    while state.restart < options.num_restarts:
        state = _advance(state, samples, options, seed)
        if on_iteration is not None:
            on_iteration(state)
    return state


def _advance(state: FitState, samples: Samples, options: Options, seed: int) -> FitState:
    """Returns the state after one more iteration."""
    current, finished = state.current, state.histories[: state.restart]
    if current is None:
        kind: Any = GaussianMixture if isinstance(options, GaussianOptions) else BernoulliMixture
        current = kind.initialize(samples, options, derive_seed(seed, f"restart/{state.restart}"))
    statistics = current.expect(samples, options)
    history = (*state.histories[state.restart :], ())[0] + (statistics.log_likelihood,)
    has_converged = _has_converged(history, options)
    if not has_converged:
        current = current.update(statistics, options)
    if not has_converged and len(history) < options.num_iterations:
        return FitState((*finished, history), current, state.best)
    best = current if state.best is None or history[-1] > state.log_likelihood else state.best
    return FitState((*finished, history), None, best)


def _has_converged(history: tuple[float, ...], options: MixtureOptions) -> bool:
    """Whether the log-likelihood has changed too little to go on."""
    if len(history) == 1:
        return False
    before, now = history[-2:]
    return abs(now - before) < options.min_relative_gain * abs(before)
