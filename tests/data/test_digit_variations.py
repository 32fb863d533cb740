import numpy as np
import pytest
import scipy.ndimage

from tfcolor.core.errors import UserError
from tfcolor.data.digit_variations import (
    COMPOSITES,
    SPLIT_SIZES,
    VARIATIONS,
    cut_patches,
    split_positions,
    vary_digits,
)

RNG = np.random.default_rng(0)
PHOTOS = [RNG.integers(0, 256, size).astype(np.uint8) for size in ((30, 45), (70, 28), (40, 41))]


@pytest.fixture(scope="module")
def digits():
    """Blurred boxes, of which no two are alike."""
    random_numbers = np.random.default_rng(1)
    images = np.zeros([40, 28, 28])
    for image in images:
        top, left = random_numbers.integers(6, 12, 2)
        image[top : top + 11, left : left + 5] = 255
    return np.rint(scipy.ndimage.gaussian_filter(images, (0, 1, 1))).astype(np.uint8)


@pytest.mark.parametrize(
    ("count", "sizes"), [(70_000, (10_000, 2_000, 50_000)), (62, (10, 2, 50)), (93, (15, 3, 75))]
)
def test_splits_have_the_published_sizes_or_their_share_and_no_digit_in_common(count, sizes):
    positions = [split_positions(count, split, seed=4) for split in SPLIT_SIZES]
    assert tuple(map(len, positions)) == sizes
    joined = np.concatenate(positions)
    assert len(set(joined.tolist())) == len(joined)
    assert joined.max() < count
    assert not np.array_equal(positions[0], split_positions(count, "train", seed=5))


def test_too_few_digits_are_refused():
    with pytest.raises(UserError, match="30 digits are too few for three splits; expected 31"):
        split_positions(30, "train", seed=0)
    assert len(split_positions(31, "valid", seed=0)) == 1


def test_basic_digits_are_unchanged(digits):
    np.testing.assert_array_equal(vary_digits(digits, VARIATIONS["basic"], seed=0), digits)


def test_turned_digits_are_those_of_some_angle(digits):
    """The reference turns every digit by every angle, and one of them fits."""
    turned = vary_digits(digits[:6], VARIATIONS["rot"], seed=3)
    best = []
    for digit, one in zip(digits[:6].astype(float), turned.astype(float), strict=True):
        errors = [
            np.abs(scipy.ndimage.rotate(digit, angle, reshape=False, order=1) - one).max()
            for angle in range(360)
        ]
        best.append(int(np.argmin(errors)))
        # Half a degree moves an edge by a tenth of a pixel.
        assert min(errors) < 15
    assert np.ptp(best) > 90


def test_noise_is_uniform_and_independent(digits):
    black = np.zeros([40, 28, 28], np.uint8)
    noise = vary_digits(black, VARIATIONS["bg_rand"], seed=0).astype(float)
    assert (noise.min(), noise.max()) == (0, 255)
    assert noise.mean() == pytest.approx(127.5, abs=2)
    assert noise.std() == pytest.approx(np.sqrt((256**2 - 1) / 12), abs=1)
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.02
    seen = vary_digits(digits, VARIATIONS["bg_rand"], seed=0)
    np.testing.assert_array_equal(seen, np.maximum(digits, noise))


def test_backgrounds_of_photographs_are_crops_with_contrast():
    flat = np.full([60, 60], 90, np.uint8)
    patches = cut_patches([*PHOTOS, flat], (50, 28, 27), np.random.default_rng(0))
    windows = [
        np.lib.stride_tricks.sliding_window_view(photo, (28, 27)).reshape(-1, 28 * 27)
        for photo in PHOTOS
    ]
    known = {window.tobytes() for part in windows for window in part}
    assert all(patch.tobytes() in known for patch in patches)
    assert (patches.std(axis=(1, 2)) >= 0.08 * 255).all()
    assert len({patch.tobytes() for patch in patches}) > 40


def test_backgrounds_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="a background of 27 x 40 pixels is smaller than 28 x 28"):
        cut_patches([np.zeros([40, 27], np.uint8)], (1, 28, 28), RNG)
    with pytest.raises(UserError, match="the backgrounds are too flat: 50 patches in a row"):
        cut_patches([np.zeros([40, 40], np.uint8)], (1, 28, 28), RNG)


def test_variations_of_one_seed_share_angles_and_backgrounds(digits):
    made = {
        name: vary_digits(digits, variation, photos=PHOTOS, seed=2)
        for name, variation in VARIATIONS.items()
    }
    black = vary_digits(0 * digits, VARIATIONS["bg_img"], photos=PHOTOS, seed=2)
    np.testing.assert_array_equal(made["bg_img"], np.maximum(digits, black))
    np.testing.assert_array_equal(made["bg_img_rot"], np.maximum(made["rot"], black))
    again = vary_digits(digits, VARIATIONS["bg_img_rot"], photos=PHOTOS, seed=2)
    np.testing.assert_array_equal(made["bg_img_rot"], again)
    other = vary_digits(digits, VARIATIONS["bg_img_rot"], photos=PHOTOS, seed=3)
    assert (made["bg_img_rot"] != other).mean() > 0.5


def test_digits_may_be_blended_into_their_background(digits):
    variation, seen = VARIATIONS["bg_rand"], {}
    for name, composite in COMPOSITES.items():
        seen[name] = vary_digits(digits, variation, composite=composite, seed=0).astype(int)
    noise = vary_digits(0 * digits, variation, seed=0) / 255
    ink = digits / 255
    blended = 255 * (ink + (1 - ink) * noise)
    # Rounded down.
    np.testing.assert_allclose(seen["alpha"] + 0.5, blended, atol=0.51)
    assert (seen["alpha"] >= seen["max"] - 1).all()
    np.testing.assert_array_equal(seen["alpha"][digits == 255], 255)
