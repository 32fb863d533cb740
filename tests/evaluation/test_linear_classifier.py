import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tfcolor.core.errors import UserError
from tfcolor.evaluation.linear_classifier import (
    LinearClassifier,
    check_several_classes,
    choose_strength,
)


def _clusters(count, size, spread, seed=0, num_classes=3):
    random_numbers = np.random.default_rng(seed)
    centers = np.random.default_rng(99).normal(size=(num_classes, size))
    labels = np.arange(count) % num_classes
    scales = 10.0 ** np.linspace(-3, 3, size)  # standardized away
    return (centers[labels] + spread * random_numbers.normal(size=(count, size))) * scales, labels


@pytest.mark.parametrize("count", [15, 60])
def test_predictions_are_those_of_scikit_learn_on_standardized_features(count):
    features, labels = _clusters(count, 40, 2.0)
    test_features, test_labels = _clusters(300, 40, 2.0, seed=1)
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    model = LogisticRegression(C=0.1, max_iter=1000).fit((features - mean) / deviation, labels)
    expected = model.score((test_features - mean) / deviation, test_labels)
    accuracy = LinearClassifier(0.1).fit(features, labels).accuracy(test_features, test_labels)
    assert accuracy == pytest.approx(expected, abs=0.01)
    assert 0.4 < accuracy < 1


def test_constant_features_do_no_harm():
    features, labels = _clusters(30, 4, 0.1)
    features = np.concatenate([features, np.full((30, 2), 7.0)], axis=1)
    assert LinearClassifier(1.0).fit(features, labels).accuracy(features, labels) == 1


def test_strength_is_chosen_by_held_out_accuracy():
    # A single feature tells the classes apart; it needs a large weight.
    random_numbers = np.random.default_rng(0)
    labels = np.arange(60) % 2
    features = random_numbers.normal(size=(60, 30))
    features[:, 0] = labels + 0.1 * random_numbers.normal(size=60)
    chosen = choose_strength(features, labels, strengths=(1e-6, 1.0), seed=0)
    assert chosen == 1.0


def test_equal_strengths_and_single_examples():
    features, labels = _clusters(30, 5, 0.01)
    assert choose_strength(features, labels, strengths=(1.0, 0.1, 10.0)) == 0.1
    assert choose_strength(features[:3], labels[:3], strengths=(10.0, 0.1, 1.0)) == 1.0


def test_a_single_class_is_refused():
    check_several_classes(2)
    with pytest.raises(UserError, match="--images has 1 class: a classifier needs at least two"):
        check_several_classes(1)
