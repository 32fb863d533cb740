"""Tests of the mean pictures of classes."""

import numpy as np

from tfcolor.parts.class_mixtures import ClassMixtures
from tfcolor.parts.class_pictures import mean_class_pictures
from tfcolor.parts.scorer import ClassScorer


def test_pictures_are_means_of_images_turned_to_zero():
    rng = np.random.default_rng(3)
    upright = rng.integers(0, 256, (2, 2, 6, 6, 1), np.uint8)  # by class and component
    labels, components = np.arange(16) % 2, np.arange(16) // 2 % 2
    turns = rng.integers(4, size=16)
    images = np.stack([
        np.rot90(upright[label, component], -turn)
        for label, component, turn in zip(labels, components, turns, strict=True)
    ])  # fmt: skip
    scorer = ClassScorer(np.zeros((1, 2, 8)), np.zeros((2, 8)), 4)
    pictures = mean_class_pictures(images, labels, ClassMixtures(scorer, components, turns), 4)
    np.testing.assert_allclose(pictures, upright / 255, atol=1e-5)


def test_component_without_images_is_black():
    scorer = ClassScorer(np.zeros((1, 2, 2)), np.zeros((2, 2)))
    classes = ClassMixtures(scorer, np.array([1, 0]), np.zeros(2, int))
    images = np.full((2, 4, 4, 1), 255, np.uint8)
    pictures = mean_class_pictures(images, np.array([0, 1]), classes, 1)
    assert pictures.mean(axis=(2, 3, 4)).tolist() == [[0, 1], [1, 0]]
