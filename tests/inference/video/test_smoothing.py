import numpy as np
import pytest

from tests.moving_scenes import moving_scene
from tfcolor.core.taps import Tap
from tfcolor.inference.video.links import Cells, Link
from tfcolor.inference.video.smoothing import TrackSmoother, accumulate

SIZE, BINS = (12, 16), 5
CELLS = Cells(SIZE, Tap("grid", 4, 1.5), (48, 64))


@pytest.fixture(scope="module")
def still():
    """Seven equal frames."""
    return [moving_scene(1, (48, 64))[0][0, ..., 0]] * 7


@pytest.fixture
def predictions():
    return list(np.random.default_rng(0).dirichlet(np.ones(BINS), (7, *SIZE)).astype(np.float32))


def smooth(frames, predictions, memory, *, step=None, ahead=99):
    """Smooths `step` frames at a time, with `ahead` more in sight."""
    smoother, results, shots = TrackSmoother(CELLS, memory), [], []
    step = step or len(frames)
    for start in range(0, len(frames), step):
        stop = start + step + ahead
        number = min(step, len(frames) - start)
        found = list(smoother.smooth(frames[start:stop], predictions[start:stop], number))
        results += [result for result, _ in found]
        shots += [begins for _, begins in found]
    return np.array(results), shots


def test_still_frames_get_the_mean_weighted_by_distance(still, predictions):
    found, shots = smooth(still, predictions, 0.7)
    distance = np.abs(np.subtract.outer(np.arange(7), np.arange(7)))
    weights = 0.7**distance
    weights /= weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, np.tensordot(weights, predictions, 1), atol=1e-5)
    assert shots == [True] + [False] * 6


def test_histograms_stay_histograms():
    frames = list(moving_scene(6, (48, 64), (5, 2))[0][..., 0])
    numbers = np.random.default_rng(1)
    own = list(numbers.dirichlet(np.ones(BINS), (6, *SIZE)).astype(np.float32))
    found, _ = smooth(frames, own, 0.9)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    assert found.min() >= 0


def test_without_memory_nothing_changes(still, predictions):
    found, shots = smooth(still, predictions, 0.0)
    np.testing.assert_array_equal(found, predictions)
    assert all(shots)


def test_nothing_crosses_a_cut(predictions):
    first = list(moving_scene(4, (48, 64))[0][..., 0])
    second = list(moving_scene(3, (48, 64), seed=5)[0][..., 0])
    found, shots = smooth(first + second, predictions, 0.9)
    np.testing.assert_array_equal(found[:4], smooth(first, predictions[:4], 0.9)[0])
    np.testing.assert_array_equal(found[4:], smooth(second, predictions[4:], 0.9)[0])
    assert shots == [True, False, False, False, True, False, False]


def test_a_flash_is_passed_over(still, predictions):
    flash = np.full((48, 64), 250, np.uint8)
    found, shots = smooth([*still[:3], flash, *still[4:]], predictions, 0.8)
    rest, _ = smooth(still[:6], predictions[:3] + predictions[4:], 0.8)
    np.testing.assert_allclose(np.delete(found, 3, axis=0), rest, atol=1e-6)
    np.testing.assert_array_equal(found[3], predictions[3])
    assert sum(shots) == 1


def test_pieces_with_all_of_their_future_equal_the_whole():
    frames = list(moving_scene(9, (48, 64))[0][..., 0])
    frames[4] = np.full((48, 64), 250, np.uint8)
    own = list(np.random.default_rng(2).random((9, *SIZE, BINS), np.float32))
    whole, _ = smooth(frames, own, 0.8)
    for step in (1, 2, 4, 5):
        np.testing.assert_allclose(smooth(frames, own, 0.8, step=step)[0], whole, atol=1e-6)


def test_colors_follow_what_moves():
    scene = moving_scene(1, (48, 64))[0][0, ..., 0]
    frames = [np.roll(scene, 4 * time, axis=1) for time in range(5)]
    columns = np.tile(np.arange(16.0), (12, 1))[..., None]
    own = [np.roll(columns, time, axis=1).astype(np.float32) for time in range(5)]
    found, _ = smooth(frames, own, 0.9)
    inner = np.s_[:, 2:-2, 6:-6]
    np.testing.assert_allclose(found[inner], np.array(own)[inner], atol=0.1)


def test_only_trusted_cells_are_added():
    own, other = np.ones((2, 3, 2), np.float32), np.full((2, 3, 2), 4, np.float32)
    trust = np.float32([[0, 0.5, 1], [0, 0, 0]])
    positions = np.moveaxis(np.indices((2, 3), np.float32), 0, -1)
    found = accumulate(own, other, Link(positions, trust), 0.5)
    np.testing.assert_allclose(found[..., 0], [[1, 2, 3], [1, 1, 1]])
