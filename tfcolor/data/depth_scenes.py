"""Synthetic rooms with the depth of each pixel, drawn by casting one ray per pixel.

Coordinates are meters, x to the right, y down and z ahead; the camera is the
origin. Depth can be told from a single picture: the camera has about the same
height everywhere, tiles and things have sizes that vary little, and haze fades
what is far.
"""

from typing import NamedTuple

import numpy as np

HEIGHT, WIDTH = 96, 128
"""Of the pictures, in pixels."""

FOCAL_LENGTH = 0.9
"""As a part of the width: about 58 degrees from left to right, as of a Kinect."""

MAX_BOXES, MAX_BALLS = 4, 3
HAZE = np.array([176.0, 186.0, 196.0])
INVALID = 0.0
"""Stands for a depth that is not known."""

_MIN_INCIDENCE = 0.06
_NOISE = 3.0


class DepthScene(NamedTuple):
    """A picture and how far away everything in it is.

    Attributes:
      image: uint8 [H, W, 3].
      depth: float32 [H, W], meters along the optical axis; 0 where it is not
        known, as with a sensor that saw no reflection.
    """

    image: np.ndarray
    depth: np.ndarray


class _Texture:
    """A colored pattern on a surface.

    Args:
      generator: chooses kind, colors and phase.
      period: of the pattern, meters.
    """

    def __init__(self, generator: np.random.Generator, period: float) -> None:
        self._period = period
        self._base = generator.uniform(70, 190, 3) + generator.uniform(-25, 25)
        self._contrast = generator.uniform(15, 45) * generator.uniform(0.5, 1, 3)
        self._phase = generator.uniform(0, 1, 2)
        self._kind = generator.integers(3)

    def paint(self, places: np.ndarray, resolution: np.ndarray) -> np.ndarray:
        """Returns the color at places of the surface, float64 [N, 3].

        Args:
          places: float64 [N, 2], meters along and across the surface.
          resolution: float64 [N], pixels per meter there.
        """
        cells = (places / self._period + self._phase) % 1
        waves = np.where(cells < 0.5, 1.0, -1.0)
        pattern = (waves[:, 0] * waves[:, 1], waves[:, 0], waves[:, 1])[self._kind]
        # A pattern finer than the pixels would flicker instead of fade.
        clarity = np.clip(self._period * resolution / 4 - 0.5, 0, 1)
        return self._base + (clarity * pattern)[:, None] * self._contrast


class _Hits:
    """What the ray of each pixel meets first, so far.

    Args:
      rays: float64 [H, W, 3], the direction of each pixel.

    Attributes:
      distance: float64 [H, W], depth in meters, infinite before the first hit.
      normal: float64 [H, W, 3], of the surface, towards the camera.
      color: float64 [H, W, 3] in [0, 255], before light and haze.
    """

    def __init__(self, rays: np.ndarray) -> None:
        self.rays = rays
        self.distance = np.full(rays.shape[:2], np.inf)
        self.normal, self.color = np.zeros_like(rays), np.zeros_like(rays)

    def add(
        self,
        distance: np.ndarray,
        normal: np.ndarray,
        places: np.ndarray,
        is_hit: np.ndarray,
        texture: _Texture,
    ) -> None:
        """Puts a surface in front of all that is behind it.

        Args:
          distance: float64 [H, W].
          normal: float64 [H, W, 3].
          places: float64 [H, W, 2], meters along and across the surface.
          is_hit: bool [H, W], where the surface is met at all.
          texture: of the surface.
        """
        is_nearer = is_hit & (distance < self.distance)
        near = distance[is_nearer]
        resolution = FOCAL_LENGTH * distance.shape[1] / near
        self.distance[is_nearer] = near
        self.normal[is_nearer] = normal[is_nearer]
        self.color[is_nearer] = texture.paint(places[is_nearer], resolution)


def draw_depth_scene(
    generator: np.random.Generator, height: int = HEIGHT, width: int = WIDTH
) -> DepthScene:
    """Draws a room with boxes and balls on its floor.

    Args:
      generator: chooses the room, the things in it, the camera and the light.
      height: H of the picture, pixels.
      width: W of the picture, pixels.

    Returns:
      The picture with its depth, most of it between 1 and 10 meters.
    """
    rays = _camera_rays(generator, height, width)
    hits = _Hits(rays)
    ground = generator.uniform(1.3, 1.6)
    room = _add_room(hits, ground, generator)
    for _ in range(generator.integers(1, MAX_BOXES + 1)):
        _add_box(hits, ground, room, generator)
    for _ in range(generator.integers(0, MAX_BALLS + 1)):
        _add_ball(hits, ground, room, generator)
    image = _light(hits, generator)
    depth = hits.distance.astype(np.float32)
    depth[_unknown(hits, generator)] = INVALID
    return DepthScene(image, depth)


def _camera_rays(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Returns the direction of each pixel, [H, W, 3], 1 meter along the optical axis."""
    rows, columns = np.mgrid[:height, :width]
    focal = FOCAL_LENGTH * width
    x, y = (columns - (width - 1) / 2) / focal, (rows - (height - 1) / 2) / focal
    rays = np.stack([x, y, np.ones_like(x)], axis=-1)
    pitch, yaw = generator.uniform(0.05, 0.3), generator.uniform(-0.45, 0.45)
    cos, sin = np.cos(pitch), np.sin(pitch)
    rays = rays @ np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]]).T
    return rays @ _turn(yaw).T


def _turn(yaw: float) -> np.ndarray:
    """Returns the rotation about the vertical by an angle in radians, [3, 3]."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _slab_distances(
    rays: np.ndarray, low: np.ndarray, high: np.ndarray, origin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns where rays cross the three pairs of sides of a box, two [H, W, 3]."""
    safe = np.where(np.abs(rays) < 1e-9, 1e-9, rays)
    first, second = (low - origin) / safe, (high - origin) / safe
    return np.minimum(first, second), np.maximum(first, second)


def _add_room(
    hits: _Hits, ground: float, generator: np.random.Generator
) -> tuple[float, float, float]:
    """Adds floor, ceiling and walls; returns the room's x on both sides and its far z."""
    rays = hits.rays
    left, right = -generator.uniform(1.2, 3.5), generator.uniform(1.2, 3.5)
    far, top = generator.uniform(3.5, 9.0), ground - generator.uniform(2.5, 3.0)
    low, high = np.array([left, top, -2.0]), np.array([right, ground, far])
    _, leaving = _slab_distances(rays, low, high, np.zeros(3))
    axis, distance = leaving.argmin(axis=-1), leaving.min(axis=-1)
    points = distance[..., None] * rays
    normal = -np.sign(np.take_along_axis(rays, axis[..., None], -1)) * (
        axis[..., None] == np.arange(3)
    )
    is_floor = (axis == 1) & (rays[..., 1] > 0)
    is_ceiling = (axis == 1) & ~is_floor
    walls = (is_floor, is_ceiling, axis == 0, axis == 2)
    for part, along in zip(walls, ([0, 2], [0, 2], [2, 1], [0, 1]), strict=True):
        texture = _Texture(generator, period=generator.uniform(0.45, 0.55))
        hits.add(distance, normal, points[..., along], part, texture)
    return left, right, far


def _add_box(
    hits: _Hits,
    ground: float,
    room: tuple[float, float, float],
    generator: np.random.Generator,
) -> None:
    """Adds a box that stands on the floor, turned by any angle."""
    half = np.array([0.3, 0.35, 0.3]) * generator.uniform(0.7, 1.4, 3)
    x, z = _place(room, generator)
    center = np.array([x, ground - half[1], z])
    turn = _turn(generator.uniform(0, np.pi))
    local, origin = hits.rays @ turn, -center @ turn
    entering, leaving = _slab_distances(local, -half, half, origin)
    axis, distance = entering.argmax(axis=-1), entering.max(axis=-1)
    is_hit = (distance < leaving.min(axis=-1)) & (distance > 0.2)
    is_side = axis[..., None] == np.arange(3)
    normal = (-np.sign(local) * is_side) @ turn.T
    points = origin + distance[..., None] * local
    texture = _Texture(generator, period=generator.uniform(0.18, 0.22))
    horizontal = np.where(axis == 0, points[..., 2], points[..., 0])
    vertical = np.where(axis == 1, points[..., 2], points[..., 1])
    hits.add(distance, normal, np.stack([horizontal, vertical], axis=-1), is_hit, texture)


def _add_ball(
    hits: _Hits,
    ground: float,
    room: tuple[float, float, float],
    generator: np.random.Generator,
) -> None:
    """Adds a ball that lies on the floor."""
    radius = generator.uniform(0.2, 0.3)
    x, z = _place(room, generator)
    center = np.array([x, ground - radius, z])
    rays = hits.rays
    squared = (rays**2).sum(axis=-1)
    middle = rays @ center / squared
    discriminant = middle**2 - (center @ center - radius**2) / squared
    distance = middle - np.sqrt(np.maximum(discriminant, 0))
    is_hit = (discriminant > 0) & (distance > 0.2)
    normal = (distance[..., None] * rays - center) / radius
    angle = np.arctan2(normal[..., 0], normal[..., 2])
    texture = _Texture(generator, period=radius / 2)
    places = radius * np.stack([angle, normal[..., 1]], axis=-1)
    hits.add(distance, normal, places, is_hit, texture)


def _place(room: tuple[float, float, float], generator: np.random.Generator) -> tuple[float, float]:
    """Returns where a thing stands in view, (x, z) in meters."""
    left, right, far = room
    z = generator.uniform(1.6, far - 0.4)
    reach = 0.5 * z
    x = generator.uniform(max(left + 0.3, -reach), min(right - 0.3, reach))
    return float(x), float(z)


def _light(hits: _Hits, generator: np.random.Generator) -> np.ndarray:
    """Returns the picture under a lamp, in haze and with noise, uint8 [H, W, 3]."""
    direction = np.array([generator.uniform(-1, 1), -1.2, generator.uniform(-1.2, 0.2)])
    direction /= np.linalg.norm(direction)
    facing = np.clip(hits.normal @ direction, 0, 1)
    lit = hits.color * (0.5 + 0.6 * facing)[..., None]
    density = generator.uniform(0.05, 0.08)
    seen = np.exp(-density * hits.distance)[..., None]
    picture = seen * lit + (1 - seen) * HAZE
    picture += generator.normal(0, _NOISE, picture.shape)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def _unknown(hits: _Hits, generator: np.random.Generator) -> np.ndarray:
    """Returns where a sensor would see no depth: at grazing surfaces and in holes."""
    lengths = np.sqrt((hits.rays**2).sum(axis=-1))
    incidence = np.abs((hits.rays * hits.normal).sum(axis=-1)) / lengths
    is_unknown = incidence < _MIN_INCIDENCE
    height, width = is_unknown.shape
    rows, columns = np.mgrid[:height, :width]
    for _ in range(generator.integers(1, 4)):
        row, column = generator.uniform(0, height), generator.uniform(0, width)
        sides = generator.uniform(0.03, 0.1, 2) * width
        is_unknown |= np.hypot((rows - row) / sides[0], (columns - column) / sides[1]) < 1
    return is_unknown
