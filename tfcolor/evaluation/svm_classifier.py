"""Linear support vector machines on frozen features, one class against all others."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcolor.core.progress import track
from tfcolor.data.sources.voc import ABSENT, PRESENT
from tfcolor.evaluation.neighbors import unit_vectors

COSTS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Of errors, among which cross-validation chooses."""
LONE_COST = 1.0
"""Where a class has too few images to choose by."""
NUM_FOLDS = 3
POSITIVE_WEIGHT = 2
MAX_ITERATIONS = 2000


class SvmClassifier:
    """One support vector machine for each class, on features of unit length.

    The squared hinge loss, with positives counted twice. The cost of each class
    is the one of the best average precision in cross-validation, the smallest
    among equals. A class without any positive, or any negative, scores 0.

    Args:
      costs: among which to choose; a single one is taken as it is.
      num_folds: parts of the cross-validation, or as many as there are positives
        if these are fewer.
      seed: deals the images out.

    Attributes:
      costs: the chosen cost of each class, None where there is no machine.

    References:
      Goyal, Mahajan, Gupta, Misra. Scaling and Benchmarking Self-Supervised Visual
      Representation Learning. ICCV 2019, section 6.1.
    """

    def __init__(
        self, costs: Sequence[float] = COSTS, *, num_folds: int = NUM_FOLDS, seed: int = 0
    ) -> None:
        self._choices, self._num_folds, self._seed = sorted(costs), num_folds, seed
        self.costs: list[float | None] = []
        self._machines: list[Any] = []

    def fit(self, features: np.ndarray, presence: np.ndarray) -> "SvmClassifier":
        """Fits the machines of all classes.

        Args:
          features: float [N, D].
          presence: int [N, K], 1 where a class is present and 0 where it is
            absent; any other value leaves an image out of that class.

        Returns:
          The classifier itself.
        """
        units = unit_vectors(features)
        self.costs, self._machines = [], []
        for column in track(presence.T, "fitting", presence.shape[1], "classes"):
            is_known = np.isin(column, (PRESENT, ABSENT))
            known, targets = units[is_known], np.where(column[is_known] == PRESENT, 1, -1)
            machine = cost = None
            if len(np.unique(targets)) == 2:
                cost = self._choose_cost(known, targets)
                machine = _fit(known, targets, cost)
            self.costs.append(cost)
            self._machines.append(machine)
        return self

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Returns how far images lie on the positive side of each machine.

        Args:
          features: float [N, D].

        Returns:
          float64 [N, K].
        """
        units = unit_vectors(features)
        columns = [
            np.zeros(len(units)) if machine is None else machine.decision_function(units)
            for machine in self._machines
        ]
        return np.stack(columns, axis=1)

    def _choose_cost(self, features: np.ndarray, targets: np.ndarray) -> float:
        """Returns the cost of the best mean average precision."""
        from sklearn.metrics import average_precision_score  # slow to import
        from sklearn.model_selection import StratifiedKFold

        if len(self._choices) == 1:
            return self._choices[0]
        num_folds = min(self._num_folds, int(np.sum(targets == 1)), int(np.sum(targets == -1)))
        if num_folds < 2:
            return LONE_COST
        folds = StratifiedKFold(num_folds, shuffle=True, random_state=self._seed)
        parts = list(folds.split(features, targets))

        def precision(cost: float) -> float:
            machines = [_fit(features[own], targets[own], cost) for own, _ in parts]
            pairs = zip(machines, parts, strict=True)
            return sum(
                average_precision_score(targets[rest], machine.decision_function(features[rest]))
                for machine, (_, rest) in pairs
            )

        return max(self._choices, key=precision)


def _fit(features: np.ndarray, targets: np.ndarray, cost: float) -> Any:
    """Returns a fitted machine."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    machine = LinearSVC(
        C=cost,
        class_weight={1: POSITIVE_WEIGHT, -1: 1},
        dual=True,
        max_iter=MAX_ITERATIONS,
        random_state=0,
    )
    with warnings.catch_warnings():
        # At large costs 2,000 passes, the published limit, need not do.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return machine.fit(features, targets)
