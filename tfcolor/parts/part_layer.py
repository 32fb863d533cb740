"""Layers of parts: which part a patch is, or how much it is each of them."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import tensorflow as tf

from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.mixtures.activations import (
    LOG_FLOOR,
    euclidean_distances,
    hard_codes,
    relative_activations,
    soft_activations,
)
from tfcolor.parts.coding import (
    BACKGROUND,
    answer_patches,
    code_parts,
    kept_patches,
    part_kernel,
)
from tfcolor.parts.edges import BORDER, EdgeOptions, num_edge_channels, oriented_edges
from tfcolor.parts.learning import Parts
from tfcolor.parts.pixels import PixelOptions, patch_deviations, prepare_patches, unit_images
from tfcolor.parts.pooling import FeatureLayout, PoolOptions

HARD = "hard"
CODINGS: Mapping[str, tuple[str, ...]] = {
    "bernoulli": (HARD,),
    "gaussian": (HARD, "triangle", "soft", "raw"),
    "kmeans": (HARD, "triangle", "soft"),
}
"""What each kind of parts can say of a patch."""


@dataclasses.dataclass(frozen=True)
class CodingOptions:
    """Where a patch is given to a part; patches of pixels have an option of their own."""

    min_edges: int = option(2, "a patch with fewer edges is background", minimum=0)
    outer_frame: int = option(
        1, "pixels at the patch's border whose edges are not counted for that", minimum=0
    )


class PartLayer(Protocol):
    """From images to what their patches are.

    Attributes:
      layout: components, rotations and polarities of the features.
      patch_size: S, side of a patch, pixels.
      border: b, pixels at each side of the image that no patch covers.
      is_hard: whether a code is the index of a part, not a number for each.
    """

    layout: FeatureLayout
    patch_size: int
    border: int
    is_hard: bool

    def code(self, images: np.ndarray | tf.Tensor, kept: PoolOptions | None = None) -> tf.Tensor:
        """Returns the codes of all patches.

        Args:
          images: uint8 [N, H, W, C], or float32 in [0, 1].
          kept: the pooling that follows; what it throws away may be left out.

        Returns:
          int32 [N, H', W'] in [-1, F), -1 for background, or float32
          [N, H', W', F], H' = H - 2 b - S + 1 and W' likewise.
        """

    def first_maps(self, images: np.ndarray | tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns maps of numbers [N, H - 2 b, W - 2 b, D] below the parts by name."""

    def first_channels(self, input_channels: int) -> dict[str, int]:
        """Returns the channels of `first_maps` by name."""


class EdgePartLayer(tf.Module):
    """Finds the likeliest Bernoulli part in oriented edges.

    Args:
      parts: the mixture's parameters.
      edges: how edges are found.
      coding: which patches are background.
    """

    is_hard = True

    def __init__(self, parts: Parts, edges: EdgeOptions, coding: CodingOptions) -> None:
        super().__init__(name="edge_parts")
        self.layout, self.patch_size = parts.layout, parts.size
        self.border = 0 if edges.preserve_size else BORDER
        self._edges, self._coding = edges, coding
        kernel = part_kernel(parts.log_odds, parts.size)
        self._kernel = tf.Variable(kernel, trainable=False, name="kernel")
        self._bias = tf.Variable(np.reshape(parts.offsets, -1), trainable=False, name="bias")

    def code(self, images: np.ndarray | tf.Tensor, kept: PoolOptions | None = None) -> tf.Tensor:
        """Returns int32 [N, H', W'] of images [N, H, W, C], -1 for background."""
        return code_parts(
            oriented_edges(images, self._edges),
            self._kernel,
            self._bias,
            min_edges=self._coding.min_edges,
            frame=self._coding.outer_frame,
            kept=kept,
        )

    def first_maps(self, images: np.ndarray | tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `edges`, uint8 [N, H - 2 b, W - 2 b, 8 C], 0 or 1."""
        return {"edges": oriented_edges(images, self._edges)}

    def first_channels(self, input_channels: int) -> dict[str, int]:
        """Returns the number of edge channels."""
        return {"edges": num_edge_channels(self._edges, input_channels)}


class PixelPartLayer(tf.Module):
    """Compares patches of pixels with Gaussian parts or centers of clusters.

    The components of a mixture count as equally likely. A code is

    - `hard`: the likeliest part, or the nearest center; -1 for background;
    - `triangle`: by how much a part's log density exceeds the mean of all (eq.
      1.3), or a center is nearer than they are on average; at least 0, and 0 for
      background;
    - `soft`: the log posterior, of clusters that of Gaussians of variance 1; at
      least ln 0.0005, which background has;
    - `raw`: the joint log density of patch and part, whatever the patch.

    Args:
      parts: centers, or means and covariances.
      pixels: how patches become features, and which are background.
      coding: one of `CODINGS` of this kind.

    Raises:
      ValueError: if the parts have no such coding.

    References:
      Larsson. Dissertation, section 1.2, eq. 1.2 and 1.3. Coates, Lee, Ng. An
      Analysis of Single-Layer Networks in Unsupervised Feature Learning. AISTATS
      2011.
    """

    border = 0

    def __init__(self, parts: Parts, pixels: PixelOptions, coding: str = HARD) -> None:
        super().__init__(name="pixel_parts")
        self.layout, self.patch_size, self.is_hard = parts.layout, parts.size, coding == HARD
        self._pixels, self._whitening, self._coding = pixels, parts.whitening, coding
        self._length = parts.means.shape[-1]
        kind = "kmeans" if parts.covariances is None else "gaussian"
        activations = {name: _activation(name, kind) for name in CODINGS[kind]}
        self._activate = lookup(activations, coding, "coding")
        self._score = _scores(parts)
        # One graph for each pooling, out of sight of tf.Module, which would save it.
        self._graph = functools.lru_cache(maxsize=4)(self._build_graph)

    def code(self, images: np.ndarray | tf.Tensor, kept: PoolOptions | None = None) -> tf.Tensor:
        """Returns the codes of images [N, H, W, C], as `PartLayer` says."""
        return self._graph(kept)(unit_images(images))

    def first_maps(self, images: np.ndarray | tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns nothing for [N, H, W, C]: the pixels are the image."""
        del images
        return {}

    def first_channels(self, input_channels: int) -> dict[str, int]:
        """Returns nothing."""
        del input_channels
        return {}

    @property
    def _background(self) -> tf.Tensor:
        """Returns the code of a background patch, [] or [F]."""
        if self.is_hard:
            return tf.constant(BACKGROUND)
        value = LOG_FLOOR if self._coding == "soft" else 0.0
        return tf.fill([self.layout.num_features], value)

    def _build_graph(self, kept: PoolOptions | None) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns what codes float32 images."""

        def answer(patches: tf.Tensor) -> tf.Tensor:
            patches = tf.ensure_shape(patches, [None, self._length])
            features = prepare_patches(patches, self._pixels, self._whitening)
            return self._activate(self._score(features))

        def code(images: tf.Tensor) -> tf.Tensor:
            deviations = patch_deviations(images, self.patch_size)
            smallest = 0.0 if self._coding == "raw" else self._pixels.min_std
            is_coded = deviations >= smallest
            if kept is not None:
                is_coded &= kept_patches(images, self.patch_size, kept)
            return answer_patches(images, is_coded, self.patch_size, answer, self._background)

        return tf.function(code, reduce_retracing=True, autograph=False)


def _scores(parts: Parts) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns what gives features [Q, D] log densities or negative distances [Q, F]."""
    mixture = parts.mixture
    if mixture is not None:
        return mixture.log_probs
    centers = parts.means.reshape(-1, parts.means.shape[-1])
    return lambda features: -euclidean_distances(features, centers)


def _activation(coding: str, kind: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns what makes codes of scores [Q, F]."""
    if coding == "soft" and kind == "kmeans":
        return lambda distances: soft_activations(-tf.square(distances) / 2)
    return {
        HARD: hard_codes,
        "triangle": relative_activations,
        "soft": soft_activations,
        "raw": lambda scores: scores - np.log(scores.shape[-1]),
    }[coding]
