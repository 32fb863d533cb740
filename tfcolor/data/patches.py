"""Patches cut out of a view: the tiles of a puzzle, or two neighbors."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfcolor.data.transforms import scaled_window

NEIGHBORS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""Where the second patch of a pair lies from the first, (down, right), by label."""
LINE = 2
"""Pixels between patches that are drawn."""


@dataclasses.dataclass(frozen=True)
class PairGeometry:
    """Two neighboring patches in a square of two by two.

    Args:
      side: of a patch, pixels.
      gap: mean distance between the facing edges of neighbors, pixels.
      jitter: largest random shift of each patch in each direction, pixels.
    """

    side: int
    gap: int
    jitter: int

    @property
    def view_side(self) -> int:
        """Side of the smallest square that holds any pair, pixels."""
        return 2 * (self.side + self.jitter) + self.gap


def cut_pair(
    view: tf.Tensor, label: tf.Tensor, geometry: PairGeometry, seed: tf.Tensor
) -> tf.Tensor:
    """Cuts two neighbors out of a square.

    Args:
      view: float32 [S, S, C], where S is the geometry's `view_side`.
      label: int32 [], which of `NEIGHBORS` the second one is.
      geometry: of the patches.
      seed: int64 [2], of the shifts, and of the row or column of two patches
        that lie side by side.

    Returns:
      float32 [2, side, side, C].
    """
    free_seed, shift_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    step = tf.gather(tf.constant(NEIGHBORS), label)
    free = tf.random.stateless_uniform([2], free_seed, maxval=2, dtype=tf.int32)
    first = tf.where(tf.equal(step, 0), free, tf.cast(step < 0, tf.int32))
    jitter = geometry.jitter
    shifts = tf.random.stateless_uniform(
        [2, 2], shift_seed, minval=-jitter, maxval=jitter + 1, dtype=tf.int32
    )
    cells = tf.stack([first, first + step])
    corners = jitter + cells * (geometry.side + geometry.gap) + shifts
    return cut_patches(view, corners, geometry.side)


def cut_tiles(view: tf.Tensor, grid: int, side: int, seed: tf.Tensor) -> tf.Tensor:
    """Cuts one tile out of every cell of a square, each at a place of its own.

    Args:
      view: float32 [S, S, C].
      grid: cells along each side; a cell has S // grid pixels.
      side: of a tile, pixels, at most that of a cell.
      seed: int64 [2], of the places, which are uniform.

    Returns:
      float32 [grid * grid, side, side, C], row by row.

    Raises:
      ValueError: if tiles are larger than cells.
    """
    window = view.shape[0] // grid
    if side > window:
        raise ValueError(f"side={side}: expected at most the {window} pixels of a cell")
    cells = tf.constant(list(np.ndindex(grid, grid)), tf.int32)
    places = tf.random.stateless_uniform(
        [grid * grid, 2], seed, maxval=window - side + 1, dtype=tf.int32
    )
    return cut_patches(view, window * cells + places, side)


def cut_patches(view: tf.Tensor, corners: tf.Tensor, side: int) -> tf.Tensor:
    """Cuts squares out of a view.

    Args:
      view: float32 [H, W, C].
      corners: int32 [T, 2], (row, column) of each square's top-left pixel.
      side: of the squares, pixels; all of them lie in the view.

    Returns:
      float32 [T, side, side, C].
    """
    size = [side, side, view.shape[-1]]
    return tf.stack(
        [tf.slice(view, tf.pad(corner, [[0, 1]]), size) for corner in tf.unstack(corners)]
    )


def arrange_patches(pixels: np.ndarray, cells: np.ndarray, grid: int) -> np.ndarray:
    """Draws patches into the cells of a square, with lines in between.

    Args:
      pixels: uint8 [T, S, S, 3].
      cells: int [T], where each goes, row by row.
      grid: n, cells along each side.

    Returns:
      uint8 [n * (S + 2) - 2, n * (S + 2) - 2, 3], black where no patch is.
    """
    step = pixels.shape[1] + LINE
    canvas = np.zeros([grid * step, grid * step, 3], np.uint8)
    for patch, cell in zip(pixels, cells, strict=True):
        row, column = step * (int(cell) // grid), step * (int(cell) % grid)
        canvas[row : row + step - LINE, column : column + step - LINE] = patch
    return canvas[:-LINE, :-LINE]


def unscaled_view(
    image: tf.Tensor,
    crop_size: int,
    *,
    stretches: bool,
    use_mirror: bool,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Returns a random square of a photograph at its own scale.

    Args:
      image: uint8 [H, W, 3].
      crop_size: side S of the square, pixels.
      stretches: whether a side that is shorter than the square is stretched to
        it; it is padded with black on both ends otherwise.
      use_mirror: whether half of the squares are mirrored left to right.
      seed: int64 [2]; the same seed gives the same square.

    Returns:
      float32 [S, S, 3] in [0, 1].

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and
      Self-Supervised Representation Learning. 2017 (jigsaw of chapter 4).
    """
    place_seed, mirror_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    size = tf.shape(image)[:2]
    scaled = tf.maximum(size, crop_size) if stretches else size
    slack = tf.cast(scaled - crop_size, tf.float32)
    share = tf.random.stateless_uniform([2], place_seed)
    corner = tf.where(slack < 0, slack // 2, tf.floor(share * (slack + 1)))
    view = scaled_window(image, scaled, -tf.cast(corner, tf.int32), crop_size, antialias=True)
    is_mirrored = use_mirror and random_label(mirror_seed, 2) == 1
    return tf.where(is_mirrored, view[:, ::-1], view)


def random_label(seed: tf.Tensor, num_labels: int) -> tf.Tensor:
    """Returns a uniform label, int32 [] in [0, num_labels).

    Args:
      seed: int64 [2]; the same seed gives the same label.
      num_labels: how many there are.

    Returns:
      int32 [].
    """
    return tf.random.stateless_uniform([], seed, maxval=num_labels, dtype=tf.int32)
