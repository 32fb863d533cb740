import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.mixtures.assignment import Assignment, assign, keep_frequent, log_joint
from tfcolor.mixtures.bernoulli import BernoulliMixture
from tfcolor.mixtures.samples import DenseSamples


@pytest.fixture
def mixture():
    generator = np.random.default_rng(0)
    means = generator.beta(0.2, 0.2, (3, 4, 12)).clip(0.05, 0.95)
    return BernoulliMixture(np.full((3, 4), 1 / 12), means)


def test_assignment_is_the_largest_joint_density(mixture):
    samples = DenseSamples((np.random.default_rng(1).random((30, 4, 12)) < 0.5).astype(np.uint8))
    joint = log_joint(mixture, samples).reshape(30, -1)
    found = assign(mixture, samples)
    assert (4 * found.components + found.permutations == joint.argmax(axis=1)).all()
    np.testing.assert_allclose(found.log_probs, joint.max(axis=1), atol=1e-4)


def test_permutation_turns_a_sample_to_the_canonical_pose(mixture):
    upright = (mixture.means[1] > 0.5).astype(np.uint8)
    samples = DenseSamples(np.stack([np.roll(upright, turn, axis=0) for turn in range(4)]))
    found = assign(mixture, samples)
    assert (found.components == 1).all()
    # Block w of the sample is what block 0 of the component describes.
    assert found.permutations.tolist() == [0, 1, 2, 3]


def test_rare_components_are_dropped_and_others_sorted(mixture):
    components = np.array([2] * 5 + [0] * 3 + [1] * 5 + [2])
    assignment = Assignment(components, 0 * components, 0.0 * components)
    kept = keep_frequent(mixture, assignment, min_count=4)
    assert kept[1].tolist() == [2, 1]
    assert kept[2].tolist() == [6, 5]
    assert (kept[0].means == mixture.means[[2, 1]]).all()
    assert (kept[0].weights == mixture.weights[[2, 1]]).all()
    assert keep_frequent(mixture, assignment)[1].tolist() == [2, 1, 0]


def test_nothing_left_is_refused(mixture):
    components = np.array([0, 1, 1])
    assignment = Assignment(components, components, 0.0 * components)
    with pytest.raises(UserError, match="no component has 3 samples, the most frequent 2"):
        keep_frequent(mixture, assignment, min_count=3)
