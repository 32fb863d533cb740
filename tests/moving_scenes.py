"""Synthetic videos whose motion is known."""

import cv2
import numpy as np

MARGIN = 60
PAN = 1.3, -0.7
"""Of the camera, (column, row) in pixels per frame; it also turns and zooms."""


def texture(random_numbers, height, width):
    """Returns noise at several scales, float32 [height, width] in [0, 1]."""
    layers = (
        cv2.GaussianBlur(random_numbers.normal(size=(height, width)).astype(np.float32), (0, 0), s)
        * s
        for s in (1, 2, 4, 8)
    )
    total = sum(layers)
    return (total - total.min()) / np.ptp(total)


def moving_scene(
    num_frames, size, speed=None, *, square=(50, 40), seed=0, is_camera_still=False, is_blue=False
):
    """Draws a textured square that moves over a texture, seen by a moving camera.

    Returns (frames, mask): uint8 [T, H, W, 3], gray but for a square that may be
    blue, and bool [H, W], where the square is in the first. `speed` is (column,
    row) in pixels per frame; None for no square.
    """
    height, width = size
    random_numbers = np.random.default_rng(seed)
    background = texture(random_numbers, height + 2 * MARGIN, width + 2 * MARGIN)
    thing = texture(random_numbers, *square)
    start = np.array([(width - square[1]) / 2, (height - square[0]) / 2])
    frames, masks = [], []
    for time in range(num_frames):
        camera = _camera(0 if is_camera_still else time, height, width)
        frame = _seen(background, camera, (-MARGIN, -MARGIN), size)
        mask = np.zeros(size, np.float32)
        if speed is not None:
            place = start + time * np.array(speed)
            mask = _seen(np.ones_like(thing), camera, place, size)
            frame = frame * (1 - mask) + mask * _seen(thing, camera, place, size)
        frame = np.repeat(frame[..., None], 3, axis=-1)
        if is_blue:
            frame[..., :2] *= 1 - 0.7 * mask[..., None]
        frames.append(np.clip(255 * frame, 0, 255).astype(np.uint8))
        masks.append(mask > 0.5)
    return np.stack(frames), masks[0]


def _camera(time, height, width):
    """Returns the affine motion of the camera since the first frame, [2, 3]."""
    angle, zoom = np.deg2rad(0.3 * time), 1.003**time
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    center = np.array([width / 2, height / 2])
    shift = center - turn @ center + time * np.array(PAN)
    return np.concatenate([turn, shift[:, None]], axis=1)


def _seen(picture, camera, place, size):
    """Returns a picture that lies at a place of the scene, as the camera sees it."""
    matrix = camera.copy()
    matrix[:, 2] += camera[:, :2] @ np.asarray(place, float)
    return cv2.warpAffine(picture, matrix, size[::-1], flags=cv2.INTER_CUBIC)


def write_video(path, frames, codec="MJPG"):
    """Writes RGB frames, uint8 [T, H, W, 3], as a video; returns its path as text."""
    height, width = frames.shape[1:3]
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), 25, (width, height)
    )
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return str(path)
