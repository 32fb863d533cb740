"""Tests of learning parts from the patches of images."""

import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.parts.edges import EdgeOptions
from tfcolor.parts.learning import PartOptions, Parts, draw_patches, learn_parts
from tfcolor.parts.patches import PatchOptions
from tfcolor.parts.pixels import PixelOptions, patch_features

PATCHES = PatchOptions(size=4, samples_per_image=10, max_samples=300)


@pytest.fixture(scope="module")
def images():
    """Returns bright bars of random directions on dark ground, uint8 [40, 20, 20, 1]."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:20, :20] - 9.5
    angles = rng.uniform(0, np.pi, 40)[:, None, None]
    distance = np.abs(np.cos(angles) * row + np.sin(angles) * column)
    return (255 * np.clip(3 - distance, 0, 1)).astype(np.uint8)[..., None]


def learn(images, options, seed=0, pixels=None):
    """Returns the parts of images, of edges unless options for pixels are given."""
    sample = draw_patches(images, pixels or EdgeOptions(), PATCHES, options, seed=seed)
    return sample, learn_parts(sample, options, pixels, seed=seed)


def test_parts_are_ordered_and_look_like_what_they_stand_for(images):
    options = PartOptions(num_components=6, num_iterations=5)
    sample, parts = learn(images, options)
    assert parts.means.shape == (6, 1, 4 * 4 * 8) and parts.size == 4
    assert list(parts.counts) == sorted(parts.counts, reverse=True)
    assert parts.counts.sum() == len(sample.pixels) == 300
    # Each patch belongs to the part of the highest posterior; its picture is the mean.
    joint = sample.flat[:, 0] @ parts.log_odds[:, 0].T + parts.offsets[:, 0]
    best = joint.argmax(axis=1)  # weights decide only near ties
    for part in range(6):
        own = sample.pixels[best == part, 0] / 255
        if len(own) == parts.counts[part]:
            np.testing.assert_allclose(parts.pictures[part], own.mean(axis=0), atol=1e-5)
    assert (np.bincount(best, minlength=6) == parts.counts).sum() >= 3


def test_turned_copies_share_a_part(images):
    options = PartOptions(
        num_components=2, num_rotations=8, num_iterations=8, min_relative_gain=0, min_prob=0.01
    )
    sample, parts = learn(images, options)
    assert sample.flat.shape[1] == 8 and parts.means.shape[:2] == (len(parts.counts), 8)
    assert parts.layout.num_features == 8 * len(parts.counts)
    assert np.ptp(parts.pictures, axis=(1, 2)).max() > 0.3  # a bar, not a blur of all directions


def test_rare_parts_are_dropped(images):
    options = PartOptions(num_components=12, num_iterations=3)
    _, everything = learn(images, options)
    limit = int(everything.counts[5])
    _, frequent = learn(images, PartOptions(num_components=12, num_iterations=3, min_count=limit))
    assert list(frequent.counts) == [count for count in everything.counts if count >= limit]
    with pytest.raises(UserError, match="no component has 301 samples"):
        learn(images, PartOptions(num_components=12, num_iterations=3, min_count=301))


def test_arrays_hold_everything(images):
    _, parts = learn(images, PartOptions(num_components=3, num_iterations=2))
    again = Parts.from_arrays(parts.arrays())
    assert again.layout == parts.layout and again.size == parts.size
    for name in ("means", "pictures", "counts", "log_likelihood"):
        np.testing.assert_array_equal(getattr(again, name), getattr(parts, name))
    np.testing.assert_array_equal(again.log_odds, parts.log_odds)


def test_color_images_have_edges_of_every_channel(images):
    colored = np.concatenate([images, images[:, ::-1], images // 2], axis=-1)
    sample, parts = learn(colored, PartOptions(num_components=2, num_iterations=2))
    assert sample.edges.shape[-1] == 24 and parts.pictures.shape == (2, 4, 4, 3)


def test_more_parts_than_patches_and_empty_images_are_named(images):
    with pytest.raises(UserError, match="components"):
        learn(images, PartOptions(num_components=301))
    with pytest.raises(UserError, match=r"min_edges|threshold|edges"):
        learn(np.full_like(images, 128), PartOptions(num_components=2))


def test_clusters_are_means_of_the_patches_nearest_to_them(images):
    pixels = PixelOptions(whiten=True)
    options = PartOptions(kind="kmeans", num_components=5, num_iterations=100)
    sample, parts = learn(images, options, pixels=pixels)
    features = patch_features(sample.pixels, pixels, parts.whitening)[:, 0]
    distances = np.linalg.norm(features[:, None] - parts.means[:, 0], axis=2)
    nearest = distances.argmin(axis=1)
    assert parts.counts.tolist() == np.bincount(nearest).tolist()
    assert parts.counts.tolist() == sorted(parts.counts, reverse=True)
    for part in range(5):
        own = nearest == part
        np.testing.assert_allclose(parts.means[part, 0], features[own].mean(axis=0), atol=1e-4)
        picture = sample.pixels[own, 0].mean(axis=0) / 255
        np.testing.assert_allclose(parts.pictures[part], picture, atol=1e-5)
    inertia = np.square(distances.min(axis=1)).sum()
    assert parts.log_likelihood == pytest.approx(-inertia / 2, rel=1e-4)
    with pytest.raises(UserError, match="no cluster has 301 patches"):
        learn(images, PartOptions(kind="kmeans", num_components=2, min_count=301), pixels=pixels)


def test_patches_of_pixels_have_contrast(images):
    spotted = images.copy()
    spotted[:, :, 12:] = 77
    options, pixels = PartOptions(kind="kmeans", num_components=2), PixelOptions(min_std=0.2)
    sample, _ = learn(spotted, options, pixels=pixels)
    assert (sample.pixels / 255).std(axis=(1, 2, 3, 4)).min() >= 0.2
    with pytest.raises(UserError, match=r"deviation of pixels_min_std=0.2: lower that"):
        learn(np.full_like(images, 128), options, pixels=pixels)


def test_gaussian_parts_in_rotations_come_back_from_a_file(images):
    options = PartOptions(kind="gaussian", num_components=3, num_rotations=4, num_iterations=3)
    sample, parts = learn(images, options, pixels=PixelOptions())
    assert sample.edges.shape[-1] == 0 and sample.pixels.shape[1] == 4
    assert parts.means.shape == (3, 4, 16) and parts.layout.num_features == 12
    assert parts.covariances.shape == (1, 1, 16, 16) and parts.whitening is None
    again = Parts.from_arrays(parts.arrays())
    np.testing.assert_array_equal(again.covariances, parts.covariances)
    np.testing.assert_array_equal(again.mixture.weights, np.full((3, 4), 1 / 12))
    # Each patch belongs to the pose in which all its rotations are likeliest.
    assert parts.counts.sum() == len(sample.pixels)
