"""Sampling of the patches that parts are learned from."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.core.options import check_options, option
from tfcolor.core.seeds import derive_seed
from tfcolor.parts.coding import edge_counts
from tfcolor.parts.rotation import complete_images

# Pixel maps in memory at a time, every rotation counted.
MAPS_PER_BATCH = 640


@dataclasses.dataclass(frozen=True)
class PatchOptions:
    """Which patches parts are learned from."""

    size: int = option(6, "side of a patch, in pixels", minimum=1)
    samples_per_image: int = option(40, "patches drawn from an image", minimum=1)
    max_samples: int = option(100_000, "patches drawn in all", minimum=1)
    min_edges: int = option(2, "edges that a patch has at least, without its frame", minimum=0)
    outer_frame: int = option(
        1, "pixels at each side of a patch whose edges do not count", minimum=0
    )
    max_tries: int = option(200, "positions tried for one patch", minimum=1)
    max_failures: int = option(10, "vain draws in a row that end the sampling", minimum=1)
    spread_over_all_images: bool = option(
        False, "whether all images give equally many patches, not the first ones all"
    )


@dataclasses.dataclass(frozen=True)
class PatchSample:
    """Patches and where they come from.

    Args:
      edges: uint8 [N, P, S, S, D], 0 or 1, a patch in every transformation.
      pixels: uint8 [N, P, S, S, C], the same patches of the images.
      image_indices: int32 [N], the image of each.
      positions: int32 [N, 2], (row, column) of the top-left pixel in the edge
        map that is not turned.
    """

    edges: np.ndarray
    pixels: np.ndarray
    image_indices: np.ndarray
    positions: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """uint8 [N, P, S S D], edges flattened as (row, column, channel)."""
        return self.edges.reshape(*self.edges.shape[:2], -1)


Detector = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Acceptance:
    """Which patches may be drawn, where it is not those with enough edges.

    Args:
      test: from float or uint8 images [B, H, W, C] to bool [B, H-S+1, W-S+1].
      wanted: what these patches have, for the error if there are none.
    """

    test: Callable[[tf.Tensor], tf.Tensor]
    wanted: str


class _Draws:
    """Chooses positions image by image; counts patches, and draws that fail in a row.

    Args:
      options: how patches are drawn.
      seed: of all draws; each image has its own random numbers.
      num_images: images in all.
      wanted: what patches that may be drawn have, for the error.
    """

    def __init__(self, options: PatchOptions, seed: int, num_images: int, wanted: str) -> None:
        self._options, self._num_images, self._wanted = options, num_images, wanted
        self._seed = derive_seed(seed, "patches")
        self._failures, self._num_found = 0, 0

    def generator(self, image: int) -> np.random.Generator:
        """Returns the random numbers of an image, whatever batch it is in."""
        return np.random.default_rng([self._seed, image])

    def quota(self, image: int) -> int:
        """Returns how many patches an image should give, after those found so far."""
        options = self._options
        if not options.spread_over_all_images:
            return min(options.samples_per_image, options.max_samples - self._num_found)
        share = options.max_samples * (image + 1) // self._num_images
        share -= options.max_samples * image // self._num_images
        return min(options.samples_per_image, share)

    def choose(
        self, image: int, is_good: np.ndarray, draws: int, generator: np.random.Generator
    ) -> np.ndarray:
        """Returns int [Q], the candidates drawn from an image.

        A shuffled list of candidates is walked cyclically. A draw takes the
        next good one, or fails after `max_tries`.

        Args:
          image: index of the image, for the error.
          is_good: bool [L], which candidates may be taken.
          draws: how many are wanted.
          generator: shuffles the list.

        Raises:
          UserError: if `max_failures` draws in a row failed.
        """
        order = generator.permutation(len(is_good))
        good = np.flatnonzero(is_good[order])
        chosen, step, taken = [], 0, 0
        for _ in range(draws):
            ahead = len(good) and taken // len(good) * len(order) + good[taken % len(good)] - step
            if len(good) and ahead < self._options.max_tries:
                chosen.append(order[good[taken % len(good)]])
                step, taken = step + ahead + 1, taken + 1
                self._failures = 0
            else:
                step += self._options.max_tries
                self._fail(image)
        self._num_found += len(chosen)
        return np.asarray(chosen, np.int64)

    def _fail(self, image: int) -> None:
        """Counts a vain draw."""
        self._failures += 1
        if self._failures >= self._options.max_failures:
            raise UserError(
                f"{self._failures} draws in a row, the last from image {image}, found no patch "
                f"with {self._wanted}: lower that, or leave out images without such patches"
            )


class _Collected:
    """Arrays that grow in place up to a number of samples known before.

    Args:
      capacity: samples at most.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity, self._count = capacity, 0
        self._arrays: list[np.ndarray] = []

    def append(self, *parts: np.ndarray) -> None:
        """Adds samples, one array for each field of `PatchSample`."""
        if not self._arrays:
            # Memory that no sample reaches is never touched.
            self._arrays = [
                np.empty([self._capacity, *part.shape[1:]], part.dtype) for part in parts
            ]
        count = len(parts[0])
        for array, part in zip(self._arrays, parts, strict=True):
            array[self._count : self._count + count] = part
        self._count += count

    def finish(self) -> PatchSample:
        """Returns what was collected."""
        return PatchSample(*(array[: self._count] for array in self._arrays))


def sample_patches(
    images: np.ndarray,
    detect_edges: Detector,
    options: PatchOptions,
    *,
    seed: int,
    acceptance: Acceptance | None = None,
) -> PatchSample:
    """Samples patches with enough edges, image by image.

    Args:
      images: uint8 [N, H, W, C], or float32 [N, H, W, C] in [0, 1].
      detect_edges: from images [B, H, W, C] to uint8 [B, H', W', D].
      options: which patches, and how many.
      seed: of the choice of positions. The size of batches has no influence.
      acceptance: which patches may be drawn; None for those with enough edges.

    Returns:
      The patches, with P = 1.

    Raises:
      UserError: if there is no image, if images are smaller than a patch or
        too few patches have enough edges.
    """
    draws, collected = _start(images, options, seed, acceptance)
    for first, batch in _batches(images, draws, MAPS_PER_BATCH):
        edges = np.asarray(detect_edges(tf.convert_to_tensor(batch)))[:, None]
        good = _find_good(batch, edges[:, 0], options, acceptance)
        corners = np.argwhere(np.ones(good.shape[1:], bool))
        for index in range(len(batch)):
            image = first + index
            generator = draws.generator(image)
            is_good = good[index].ravel()
            chosen = corners[draws.choose(image, is_good, draws.quota(image), generator)]
            blocks = np.zeros([len(chosen), 1], np.int64)
            found = (edges[index], batch[index : index + 1])
            collected.append(*_cut(found, blocks, chosen[:, None], options.size, image))
    return collected.finish()


def sample_complete_patches(
    images: np.ndarray,
    detect_edges: Detector,
    transformations: tuple[int, int],
    options: PatchOptions,
    *,
    seed: int,
    acceptance: Acceptance | None = None,
) -> PatchSample:
    """Samples patches in all their rotations and polarities.

    The image is turned, edges are found anew, and the block that corresponds is
    cut from each turn. The blocks start at a random rotation, since the image
    that is not turned is sharper than the others.

    Args:
      images: uint8 [N, H, W, C], or float32 [N, H, W, C] in [0, 1].
      detect_edges: from images [B, H, W, C] to uint8 [B, H', W', D].
      transformations: (R, T), rotations per circle and polarities.
      options: which patches, and how many.
      seed: of positions and starts. The size of batches has no influence.
      acceptance: which patches may be drawn; None for those with enough edges.

    Returns:
      The patches, with P = R T; block R t + r.

    Raises:
      UserError: if there is no image, if images are smaller than a patch or
        too few patches have enough edges and all their turns inside.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017 (section 1.2.5).
    """
    rotations, polarities = transformations
    draws, collected = _start(images, options, seed, acceptance)
    for first, batch in _batches(images, draws, max(MAPS_PER_BATCH // (rotations * polarities), 1)):
        maps = complete_images(batch, rotations, polarities)
        edges = np.asarray(detect_edges(tf.reshape(maps, [-1, *maps.shape[2:]])))
        edges = edges.reshape(*maps.shape[:2], *edges.shape[1:])
        good = _find_good(maps[:, 0], edges[:, 0], options, acceptance)
        corners = turned_corners(edges.shape[2], options.size, rotations)
        upright = corners[:, 0]
        for index in range(len(batch)):
            image = first + index
            generator = draws.generator(image)
            is_good = good[index, upright[:, 0], upright[:, 1]]
            chosen = corners[draws.choose(image, is_good, draws.quota(image), generator)]
            blocks = _rolled_blocks(generator, len(chosen), rotations, polarities)
            placed = np.take_along_axis(chosen, (blocks % rotations)[..., None], axis=1)
            found = (edges[index], maps[index].numpy())
            parts = _cut(found, blocks, placed, options.size, image)
            collected.append(*parts[:-1], chosen[:, 0].astype(np.int32))
    return collected.finish()


def _find_good(
    images: np.ndarray | tf.Tensor,
    edges: np.ndarray,
    options: PatchOptions,
    acceptance: Acceptance | None,
) -> np.ndarray:
    """Returns bool [B, H-S+1, W-S+1], which patches of [B, H, W, C] may be drawn."""
    if acceptance is not None:
        return np.asarray(acceptance.test(images))
    return edge_counts(edges, options.size, options.outer_frame).numpy() >= options.min_edges


def _start(
    images: np.ndarray, options: PatchOptions, seed: int, acceptance: Acceptance | None
) -> tuple[_Draws, _Collected]:
    """Returns empty beginnings of a sample, after checking what it is drawn from."""
    check_options(options)
    if not len(images):
        raise UserError("no images to sample patches from")
    if min(images.shape[1:3]) < options.size:
        raise UserError(
            f"images of {images.shape[1]}x{images.shape[2]} hold no patch of size={options.size}"
        )
    if 2 * options.outer_frame >= options.size:
        raise UserError(f"outer_frame={options.outer_frame} leaves nothing of size={options.size}")
    wanted = acceptance.wanted if acceptance else f"min_edges={options.min_edges} edges"
    draws = _Draws(options, seed, len(images), wanted)
    return draws, _Collected(min(options.max_samples, options.samples_per_image * len(images)))


def _batches(images: np.ndarray, draws: _Draws, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (index of the first, images) as far as patches are wanted."""
    for first in range(0, len(images), size):
        batch = images[first : first + size]
        if any(draws.quota(first + index) for index in range(len(batch))):
            yield first, batch


def turned_corners(side: int, size: int, num_rotations: int) -> np.ndarray:
    """Returns where candidate patches are in every turn of a square image.

    Args:
      side: of the map, in pixels.
      size: S, side of a patch.
      num_rotations: R.

    Returns:
      int [L, R, 2], (row, column) of top-left pixels; candidate l in turn r.
      Patches that leave the image in any turn are no candidates.

    Example:
      >>> turned_corners(28, 6, 4)[:2, 1]
      array([[21,  1],
             [20,  1]])
    """
    margin = int(1 + size / 2)
    line = np.arange(margin, side - margin)
    centers = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 1, 2)
    middle = (side - size % 2) / 2
    angles = 2 * np.pi * np.arange(num_rotations) / num_rotations
    cosine, sine = np.cos(angles), np.sin(angles)
    down, right = centers[..., 0] - middle, centers[..., 1] - middle
    turned = np.stack([cosine * down - sine * right, sine * down + cosine * right], axis=-1)
    # Halves, up to rounding, go up.
    corners = np.floor(np.round(turned + middle, 9) + 0.5).astype(np.int64) - size // 2
    is_inside = np.all((corners >= 0) & (corners + size <= side), axis=(1, 2))
    return corners[is_inside]


def _rolled_blocks(
    generator: np.random.Generator, count: int, rotations: int, polarities: int
) -> np.ndarray:
    """Returns int [Q, P], the block that becomes block i, from random starts."""
    starts = generator.integers(rotations, size=[count, 1, 1])
    turns = (np.arange(rotations) + starts) % rotations
    blocks = turns + rotations * np.arange(polarities)[:, None]
    return blocks.reshape(count, rotations * polarities)


def _cut(
    maps: tuple[np.ndarray, np.ndarray],
    blocks: np.ndarray,
    corners: np.ndarray,
    size: int,
    image: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the fields of `PatchSample` for the patches of one image.

    Args:
      maps: edges uint8 [P, H', W', D] and pixels [P, H, W, C] of the image.
      blocks: int [Q, P], which block is cut.
      corners: int [Q, P, 2], where in the edges.
      size: side of a patch.
      image: index of the image.
    """
    edges, pixels = maps
    if pixels.dtype != np.uint8:
        pixels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    rows = corners[..., 0, None, None] + np.arange(size)[:, None]
    columns = corners[..., 1, None, None] + np.arange(size)
    which = blocks[..., None, None]
    # Edge maps may have lost their border.
    top, left = ((a - b) // 2 for a, b in zip(pixels.shape[1:3], edges.shape[1:3], strict=True))
    indices = np.full(len(blocks), image, np.int32)
    positions = corners[:, 0].astype(np.int32)
    return (
        edges[which, rows, columns],
        pixels[which, rows + top, columns + left],
        indices,
        positions,
    )
