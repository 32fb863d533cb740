import numpy as np
import pytest
import sklearn.metrics

from tfcolor.evaluation.label_map_scores import LabelMapScores, mean_iou_interval


def test_golden_mean_iou():
    scores = LabelMapScores("abc")
    truth, predicted = [0, 0, 1, 1, 2, 2, 255, 1], [0, 1, 1, 1, 2, 0, 2, 2]
    scores.add("one", np.array([truth]), np.array([predicted]))
    figures = scores.figures()
    assert figures["mean_iou"] == pytest.approx(0.3888888889)
    assert figures["iou_by_class"] == pytest.approx({"a": 1 / 3, "b": 1 / 2, "c": 1 / 3})
    assert figures["num_pixels"] == 7
    assert figures["mean_iou_interval"] == pytest.approx([7 / 18, 7 / 18])
    assert figures["pixel_accuracy"] == pytest.approx(4 / 7)


def test_scores_agree_with_scikit_learn_over_void_and_empty_classes():
    random_numbers = np.random.default_rng(2)
    scores = LabelMapScores("abcdef")
    truths, guesses = [], []
    for number, shape in enumerate([(7, 9), (5, 4), (11, 3)]):
        truth = random_numbers.integers(0, 4, shape)  # neither 4 nor 5
        guess = np.where(random_numbers.random(shape) < 0.6, truth, 4 * (number > 0))
        truth[random_numbers.random(shape) < 0.2] = 255
        scores.add(str(number), truth, guess)
        truths.append(truth[truth != 255])
        guesses.append(guess[truth != 255])
    truth, guess = np.concatenate(truths), np.concatenate(guesses)
    figures = scores.figures()
    expected = sklearn.metrics.jaccard_score(truth, guess, average=None, labels=range(5))
    assert [figures["iou_by_class"][name] for name in "abcde"] == pytest.approx(list(expected))
    assert figures["iou_by_class"]["f"] is None
    assert figures["iou_by_class"]["e"] == 0
    assert figures["mean_iou"] == pytest.approx(expected.mean())
    assert figures["pixel_accuracy"] == pytest.approx(np.mean(truth == guess))
    recalls = sklearn.metrics.recall_score(truth, guess, average=None, labels=range(4))
    assert figures["mean_class_accuracy"] == pytest.approx(recalls.mean())
    matrix = sklearn.metrics.confusion_matrix(truth, guess, labels=range(6))
    np.testing.assert_array_equal(scores.confusion, matrix)
    assert [row["pixel_accuracy"] for row in scores.rows] == pytest.approx(
        [np.mean(one == other) for one, other in zip(truths, guesses, strict=True)]
    )


def test_a_photograph_that_is_all_void_has_no_score():
    scores = LabelMapScores("ab")
    scores.add("void", np.full((2, 3), 255), np.zeros((2, 3), int))
    assert scores.rows[0]["mean_iou"] is None
    assert scores.rows[0]["pixel_accuracy"] is None
    assert scores.figures()["mean_iou"] == 0


def test_interval_holds_the_mean_and_narrows_with_more_images():
    random_numbers = np.random.default_rng(0)
    hits = random_numbers.integers(0, 50, (400, 3))
    unions = hits + random_numbers.integers(0, 50, (400, 3))
    widths = []
    for count in (25, 400):
        low, high = mean_iou_interval(hits[:count], unions[:count], resamples=300)
        mean = (hits[:count].sum(0) / unions[:count].sum(0)).mean()
        assert low < mean < high
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.3)
    assert mean_iou_interval(hits, unions, resamples=9, seed=1) == mean_iou_interval(
        hits, unions, resamples=9, seed=1
    )
