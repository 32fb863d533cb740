import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.models.calibration import (
    Calibration,
    draw_channels,
    read_calibration,
    teacher_scales,
)


def _signals(*shape):
    return np.random.default_rng(0).normal(1, 3, shape).astype(np.float32)


def test_scales_are_roots_of_mean_squares_over_all_batches():
    signals = _signals(10, 4)
    scales = teacher_scales([signals[:7], signals[7:]])
    expected = np.sqrt(np.mean(np.square(signals, dtype=np.float64), axis=0))
    np.testing.assert_allclose(scales, expected, rtol=1e-12)
    assert scales.dtype == np.float64


def test_cells_of_a_map_are_examples_of_their_channel():
    maps = _signals(5, 3, 2, 4)
    scales = teacher_scales([maps.reshape(5, 24)], num_cells=6)
    np.testing.assert_allclose(scales, np.sqrt(np.mean(maps**2, axis=(0, 1, 2))), rtol=1e-6)


def test_one_scale_or_none():
    signals = _signals(6, 5)
    single = teacher_scales([signals], normalization="single")
    np.testing.assert_allclose(single, np.full(5, np.sqrt(np.mean(signals**2))), rtol=1e-6)
    np.testing.assert_array_equal(teacher_scales([signals], normalization="none"), np.ones(5))


def test_dead_features_get_a_thousandth_of_the_median():
    signals = np.float32([[0, 1, 2, 3, 1e-9], [0, -1, 2, 3, 0]])
    np.testing.assert_allclose(teacher_scales([signals]), [1e-3, 1, 2, 3, 1e-3])
    # Most of them dead: the median of those that are not.
    signals = np.float32([[0, 0, 0, 3, 5]])
    np.testing.assert_allclose(teacher_scales([signals]), [4e-3, 4e-3, 4e-3, 3, 5])


def test_a_teacher_that_says_nothing_is_refused():
    with pytest.raises(UserError, match="answers nothing but 0"):
        teacher_scales([np.zeros((3, 4), np.float32)])


def test_channels_are_drawn_without_replacement_by_their_seed():
    drawn = draw_channels(20, 8, seed=3)
    assert len(set(drawn)) == 8
    assert list(drawn) == sorted(drawn)
    assert drawn.min() >= 0
    assert drawn.max() < 20
    np.testing.assert_array_equal(draw_channels(20, 8, seed=3), drawn)
    assert set(draw_channels(20, 8, seed=4)) != set(drawn)
    np.testing.assert_array_equal(draw_channels(5, 5, seed=0), range(5))
    counts = sum(np.bincount(draw_channels(20, 8, seed), minlength=20) for seed in range(500))
    assert counts.min() > 150
    assert counts.max() < 250
    with pytest.raises(ValueError, match="num_drawn=6: expected at most 5"):
        draw_channels(5, 6, seed=0)


def test_calibration_survives_a_file(tmp_path):
    calibration = Calibration(np.array([0.5, 2.0]), np.array([1]))
    calibration.write(tmp_path / "run" / "teacher.npz")
    found = read_calibration(tmp_path / "run" / "teacher.npz")
    np.testing.assert_array_equal(found.scales, calibration.scales)
    np.testing.assert_array_equal(found.channels, calibration.channels)
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="cannot read the calibration of the teacher"):
        read_calibration(tmp_path / "broken.npz")
