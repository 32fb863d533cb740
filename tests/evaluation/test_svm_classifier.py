import numpy as np
import pytest
from sklearn.metrics import average_precision_score, make_scorer
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from tfcolor.evaluation.svm_classifier import LONE_COST, SvmClassifier

COSTS = (1e-3, 0.1, 10.0)


@pytest.fixture(scope="module")
def data():
    """Features of 60 images that show none, one or both of two classes, and noise."""
    random_numbers = np.random.default_rng(1)
    presence = random_numbers.integers(0, 2, (60, 2))
    features = random_numbers.normal(size=(60, 9))
    features[:, :2] += 1.5 * presence
    return 7 * features, presence


def test_costs_and_scores_are_those_of_scikit_learn(data):
    features, presence = data
    found = SvmClassifier(COSTS, seed=3).fit(features, presence)
    units = normalize(features)
    for label in range(2):
        targets = np.where(presence[:, label] == 1, 1, -1)
        folds = StratifiedKFold(3, shuffle=True, random_state=3)
        scorer = make_scorer(average_precision_score, response_method="decision_function")
        machine = LinearSVC(class_weight={1: 2, -1: 1}, random_state=0, dual=True)
        grid = GridSearchCV(machine, {"C": COSTS}, scoring=scorer, cv=folds).fit(units, targets)
        assert found.costs[label] == grid.best_params_["C"]
        expected = grid.best_estimator_.decision_function(units)
        np.testing.assert_allclose(found.scores(features)[:, label], expected, rtol=1e-3, atol=1e-4)


def test_the_length_of_features_does_not_count(data):
    features, presence = data
    lengths = np.random.default_rng(0).uniform(0.1, 9, (60, 1))
    machines = SvmClassifier((1.0,)).fit(features, presence)
    other = SvmClassifier((1.0,)).fit(features * lengths, presence)
    np.testing.assert_allclose(other.scores(features), machines.scores(features), rtol=1e-6)


def test_other_labels_leave_an_image_out_of_a_class(data):
    features, presence = data
    marked = presence.copy()
    marked[:20, 1] = -1
    some = SvmClassifier((1.0,)).fit(features, marked).scores(features)
    alone = SvmClassifier((1.0,)).fit(features[20:], presence[20:]).scores(features)
    whole = SvmClassifier((1.0,)).fit(features, presence).scores(features)
    np.testing.assert_allclose(some[:, 1], alone[:, 1], rtol=1e-6)
    np.testing.assert_allclose(some[:, 0], whole[:, 0], rtol=1e-6)


def test_classes_without_positives_or_with_one(data):
    features, presence = data
    rare = np.zeros_like(presence)
    rare[4, 1] = 1
    machines = SvmClassifier(COSTS).fit(features, rare)
    assert machines.costs == [None, LONE_COST]
    scores = machines.scores(features)
    assert not scores[:, 0].any()
    assert scores[:, 1].argmax() == 4
