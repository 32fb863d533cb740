"""Learning parts: a mixture of the patches of images, in all transformations."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.core.options import option
from tfcolor.core.seeds import derive_seed
from tfcolor.mixtures.activations import euclidean_distances
from tfcolor.mixtures.assignment import assign, keep_frequent
from tfcolor.mixtures.bernoulli import BernoulliOptions
from tfcolor.mixtures.expectation_maximization import FitState, fit_mixture
from tfcolor.mixtures.gaussian import GaussianMixture, GaussianOptions
from tfcolor.mixtures.kmeans import fit_kmeans
from tfcolor.mixtures.samples import DenseSamples
from tfcolor.parts.edges import EdgeOptions, oriented_edges
from tfcolor.parts.patches import (
    Acceptance,
    PatchOptions,
    PatchSample,
    sample_complete_patches,
    sample_patches,
)
from tfcolor.parts.pixels import (
    PATCHES_PER_CHUNK,
    PixelOptions,
    learn_whitening,
    patch_deviations,
    patch_features,
)
from tfcolor.parts.pooling import FeatureLayout

KINDS = ("bernoulli", "gaussian", "kmeans")


@dataclasses.dataclass(frozen=True)
class PartOptions(BernoulliOptions, GaussianOptions):
    """Which parts are learned, how many, in which transformations."""

    kind: str = option(
        "bernoulli",
        "what a part is: a Bernoulli component of edges, or a Gaussian one or the center of a "
        "cluster of pixels",
        choices=KINDS,
    )
    num_rotations: int = option(1, "rotations of each part over the circle", minimum=1)
    num_polarities: int = option(
        1, "2 for each part on bright and on dark ground as well", minimum=1, maximum=2
    )
    min_count: int = option(0, "a part with fewer patches is dropped", minimum=0)

    @property
    def of_mixture(self) -> BernoulliOptions | GaussianOptions:
        """Returns the options of the mixture of this kind."""
        chosen = GaussianOptions if self.kind == "gaussian" else BernoulliOptions
        names = (field.name for field in dataclasses.fields(chosen))
        return chosen(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """Parts of a mixture, the most frequent first.

    Args:
      means: float32 [K, P, S * S * D], how likely each edge is, or the mean
        features of patches of pixels.
      size: S, side of a patch, pixels.
      layout: components, rotations and polarities of the features.
      pictures: float32 [K, S, S, C] in [0, 1], the mean of the image patches of a
        component, each in its canonical rotation.
      counts: int64 [K], patches of each component.
      log_likelihood: of all patches, nats; of clusters, minus half the squared
        distances from their centers.
      covariances: float64 [K or 1, P or 1, D(, D)] of Gaussian parts.
      whitening: float32 [D, D], if patches of pixels are whitened.
    """

    means: np.ndarray
    size: int
    layout: FeatureLayout
    pictures: np.ndarray
    counts: np.ndarray
    log_likelihood: float
    covariances: np.ndarray | None = None
    whitening: np.ndarray | None = None

    @property
    def mixture(self) -> GaussianMixture | None:
        """Returns Gaussian parts as a mixture of equal weights; None for others."""
        if self.covariances is None:
            return None
        weights = np.full(self.means.shape[:2], 1 / self.layout.num_features)
        return GaussianMixture(weights, self.means, self.covariances)

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
        optional = {"covariances": self.covariances, "whitening": self.whitening}
        return {
            "means": self.means,
            "size": np.array(self.size),
            "layout": np.array(dataclasses.astuple(self.layout)),
            "pictures": self.pictures,
            "counts": self.counts,
            "log_likelihood": np.array(self.log_likelihood),
            **{name: array for name, array in optional.items() if array is not None},
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
            arrays.get("covariances"),
            arrays.get("whitening"),
        )


def draw_patches(
    images: np.ndarray,
    first: EdgeOptions | PixelOptions,
    patches: PatchOptions,
    options: PartOptions,
    *,
    seed: int,
) -> PatchSample:
    """Draws the patches that parts are learned from.

    Args:
      images: uint8 [N, H, W, C].
      first: how edges are found, or which patches of pixels are background.
      patches: which patches.
      options: the transformations each patch is seen in.
      seed: of the draws.

    Returns:
      Patches in all transformations, P of them.

    Raises:
      UserError: if the images have too few edges, or too little contrast.
    """
    seed = derive_seed(seed, "parts/patches")
    transformations = options.num_rotations, options.num_polarities

    def detect(batch: tf.Tensor) -> tf.Tensor:
        if isinstance(first, PixelOptions):
            return tf.zeros([*batch.shape[:3], 0], tf.uint8)
        return oriented_edges(batch, first)

    acceptance = _contrast(first, patches.size) if isinstance(first, PixelOptions) else None
    if transformations == (1, 1):
        return sample_patches(images, detect, patches, seed=seed, acceptance=acceptance)
    return sample_complete_patches(
        images, detect, transformations, patches, seed=seed, acceptance=acceptance
    )


def _contrast(pixels: PixelOptions, size: int) -> Acceptance:
    """Returns that a patch deviates enough from its mean."""
    return Acceptance(
        lambda images: patch_deviations(images, size) >= pixels.min_std,
        f"a standard deviation of pixels_min_std={pixels.min_std}",
    )


def learn_parts(
    sample: PatchSample,
    options: PartOptions,
    pixels: PixelOptions | None = None,
    *,
    seed: int,
    start: FitState | None = None,
    on_iteration: Callable[[FitState], None] | None = None,
) -> Parts:
    """Fits a mixture, or clusters, to patches.

    Args:
      sample: patches in all transformations.
      options: kind, components, transformations, iterations.
      pixels: how patches of pixels become features; not read for edges.
      seed: the first samples of the components derive from it.
      start: where EM goes on; None for the beginning.
      on_iteration: called after every iteration of EM.

    Returns:
      The parts, the most frequent first.

    Raises:
      UserError: if there are fewer patches than components.

    References:
      Larsson. Dissertation, sections 1.2.2 to 1.2.4, eq. 1.1, 1.7 and 1.8.
    """
    seed, features, whitening = derive_seed(seed, "parts/mixture"), sample.flat, None
    if options.kind != "bernoulli":
        pixels = pixels or PixelOptions()
        whitening = learn_whitening(sample.pixels, pixels)
        features = patch_features(sample.pixels, pixels, whitening)
    if options.kind == "kmeans":
        return _learn_clusters(sample, features[:, 0], options, seed, whitening)
    samples = DenseSamples(features, options.num_polarities)
    state = fit_mixture(
        samples, options.of_mixture, seed=seed, start=start, on_iteration=on_iteration
    )
    assignment = assign(state.best, samples)
    mixture, kept, counts = keep_frequent(state.best, assignment, min_count=options.min_count)
    own = sample.pixels[np.arange(len(sample.pixels)), assignment.permutations]
    return Parts(
        mixture.means.astype(np.float32),
        sample.pixels.shape[2],
        FeatureLayout(len(kept), options.num_rotations, options.num_polarities),
        _mean_pictures(own, assignment.components, kept),
        counts,
        state.log_likelihood,
        mixture.covariances if isinstance(mixture, GaussianMixture) else None,
        whitening,
    )


def _learn_clusters(
    sample: PatchSample,
    features: np.ndarray,
    options: PartOptions,
    seed: int,
    whitening: np.ndarray | None,
) -> Parts:
    """Returns the clusters of features [N, D] as parts."""
    found = fit_kmeans(
        features,
        options.num_components,
        seed=seed,
        max_iterations=options.num_iterations,
    )
    kept = np.flatnonzero(found.counts >= options.min_count)
    if not len(kept):
        raise UserError(
            f"no cluster has {options.min_count} patches, the largest {found.counts.max()}: "
            "expected more patches or a smaller --parts_min_count"
        )
    nearest, squares = _nearest_centers(features, found.centers)
    return Parts(
        found.centers[kept][:, None],
        sample.pixels.shape[2],
        FeatureLayout(len(kept)),
        _mean_pictures(sample.pixels[:, 0], nearest, kept),
        found.counts[kept],
        -squares / 2,
        whitening=whitening,
    )


def _nearest_centers(features: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns int64 [N], the center nearest to each, and the sum of squared distances."""
    nearest, total = [], 0.0
    for first in range(0, len(features), PATCHES_PER_CHUNK):
        chunk = features[first : first + PATCHES_PER_CHUNK]
        distances = euclidean_distances(tf.constant(chunk), tf.constant(centers)).numpy()
        nearest.append(distances.argmin(axis=1))
        total += float(np.square(distances.min(axis=1), dtype=np.float64).sum())
    return np.concatenate(nearest), total


def _mean_pictures(patches: np.ndarray, components: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Returns float32 [K, S, S, C] in [0, 1], the mean uint8 patch of each component."""
    flat = patches.reshape(len(patches), -1)
    sums = np.zeros((int(max(components.max(), kept.max())) + 1, flat.shape[1]), np.float64)
    np.add.at(sums, components, flat)
    counts = np.bincount(components, minlength=len(sums))
    means = sums / (255 * np.maximum(counts, 1)[:, None])
    return means[kept].reshape(-1, *patches.shape[1:]).astype(np.float32)
