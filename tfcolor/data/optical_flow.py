"""Dense optical flow between consecutive frames of a video.

Flow is where a pixel moves, (row, column) in pixels per frame: pixel p of a frame
is p + flow[p] in the next one.
"""

import dataclasses
import itertools

import cv2
import numpy as np

MAX_FLOW = 100.0
"""Mean flow is clipped to this in each direction, pixels per frame."""

CONSISTENT_SHARE, CONSISTENT_SLACK = 0.01, 0.5
"""How much forward and backward flow may differ, squared: a share of their squares
and some squared pixels."""


@dataclasses.dataclass(frozen=True)
class FarnebackSettings:
    """Settings of Farneback's flow, each pyramid level half of the one before.

    Args:
      levels: of the pyramid.
      window: side of the averaging window, pixels.
      iterations: at each level.
      sigma: deviation of the Gaussian that weighs each pixel's 5 x 5 neighbors.
      is_gaussian: whether the window is a Gaussian, not a box.

    References:
      Farneback. Two-Frame Motion Estimation Based on Polynomial Expansion. SCIA
      2003.
    """

    levels: int
    window: int
    iterations: int
    sigma: float
    is_gaussian: bool


RELATIVE_FLOW = FarnebackSettings(8, 40, 10, 1.1, is_gaussian=True)
"""Of the relative flow task of the dissertation, for frames that are not shrunk."""

SALIENCY_FLOW = FarnebackSettings(3, 15, 3, 1.2, is_gaussian=False)
"""Of its saliency task."""


def shrink_frames(frames: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Returns gray frames that are no larger than flow needs.

    Args:
      frames: uint8 [T, H, W, 3], RGB.
      side: the largest length of the shorter side, pixels; 0 for any.

    Returns:
      (gray, scale): uint8 [T, h, w], and the factor in (0, 1] on both sides.

    Example:
      >>> gray, scale = shrink_frames(np.zeros([2, 40, 60, 3], np.uint8), 20)
      >>> gray.shape, scale
      ((2, 20, 30), 0.5)
    """
    height, width = frames.shape[1:3]
    scale = min(1.0, side / min(height, width)) if side else 1.0
    size = max(1, round(scale * width)), max(1, round(scale * height))
    shrunk = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in shrunk]), scale


def farneback_flow(frames: np.ndarray, settings: FarnebackSettings) -> np.ndarray:
    """Returns the flow from each frame to the next.

    Args:
      frames: uint8 [T, H, W], gray.
      settings: of the method.

    Returns:
      float32 [T - 1, H, W, 2], (row, column), pixels per frame.
    """
    flags = cv2.OPTFLOW_FARNEBACK_GAUSSIAN if settings.is_gaussian else 0
    flows = [
        cv2.calcOpticalFlowFarneback(
            before,
            after,
            np.zeros((*before.shape, 2), np.float32),  # filled by the call
            pyr_scale=0.5,
            levels=settings.levels,
            winsize=settings.window,
            iterations=settings.iterations,
            poly_n=5,
            poly_sigma=settings.sigma,
            flags=flags,
        )
        for before, after in itertools.pairwise(frames)
    ]
    return np.stack(flows)[..., ::-1]


def mean_flow(frames: np.ndarray, side: int) -> np.ndarray:
    """Returns the mean flow of some frames, as the relative flow task has it.

    Args:
      frames: uint8 [T, H, W, 3], RGB.
      side: frames are shrunk to this shorter side first, pixels; 0 for none.

    Returns:
      float32 [h, w, 2], (row, column), in pixels of the shrunk frames per frame.
    """
    gray, scale = shrink_frames(frames, side)
    window = max(1, int(RELATIVE_FLOW.window * scale))
    flows = farneback_flow(gray, dataclasses.replace(RELATIVE_FLOW, window=window))
    return np.clip(flows.mean(axis=0), -MAX_FLOW, MAX_FLOW)


def flow_saliency(frames: np.ndarray, side: int) -> np.ndarray:
    """Returns how fast each pixel moves, compared with the others.

    Args:
      frames: uint8 [T, H, W, 3], RGB.
      side: frames are shrunk to this shorter side first, pixels; 0 for none.

    Returns:
      float32 [h, w, 1] in [0, 1]: the sum of the magnitudes of the flows, from
      its minimum to its maximum over the frame; 0 where all are the same.
    """
    gray, _ = shrink_frames(frames, side)
    speed = np.linalg.norm(farneback_flow(gray, SALIENCY_FLOW), axis=-1).sum(axis=0)
    low, high = speed.min(), speed.max()
    return ((speed - low) / (high - low or 1.0))[..., np.newaxis].astype(np.float32)


def inverse_search_flow(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Returns flow with sharp borders, by dense inverse search down to single pixels.

    Args:
      before: uint8 [H, W], gray.
      after: uint8 [H, W], the next frame.

    Returns:
      float32 [H, W, 2], (row, column), pixels per frame.

    References:
      Kroeger, Timofte, Dai, Van Gool. Fast Optical Flow using Dense Inverse
      Search. ECCV 2016.
    """
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    method.setFinestScale(0)
    # Patches then do not depend on how many threads share the frame.
    method.setUseSpatialPropagation(False)
    # A third array would be where the search begins; an empty one is none.
    return method.calc(before, after, np.empty([0], np.float32))[..., ::-1]


def read_at(field: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Returns a field between its pixels, bilinearly.

    Args:
      field: float32 [H, W] or [H, W, C].
      positions: float32 [h, w, 2], (row, column) in pixels; what lies outside is
        moved to the border.

    Returns:
      float32 [h, w] or [h, w, C].
    """
    rows, columns = (np.ascontiguousarray(positions[..., axis], np.float32) for axis in (0, 1))
    field = np.ascontiguousarray(field, np.float32)
    return cv2.remap(field, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def pixel_positions(height: int, width: int) -> np.ndarray:
    """Returns where pixels are.

    Returns:
      float32 [height, width, 2], (row, column).

    Example:
      >>> pixel_positions(1, 2).tolist()
      [[[0.0, 0.0], [0.0, 1.0]]]
    """
    return np.moveaxis(np.indices((height, width), np.float32), 0, -1)


def is_consistent(
    forward: np.ndarray, backward: np.ndarray, slack: float = CONSISTENT_SLACK
) -> np.ndarray:
    """Tells where backward flow leads back to where forward flow began.

    Args:
      forward: float32 [H, W, 2], flow of a frame to the next one.
      backward: float32 [H, W, 2], flow of the next one back.
      slack: how far they may differ where nothing moves, squared pixels.

    Returns:
      bool [H, W], for the pixels of the first frame.

    References:
      Sundaram, Brox, Keutzer. Dense Point Trajectories by GPU-accelerated Large
      Displacement Optical Flow. ECCV 2010, equation 5.
    """
    back = read_at(backward, pixel_positions(*forward.shape[:2]) + forward)
    error = np.sum((forward + back) ** 2, axis=-1)
    squares = np.sum(forward**2 + back**2, axis=-1)
    return error <= CONSISTENT_SHARE * squares + slack
