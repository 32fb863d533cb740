"""Sets of permutations that are far from each other, for jigsaw puzzles."""

import functools
import itertools
import math

import numpy as np

RULES = ("min", "mean")
"""Which Hamming distance to the chosen permutations the next one maximizes."""


@functools.cache
def permutation_set(length: int, count: int, rule: str = "min") -> np.ndarray:
    """Returns distinct permutations with large Hamming distances.

    All of them, where all are asked for, are in lexicographic order. Fewer are
    chosen one by one, the identity first: next comes the one with the largest
    distance to those chosen, of these by the rule "min" the one with the largest
    sum of distances, of these the lexicographically first.

    Args:
      length: things that change places.
      count: P, how many permutations.
      rule: "min" takes the distance to the nearest chosen permutation, "mean"
        the mean distance, which tolerates near duplicates.

    Returns:
      uint8 [P, length], not writeable.

    Raises:
      ValueError: if there are fewer than `count`, or the rule is unknown.

    Example:
      >>> permutation_set(4, 3).tolist()
      [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1]]

    References:
      Noroozi, Favaro. Unsupervised Learning of Visual Representations by Solving
      Jigsaw Puzzles. ECCV 2016, algorithm 1 (the rule "mean").
    """
    if not 1 <= count <= math.factorial(length):
        raise ValueError(f"count={count}: expected 1 to {length}! = {math.factorial(length)}")
    if rule not in RULES:
        raise ValueError(f"rule={rule!r}: expected one of {', '.join(RULES)}")
    rows = np.array(list(itertools.permutations(range(length))), np.uint8)
    if count < len(rows):
        rows = rows[_choose(rows, count, rule)]
    rows.setflags(write=False)
    return rows


def _choose(rows: np.ndarray, count: int, rule: str) -> list[int]:
    """Returns which of uint8 [N, length] permutations are taken, in order."""
    columns = np.ascontiguousarray(rows.T)
    nearest = np.full(len(rows), rows.shape[1], np.uint8)
    total = np.zeros(len(rows), np.int32)
    everything, chosen = np.arange(len(rows)), []
    for _ in range(count):
        best = np.flatnonzero(nearest == nearest.max()) if rule == "min" else everything
        chosen.append(int(best[np.argmax(total[best])]))
        distance = np.zeros(len(rows), np.uint8)
        for column, place in zip(columns, rows[chosen[-1]], strict=True):
            distance += column != place
        nearest = np.minimum(nearest, distance)
        total += distance
        total[chosen[-1]] = -(2**30)  # never again
    return chosen
