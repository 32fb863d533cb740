"""Which pixels of a video frame move by themselves, and not with the camera."""

import dataclasses
import itertools

import cv2
import numpy as np

from tfcolor.data.optical_flow import (
    inverse_search_flow,
    is_consistent,
    pixel_positions,
    read_at,
    shrink_frames,
)


@dataclasses.dataclass(frozen=True)
class MotionRules:
    """When a pixel moves by itself.

    Args:
      unit_side: shorter side of the frames that `path_length` and `first_step`
        are for, pixels.
      path_length: what its own motion adds up to over all frames, pixels.
      first_step: its own motion in the first step, pixels.
      min_steps: of its track, or it is not known whether it moves.
      min_share: with fewer moving pixels a frame is not trusted.
      max_share: with more, neither.
      max_skipped: steps whose camera motion may remain unknown.
      grid: distance of the pixels that tell the camera's motion, pixels.
      corner_share: smallest eigenvalue of the structure tensor that such a pixel
        needs, relative to the largest of the frame.
      camera_error: how far it may be from where the camera's motion takes it,
        pixels.
    """

    unit_side: int = 120
    path_length: float = 3.0
    first_step: float = 0.3
    min_steps: int = 3
    min_share: float = 0.02
    max_share: float = 0.6
    max_skipped: int = 3
    grid: int = 5
    corner_share: float = 0.001
    camera_error: float = 1.0


RULES = MotionRules()
"""Those that were measured on synthetic clips; of four, the two lengths alone found
slow objects too without taking what fast ones pass over for a part of them."""


@dataclasses.dataclass(frozen=True)
class Tracks:
    """What became of every pixel of the first frame.

    Args:
      residuals: float32 [T - 1, H, W], its motion in each step apart from the
        camera's, pixels; 0 after its track ended, and where the camera's motion
        is not known.
      num_steps: int [H, W], how many steps its track has.
      num_skipped: steps in which the camera's motion is not known.
    """

    residuals: np.ndarray
    num_steps: np.ndarray
    num_skipped: int


def moving_pixels(frames: np.ndarray, side: int) -> np.ndarray:
    """Returns which pixels of the first frame belong to something that moves.

    Args:
      frames: uint8 [T, H, W, 3], RGB; 11 of them.
      side: frames are shrunk to this shorter side first, pixels; 0 for none.

    Returns:
      float32 [h, w, 2], 0 or 1: whether the pixel moves, and whether that is
      unknown, as it is everywhere if the frames cannot be trusted.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 2.4 (labels from camera-compensated tracks over ten frames).
    """
    gray, _ = shrink_frames(frames, side)
    tracks = track_pixels(gray)
    scale = min(gray.shape[1:]) / RULES.unit_side
    is_far = tracks.residuals.sum(axis=0) >= RULES.path_length * scale
    is_moving = is_far & (tracks.residuals[0] >= RULES.first_step * scale)
    is_unknown = tracks.num_steps < RULES.min_steps
    is_plausible = RULES.min_share <= is_moving.mean() <= RULES.max_share
    if tracks.num_skipped > RULES.max_skipped or not is_plausible:
        is_unknown = np.ones_like(is_moving)
    return np.stack([is_moving & ~is_unknown, is_unknown], axis=-1).astype(np.float32)


def track_pixels(frames: np.ndarray) -> Tracks:
    """Follows every pixel of the first frame along the flow.

    A track ends where it leaves the frame, or where forward and backward flow
    contradict each other.

    Args:
      frames: uint8 [T, H, W], gray.

    Returns:
      The tracks.
    """
    height, width = frames.shape[1:]
    positions = pixel_positions(height, width)
    is_alive = np.ones((height, width), bool)
    residuals, num_steps, num_skipped = [], np.zeros((height, width), int), 0
    for before, after in itertools.pairwise(frames):
        forward, backward = _smooth_flow(before, after), _smooth_flow(after, before)
        is_good = is_consistent(forward, backward)
        homography = camera_motion(before, forward, is_good)
        step = read_at(forward, positions)
        if homography is None:
            num_skipped += 1
            own = np.zeros_like(is_alive, np.float32)
        else:
            own = np.linalg.norm(positions + step - _warp(homography, positions), axis=-1)
        moved = positions + step
        is_inside = np.all((moved >= 0) & (moved <= [height - 1, width - 1]), axis=-1)
        is_alive = is_alive & is_inside & (read_at(is_good, positions) >= 0.5)
        positions = np.where(is_alive[..., np.newaxis], moved, positions)
        residuals.append(np.where(is_alive, own, 0.0).astype(np.float32))
        num_steps += is_alive
    return Tracks(np.stack(residuals), num_steps, num_skipped)


def camera_motion(frame: np.ndarray, flow: np.ndarray, is_good: np.ndarray) -> np.ndarray | None:
    """Returns the motion that most of a frame shares.

    Args:
      frame: uint8 [H, W], gray.
      flow: float32 [H, W, 2], (row, column), to the next frame.
      is_good: bool [H, W], where the flow can be trusted.

    Returns:
      float64 [3, 3], a homography of (column, row) positions from this frame to
      the next; None if less than half of the pixels agree with any.
    """
    corners = cv2.cornerMinEigenVal(frame, 3)
    is_chosen = np.zeros_like(is_good)
    is_chosen[RULES.grid // 2 :: RULES.grid, RULES.grid // 2 :: RULES.grid] = True
    is_chosen &= is_good & (corners >= RULES.corner_share * corners.max())
    before = pixel_positions(*frame.shape)[is_chosen]
    after = before + flow[is_chosen]
    if len(before) < 4:
        return None
    homography, is_inlier = cv2.findHomography(
        before[:, ::-1], after[:, ::-1], cv2.RANSAC, RULES.camera_error
    )
    if homography is None or is_inlier.mean() < 0.5:
        return None
    return homography


def _smooth_flow(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Returns median-filtered flow, float32 [H, W, 2]."""
    flow = inverse_search_flow(before, after)
    return cv2.medianBlur(np.ascontiguousarray(flow), 3)


def _warp(homography: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Moves (row, column) positions [H, W, 2] by a homography of (column, row)."""
    moved = cv2.perspectiveTransform(np.ascontiguousarray(positions[..., ::-1]), homography)
    return moved[..., ::-1]
