"""Turning an image in feature space: positions first, then rotations of parts."""

import dataclasses
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.sparse
import tensorflow as tf
from matplotlib.figure import Figure

from tfcolor.analysis.findings import Findings
from tfcolor.analysis.parts_figures import CodePanel, draw_turned_codes, to_bytes
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.core.progress import track
from tfcolor.data.rotation import rotate_images
from tfcolor.parts.network import PartsNetwork
from tfcolor.parts.pooling import FeatureLayout, PoolOptions, pooled_matrix
from tfcolor.parts.turning import turn_features, turn_map, turned_matrix

NAME = "feature_transformation"
IMAGES_PER_BATCH = 100


@dataclasses.dataclass(frozen=True)
class TurnOptions:
    """What feature_transformation turns, and how far."""

    degrees: float = option(
        45.0, "how far, counter-clockwise; the nearest multiple of the parts' rotations is taken"
    )
    image: int = option(0, "which image is drawn, from 0 on", minimum=0)
    num_images: int = option(100, "images that the overlap is measured on, at most", minimum=1)


class TurnableNetwork(NamedTuple):
    """A network of parts in several rotations.

    Attributes:
      name: the run's folder.
      network: from images to codes.
      pool: how it pools codes.
      pictures: float32 [K, S, S, C] in [0, 1], what its parts look like.
    """

    name: str
    network: PartsNetwork
    pool: PoolOptions
    pictures: np.ndarray


class _Codes(NamedTuple):
    """Codes of images, int32 [N, H, W], before and after a turn.

    Attributes:
      before: of the images.
      after: of the turned images.
    """

    before: np.ndarray
    after: np.ndarray


def show_feature_transformation(
    turned: TurnableNetwork, images: np.ndarray, options: TurnOptions
) -> Findings:
    """Compares turning codes with coding the turned image.

    A turn in feature space moves every position and then adds to the rotation of
    every part. The overlap of two sets of (position, feature) is their
    intersection over their union, of all images together.

    Args:
      turned: the network.
      images: uint8 [N, S, S, C].
      options: how far, and which image is drawn.

    Returns:
      `overlap` of the codes with those of the turned images: `permuted`, as it
      should be, `unpermuted`, without the second step, and `wrong_sign`, with
      rotations taken away instead of added; `pooled_overlap`, the same after
      pooling; `degrees` and `steps` of the turn, and `num_images`.

    Raises:
      UsageError: if the turn is nearer to none than to one step, or there is no
        such image.
      UserError: if the parts have one rotation.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, section 1.2.5 and figure 1.3.
    """
    layout = turned.network.layout
    steps = _count_steps(turned.name, layout, options.degrees)
    degrees = 360.0 * steps / layout.num_rotations
    if options.image >= len(images):
        raise UsageError(f"--turn_image={options.image}: expected at most {len(images) - 1}")
    drawn = images[options.image][None]
    codes = _code(turned.network, images[: options.num_images], degrees)
    shifts = {"permuted": steps, "unpermuted": 0, "wrong_sign": -steps}
    pooled_after = pooled_matrix(codes.after, layout, turned.pool)
    moved = turn_map(codes.before, degrees, empty=-1)
    overlap, pooled_overlap = {}, {}
    for name, shift in shifts.items():
        overlap[name] = code_overlap(turn_features(moved, layout, shift).numpy(), codes.after)
        start = turn_features(codes.before, layout, shift - steps).numpy()
        predicted = _pooled_turn(start, layout, steps, turned.pool)
        pooled_overlap[name] = _shared(predicted, pooled_after)
    values = [f"{value:.2f}" for value in pooled_overlap.values()]
    return Findings(
        name=NAME,
        numbers={
            "analysis": NAME,
            "model": turned.name,
            "degrees": degrees,
            "steps": steps,
            "num_rotations": layout.num_rotations,
            "num_images": len(codes.before),
            "overlap": overlap,
            "pooled_overlap": pooled_overlap,
        },
        figure=_draw(turned, drawn, steps),
        scalars=_scalars({"overlap": overlap, "pooled_overlap": pooled_overlap}),
        headline=f"after {degrees:g} degrees, pooled codes overlap by {values[0]}, without the "
        f"permutation by {values[1]}, the wrong way by {values[2]}",
    )


def code_overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Returns intersection over union of the (position, feature) pairs of two maps.

    Args:
      first: int [...], features, -1 for none.
      second: int [...], of the same shape.

    Returns:
      In [0, 1]; NaN if both are empty.

    Example:
      >>> code_overlap(np.array([3, -1, 2]), np.array([3, 1, -1]))
      0.3333333333333333
    """
    both = int(((first >= 0) & (first == second)).sum())
    return _ratio(both, int((first >= 0).sum()) + int((second >= 0).sum()) - both)


def part_directions(pictures: np.ndarray) -> np.ndarray:
    """Returns the direction in which each part gets darker, unturned.

    EM leaves every part with a rotation zero of its own; this makes the
    rotations of different parts comparable.

    Args:
      pictures: float [K, S, S, C], the mean image patch of each part.

    Returns:
      float64 [K], degrees counter-clockwise from the right, in [0, 360); 0 for
      parts of one pixel.

    Example:
      >>> part_directions(np.array([[1.0, 1.0], [0.0, 0.0]])[None, ..., None])
      array([270.])
    """
    if pictures.shape[1] < 2:
        return np.zeros(len(pictures))
    down, right = np.gradient(pictures.astype(np.float64), axis=(1, 2))
    down, right = down.mean(axis=(1, 2, 3)), right.mean(axis=(1, 2, 3))
    return np.rad2deg(np.arctan2(down, -right)) % 360


def _count_steps(name: str, layout: FeatureLayout, degrees: float) -> int:
    """Returns the turn in rotations of the parts, in (0, R)."""
    rotations = layout.num_rotations
    if rotations == 1:
        raise UserError(
            f"{name} has parts in one rotation: expected a run with --parts_num_rotations above 1"
        )
    steps = round(degrees * rotations / 360) % rotations
    if not steps:
        raise UsageError(
            f"--turn_degrees={degrees:g}: the nearest multiple of {360 / rotations:g} is no turn"
        )
    return steps


def _code(network: PartsNetwork, images: np.ndarray, degrees: float) -> _Codes:
    """Returns the codes of images and of the same images turned."""
    starts = range(0, len(images), IMAGES_PER_BATCH)
    before, after = [], []
    for start in track(starts, "coding", len(starts), "batches"):
        batch = images[start : start + IMAGES_PER_BATCH]
        before.append(network.code(batch).numpy())
        after.append(network.code(_turn_images(batch, degrees)).numpy())
    return _Codes(np.concatenate(before), np.concatenate(after))


def _turn_images(images: np.ndarray, degrees: float) -> tf.Tensor:
    """Returns images, uint8 [N, S, S, C], turned, float32 in [0, 1]."""
    return rotate_images(images.astype(np.float32) / 255, degrees)


def _pooled_turn(
    codes: np.ndarray, layout: FeatureLayout, steps: int, pool: PoolOptions
) -> scipy.sparse.csr_matrix:
    """Returns the pooled codes of one turn, [N, D]."""
    unit = math.gcd(steps, layout.num_rotations)
    num_turns = layout.num_rotations // unit
    return turned_matrix(codes, layout, num_turns, pool)[steps // unit :: num_turns]


def _shared(first: scipy.sparse.csr_matrix, second: scipy.sparse.csr_matrix) -> float:
    """Returns intersection over union of ones."""
    both = int(first.multiply(second).nnz)
    return _ratio(both, first.nnz + second.nnz - both)


def _ratio(part: int, whole: int) -> float:
    """Returns part / whole, NaN of nothing."""
    return part / whole if whole else float("nan")


def _draw(turned: TurnableNetwork, image: np.ndarray, steps: int) -> Figure:
    """Draws the two steps on one image, and what they should lead to."""
    network, layout = turned.network, turned.network.layout
    degrees = 360.0 * steps / layout.num_rotations
    zeros = part_directions(turned.pictures)

    def directions(codes: np.ndarray | tf.Tensor) -> np.ndarray:
        features = np.asarray(codes)[0]
        turns = 360 / layout.num_rotations * (features % layout.num_rotations)
        parts = features // layout.num_transformations
        return np.where(features >= 0, (zeros[parts] + turns) % 360, -1.0)

    codes = _code(network, image, degrees)
    moved = turn_map(codes.before, degrees, empty=-1)
    sign = f"{degrees:g}\N{DEGREE SIGN}"
    panels = [
        CodePanel("image", image[0]),
        CodePanel("its codes", directions(codes.before)),
        CodePanel(f"1. positions turned by {sign}", directions(moved)),
        CodePanel(f"2. parts turned by {sign}", directions(turn_features(moved, layout, steps))),
        CodePanel("codes of the turned image", directions(codes.after)),
        CodePanel(f"image turned by {sign}", to_bytes(_turn_images(image, degrees).numpy()[0])),
    ]
    return draw_turned_codes(panels, f"A turn in the feature space of {turned.name}")


def _scalars(groups: Mapping[str, Mapping[str, float]]) -> list[tuple[str, int, float]]:
    """Returns every overlap under a tag of its own."""
    return [
        (f"{group}_{name}", 0, value)
        for group, values in groups.items()
        for name, value in values.items()
    ]
