"""Learning parts: a mixture of the patches of images, in all transformations."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import cast

import numpy as np

from tfcolor.core.options import option
from tfcolor.core.seeds import derive_seed
from tfcolor.mixtures.assignment import assign, keep_frequent
from tfcolor.mixtures.bernoulli import BernoulliMixture, BernoulliOptions
from tfcolor.mixtures.expectation_maximization import FitState, fit_mixture
from tfcolor.mixtures.samples import DenseSamples
from tfcolor.parts.edges import EdgeOptions, oriented_edges
from tfcolor.parts.patches import (
    PatchOptions,
    PatchSample,
    sample_complete_patches,
    sample_patches,
)
from tfcolor.parts.pooling import FeatureLayout


@dataclasses.dataclass(frozen=True)
class PartOptions(BernoulliOptions):
    """How many parts are learned, in which transformations."""

    num_rotations: int = option(1, "rotations of each part over the circle", minimum=1)
    num_polarities: int = option(
        1, "2 for each part on bright and on dark ground as well", minimum=1, maximum=2
    )
    min_count: int = option(0, "a part with fewer patches is dropped", minimum=0)


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """Parts of a mixture, the most frequent first.

    Args:
      means: float32 [K, P, S * S * D], how likely each edge is.
      size: S, side of a patch, pixels.
      layout: components, rotations and polarities of the features.
      pictures: float32 [K, S, S, C] in [0, 1], the mean of the image patches of a
        component, each in its canonical rotation.
      counts: int64 [K], patches of each component.
      log_likelihood: of all patches, nats.
    """

    means: np.ndarray
    size: int
    layout: FeatureLayout
    pictures: np.ndarray
    counts: np.ndarray
    log_likelihood: float

    @property
    def log_odds(self) -> np.ndarray:
        """Returns float32 [K, P, S * S * D], what an edge adds to the log-likelihood."""
        means = self.means.astype(np.float64)
        return (np.log(means) - np.log1p(-means)).astype(np.float32)

    @property
    def offsets(self) -> np.ndarray:
        """Returns float32 [K, P], the log-likelihood of a patch without edges."""
        return np.log1p(-self.means.astype(np.float64)).sum(axis=-1).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns everything as numbers [...] by name, for a file."""
        return {
            "means": self.means,
            "size": np.array(self.size),
            "layout": np.array(dataclasses.astuple(self.layout)),
            "pictures": self.pictures,
            "counts": self.counts,
            "log_likelihood": np.array(self.log_likelihood),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Parts":
        """Returns the parts that `arrays` gave as numbers [...] by name."""
        return cls(
            arrays["means"],
            int(arrays["size"]),
            FeatureLayout(*(int(number) for number in arrays["layout"])),
            arrays["pictures"],
            arrays["counts"],
            float(arrays["log_likelihood"]),
        )


def draw_patches(
    images: np.ndarray,
    edges: EdgeOptions,
    patches: PatchOptions,
    options: PartOptions,
    *,
    seed: int,
) -> PatchSample:
    """Draws the patches that parts are learned from.

    Args:
      images: uint8 [N, H, W, C].
      edges: how edges are found.
      patches: which patches.
      options: the transformations each patch is seen in.
      seed: of the draws.

    Returns:
      Patches in all transformations, P of them.

    Raises:
      UserError: if the images have too few edges.
    """
    seed = derive_seed(seed, "parts/patches")
    transformations = options.num_rotations, options.num_polarities

    def detect(batch: np.ndarray) -> np.ndarray:
        return oriented_edges(batch, edges)

    if transformations == (1, 1):
        return sample_patches(images, detect, patches, seed=seed)
    return sample_complete_patches(images, detect, transformations, patches, seed=seed)


def learn_parts(
    sample: PatchSample,
    options: PartOptions,
    *,
    seed: int,
    start: FitState | None = None,
    on_iteration: Callable[[FitState], None] | None = None,
) -> Parts:
    """Fits a mixture to patches.

    Args:
      sample: patches in all transformations.
      options: components, transformations, iterations.
      seed: the first samples of the components derive from it.
      start: where EM goes on; None for the beginning.
      on_iteration: called after every iteration.

    Returns:
      The parts, the most frequent first.

    Raises:
      UserError: if there are fewer patches than components.

    References:
      Larsson. Dissertation, sections 1.2.2 to 1.2.4, eq. 1.1, 1.7 and 1.8.
    """
    samples = DenseSamples(sample.flat, options.num_polarities)
    state = fit_mixture(
        samples,
        options,
        seed=derive_seed(seed, "parts/mixture"),
        start=start,
        on_iteration=on_iteration,
    )
    fitted = cast(BernoulliMixture, state.best)
    assignment = assign(fitted, samples)
    mixture, kept, counts = keep_frequent(fitted, assignment, min_count=options.min_count)
    own = sample.pixels[np.arange(len(sample.pixels)), assignment.permutations]
    return Parts(
        mixture.means.astype(np.float32),
        sample.pixels.shape[2],
        FeatureLayout(len(kept), options.num_rotations, options.num_polarities),
        _mean_pictures(own, assignment.components, kept),
        counts,
        state.log_likelihood,
    )


def _mean_pictures(patches: np.ndarray, components: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Returns float32 [K, S, S, C] in [0, 1], the mean uint8 patch of each component."""
    flat = patches.reshape(len(patches), -1)
    sums = np.zeros((int(max(components.max(), kept.max())) + 1, flat.shape[1]), np.float64)
    np.add.at(sums, components, flat)
    counts = np.bincount(components, minlength=len(sums))
    means = sums / (255 * np.maximum(counts, 1)[:, None])
    return means[kept].reshape(-1, *patches.shape[1:]).astype(np.float32)
