import numpy as np
import pytest

from tfcolor.core.errors import UsageError
from tfcolor.data.sources import builtin_digits
from tfcolor.data.sources.builtin_digits import draw_digit, open_digits


def _angle(image):
    """Returns the direction in which an image is longest, degrees in [0, 180)."""
    rows, columns = np.nonzero(image[..., 0] > 127)
    spread = np.cov(np.stack([columns - columns.mean(), rows.mean() - rows]))
    x, y = np.linalg.eigh(spread)[1][:, 1]
    return np.rad2deg(np.arctan2(y, x)) % 180


def test_digits_are_bright_centered_and_of_all_classes():
    source = open_digits("digits:test")
    images = source.images()
    assert images.shape == (1000, 28, 28, 1)
    assert np.bincount(source.labels()).tolist() == [100] * 10
    assert images.reshape(1000, -1).max(axis=1).min() > 200
    ink = images[..., 0].astype(float)
    assert 0.05 < ink.mean() / 255 < 0.25
    rows = (ink.sum(2) @ np.arange(28)) / ink.sum((1, 2))
    assert np.abs(rows - 13.5).max() < 4
    border = np.concatenate([ink[:, 0], ink[:, -1], ink[:, :, 0], ink[:, :, -1]])
    assert border.max() == 0
    template = np.stack([images[source.labels() == digit].mean(0) for digit in range(10)])
    distance = ((images[:, None].astype(float) - template) ** 2).sum((2, 3, 4))
    assert (distance.argmin(1) == source.labels()).mean() > 0.7


def test_upright_ones_stand_and_turned_ones_lie_anywhere():
    angles = {
        name: np.array([_angle(image) for image in source.images()[source.labels() == 1]])
        for name in ("digits", "digits_rot")
        for source in [open_digits(name)]
    }
    assert np.abs(angles["digits"] - 90).max() < 45
    assert np.histogram(angles["digits_rot"], 4, (0, 180))[0].min() > 10


def test_splits_differ_and_come_out_the_same_every_time(monkeypatch):
    monkeypatch.setattr(builtin_digits, "NUM_DIGITS", 100)
    train, test = open_digits("digits"), open_digits("digits:test")
    np.testing.assert_array_equal(train.images(), open_digits("digits:train").images())
    both = {image.tobytes() for source in (train, test) for image in source.images()}
    assert len(both) == 200


def test_a_digit_depends_on_its_generator():
    draws = [draw_digit(4, 12.0, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


@pytest.mark.parametrize("selection", ["digit", "digits:valid", "digits_rot:heldout"])
def test_unknown_selections_list_the_known(selection):
    with pytest.raises(UsageError, match=r"unknown .*known: "):
        open_digits(selection)
