"""Probes that see one forbidden cue of patches, and images that carry it."""

import numpy as np
import scipy.ndimage
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NUM_TRAIN, NUM_TEST = 120, 80


def make_examples(task, images):
    """Returns (patches [N, T, S, S, C], labels [N]) that a task makes of uint8 images.

    A few are made eagerly: to build a graph takes as long as 100 examples.
    """
    seeds = np.stack([np.full(len(images), 11), np.arange(len(images))], axis=1)
    if len(images) > 8:
        examples = tf.data.Dataset.from_tensor_slices((images, seeds)).map(task.make_example)
    else:
        examples = map(task.make_example, images, seeds)
    pairs = [(inputs["image"], targets["label"]) for inputs, targets in examples]
    return tuple(np.stack(one) for one in zip(*pairs, strict=True))


def accuracy(features, labels):
    """Returns how often a linear probe is right on examples it was not fitted to."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    probe.fit(features[:NUM_TRAIN], labels[:NUM_TRAIN])
    return probe.score(features[NUM_TRAIN:], labels[NUM_TRAIN:])


def most_of_guessing(num_labels):
    """Returns what guessing exceeds less than once in 700 times."""
    chance = 1 / num_labels
    return chance + 3 * np.sqrt(chance * (1 - chance) / NUM_TEST)


def smooth_images(side):
    """Returns noise, smooth from pixel to pixel and nowhere else, uint8 [N, side, side, 3]."""
    noise = np.random.default_rng(1).normal(size=(NUM_TRAIN + NUM_TEST, side + 8, side + 8))
    smooth = scipy.ndimage.gaussian_filter(noise, (0, 1, 1))[:, 4:-4, 4:-4]
    return _as_bytes(np.repeat(smooth[..., np.newaxis], 3, axis=-1))


def fringed_images(side, magnification=1.03):
    """Returns gray images whose red and blue are larger than their green."""
    gray = smooth_images(side)[..., 0].astype(float)
    places = (np.arange(side) - (side - 1) / 2) / magnification + (side - 1) / 2
    grid = np.stack(np.meshgrid(places, places, indexing="ij"))
    larger = [scipy.ndimage.map_coordinates(one, grid, order=1, mode="nearest") for one in gray]
    return _as_bytes(np.stack([larger, gray, larger], axis=-1))


def block_images(side):
    """Returns images that a coarse JPEG left constant in blocks of 8 by 8."""
    random_numbers = np.random.default_rng(2)
    blocks = random_numbers.normal(size=(NUM_TRAIN + NUM_TEST, -(-side // 8), -(-side // 8), 3))
    pixels = blocks.repeat(8, axis=1).repeat(8, axis=2)[:, :side, :side]
    return _as_bytes(pixels + random_numbers.normal(0, 0.1, pixels.shape))


def edge_distances(patches, pairs):
    """Returns how far facing edges of pairs of patches are from continuing, [N, 4 P].

    For each pair the distances if the second were on the right, left, below, above.
    """
    gray = patches.mean(axis=-1)
    edges = {"right": gray[..., -1], "left": gray[..., 0]}
    edges |= {"below": gray[..., -1, :], "above": gray[..., 0, :]}
    opposite = {"right": "left", "left": "right", "below": "above", "above": "below"}
    return np.stack(
        [
            np.abs(edges[one][:, first] - edges[other][:, second]).mean(axis=-1)
            for first, second in pairs
            for one, other in opposite.items()
        ],
        axis=-1,
    )


def fringe_shifts(patches):
    """Returns how channels are shifted along both axes, by least squares, [N, 6 T].

    Values are rounded more finely than to bytes, so that no probe sees float32 noise.
    """
    patches = np.round(patches, 4)
    shifts = []
    for moved, still in ((0, 1), (2, 1), (0, 2)):
        difference = patches[..., moved] - patches[..., still]
        for axis in (2, 3):
            slope = np.gradient(patches[..., still], axis=axis)
            power = (slope**2).mean(axis=(2, 3)) + 1e-9
            shifts.append((difference * slope).mean(axis=(2, 3)) / power)
    return np.concatenate(shifts, axis=1)


def block_phases(patches):
    """Returns the strength of edges at each of eight phases along both axes, [N, 16 T]."""
    strengths = []
    for axis in (2, 3):
        steps = np.moveaxis(np.abs(np.diff(patches, axis=axis)).mean(axis=-1), axis, -1)
        profile = steps.mean(axis=2)
        strengths += [profile[..., phase::8].mean(axis=-1) for phase in range(8)]
    return np.concatenate(strengths, axis=1)


def _as_bytes(values):
    """Scales values to a fixed contrast, uint8."""
    scaled = 128 + 50 * (values - values.mean()) / values.std()
    return np.clip(np.round(scaled), 0, 255).astype(np.uint8)
