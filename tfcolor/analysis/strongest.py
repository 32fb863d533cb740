"""The photographs that excite each feature most, found in one pass."""

import dataclasses

import numpy as np

from tfcolor.core.taps import Tap

SELECTIONS = ("selective", "active")


@dataclasses.dataclass(frozen=True)
class Activation:
    """The strongest activation of a feature in one photograph.

    Args:
      position: where the reader has the photograph.
      cell: (row, column) on the feature map.
      value: the activation.
    """

    position: int
    cell: tuple[int, int]
    value: float


class StrongestActivations:
    """The strongest photographs of each feature, each with its strongest cell.

    Of equal activations the earlier photograph comes first and the earlier cell,
    row by row, counts. Memory does not grow with the number of photographs.

    Args:
      num_features: C.
      num_kept: photographs kept for each feature.
      border_px: cells whose receptive field is centered nearer than this to the
        border of the photograph do not count. 0 lets all count.
    """

    def __init__(self, num_features: int, num_kept: int, border_px: int = 0) -> None:
        self._border = border_px
        self._values = np.full((num_kept, num_features), -np.inf)
        self._places = np.zeros((num_kept, num_features, 3), np.int64)
        self._least = np.full(num_features, np.inf)
        self._sums = np.zeros((2, num_features))  # of all activations, of each image's strongest
        self._num_cells = 0
        self.num_images = 0

    def update(self, position: int, features: np.ndarray, tap: Tap, size: tuple[int, int]) -> bool:
        """Looks at the activations in one photograph.

        Args:
          position: where the reader has it.
          features: float [h, w, C], its feature map.
          tap: geometry of the map at this size.
          size: height and width of what the network saw, in pixels.

        Returns:
          Whether any cell counted: False if all are too near to the border.
        """
        rows, columns = (
            self._inner_cells(tap, axis, features.shape[axis], size[axis]) for axis in (0, 1)
        )
        inner = features[rows][:, columns]
        if not inner.size:
            return False
        cells = inner.reshape(-1, inner.shape[-1]).astype(np.float64)
        best = cells.argmax(axis=0)
        values = cells.max(axis=0)
        places = np.stack(
            [
                np.full_like(best, position),
                rows[best // len(columns)],
                columns[best % len(columns)],
            ],
            axis=-1,
        )
        self._keep(values, places)
        self._least = np.minimum(self._least, cells.min(axis=0))
        self._sums += np.stack([cells.sum(axis=0), values])
        self._num_cells += len(cells)
        self.num_images += 1
        return True

    def of(self, feature: int) -> list[Activation]:
        """Returns the strongest activations of a feature.

        Args:
          feature: in [0, C).

        Returns:
          The strongest first, at most one per photograph. Those at the feature's
          least value, which tell nothing of where it responds, are left out: a
          feature that never changes has none.
        """
        return [
            Activation(int(place[0]), (int(place[1]), int(place[2])), float(value))
            for value, place in zip(self._values[:, feature], self._places[:, feature], strict=True)
            if value > self._least[feature]
        ]

    @property
    def activity(self) -> np.ndarray:
        """Returns the mean activation of each feature, float64 [C]."""
        return self._sums[0] / max(self._num_cells, 1)

    @property
    def selectivity(self) -> np.ndarray:
        """Returns how much a feature prefers a few photographs, float64 [C], at least 1.

        The mean of the kept activations over the mean of the strongest activation
        in every photograph, both above the feature's least value. It is 0 for a
        feature that excels in fewer photographs than are kept (or than there are).
        """
        wanted = min(len(self._values), self.num_images)
        kept = self._values[:wanted] - self._least
        mean = self._sums[1] / max(self.num_images, 1) - self._least
        is_alive = (kept > 0).all(axis=0) & (wanted > 0)
        return np.where(is_alive, kept.mean(axis=0) / np.where(is_alive, mean, 1.0), 0.0)

    def choose(self, count: int, selection: str) -> list[int]:
        """Returns the features that stand out, and differ from each other.

        A feature that shares more than half of its photographs with one before
        it comes only if there are too few others.

        Args:
          count: how many, at most.
          selection: "selective" or "active": by `selectivity` or `activity`.

        Returns:
          Features, the foremost first; of equal ones the lower number. Features
          that never change are left out.

        Raises:
          ValueError: if `selection` is neither.
        """
        if selection not in SELECTIONS:
            raise ValueError(f"selection={selection!r}; expected one of {', '.join(SELECTIONS)}")
        scores = self.selectivity if selection == "selective" else self.activity
        is_alive = self._values[0] > self._least
        order = np.argsort(np.where(is_alive, -scores, np.inf), kind="stable")
        alive = order[: int(is_alive.sum())].tolist()
        photographs = {feature: {one.position for one in self.of(feature)} for feature in alive}
        chosen: list[int] = []
        for feature in alive:
            own = photographs[feature]
            if all(2 * len(own & photographs[other]) <= len(own) for other in chosen[:count]):
                chosen.append(feature)
        alike = [feature for feature in alive if feature not in chosen]
        return (chosen + alike)[:count]

    def _inner_cells(self, tap: Tap, axis: int, cells: int, pixels: int) -> np.ndarray:
        """Returns the cells along an axis whose center is far enough from the border."""
        centers = tap.centers(axis, cells).numpy()
        if not self._border:
            return np.arange(cells)
        inside = (centers >= self._border) & (centers <= pixels - 1 - self._border)
        return np.flatnonzero(inside)

    def _keep(self, values: np.ndarray, places: np.ndarray) -> None:
        """Puts the activations of one photograph among the kept ones, if they belong there."""
        count = len(self._values)
        values = np.concatenate([self._values, values[None]])
        places = np.concatenate([self._places, places[None]])
        order = np.argsort(-values, axis=0, kind="stable")[:count]
        self._values = np.take_along_axis(values, order, axis=0)
        self._places = np.take_along_axis(places, order[..., None], axis=0)
