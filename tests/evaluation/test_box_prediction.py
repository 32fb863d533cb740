from types import SimpleNamespace

import numpy as np
import tensorflow as tf

from tfcolor.evaluation.box_prediction import BoxPredictor

EDGES = np.array([[2.0, 3.0, 12.0, 18.0], [0.0, 0.0, 30.0, 90.0], [0.0, 0.0, 0.0, 0.0]], np.float32)


class _Detector:
    """Finds two boxes in every image, and says what it was shown."""

    def __init__(self):
        self.shape = tf.Variable([0, 0, 0, 0])

    def __call__(self, inputs):
        self.shape.assign(tf.shape(inputs["image"]))
        return {
            "found_boxes": tf.constant(EDGES)[tf.newaxis],
            "found_labels": tf.constant([[1, 0, -1]]),
            "found_scores": tf.constant([[0.9, 0.5, 0.0]]),
        }


def _trained(detector):
    options = SimpleNamespace(test_scale=20, test_max_side=50)
    return SimpleNamespace(network=detector, options=options, inputs=lambda rgb: rgb)


def test_boxes_are_scaled_back_to_pixels_of_the_photograph():
    detector = _Detector()
    found = BoxPredictor(_trained(detector)).find(np.zeros([40, 60, 3], np.uint8))
    np.testing.assert_array_equal(detector.shape, [1, 32, 32, 3])  # of 20 x 30 pixels
    # The shorter side became half; the last pixel is inside, and nothing beyond the border.
    np.testing.assert_allclose(found.boxes, [[4, 6, 23, 35], [0, 0, 39, 59]], atol=1e-4)
    np.testing.assert_array_equal(found.labels, [1, 0])
    np.testing.assert_allclose(found.scores, [0.9, 0.5])


def test_scale_and_limit_can_be_chosen():
    detector = _Detector()
    found = BoxPredictor(_trained(detector), 40, 60).find(np.zeros([80, 60, 3], np.uint8))
    np.testing.assert_array_equal(detector.shape, [1, 64, 64, 3])
    # 53.3 rows are rounded to 53: of 40 columns each is 1.5 pixels of the photograph.
    np.testing.assert_allclose(found.boxes[0], [160 / 53, 4.5, 960 / 53 - 1, 26], atol=1e-4)


def test_a_network_finds_boxes_within_the_photograph(build_trained):
    options = {
        "num_classes": 2,
        "tap": "conv3",
        "scales": (32,),
        "max_side": 48,
        "test_scale": 32,
        "test_max_side": 48,
        "anchor_sides": (16,),
        "anchor_ratios": (1.0,),
        "proposal_units": 8,
        "num_proposals": 10,
        "region_size": 2,
        "hidden_units": 8,
        "min_score": 0.0,
    }
    trained = build_trained("detection", options)
    image = np.random.default_rng(0).integers(0, 256, (45, 70, 3)).astype(np.uint8)
    found = BoxPredictor(trained).find(image)
    assert 0 < len(found.labels) <= 100
    assert set(found.labels) <= {0, 1}
    assert np.all(found.boxes >= -1)
    assert np.all(found.boxes <= [44, 69, 44, 69])
    assert np.all(np.diff(found.scores) <= 0)
    # 32 x 50 pixels are below either limit.
    wide, wider = (BoxPredictor(trained, 0, limit).find(image) for limit in (64, 2000))
    assert len(wide.labels)
    for one, other in zip(wide, wider, strict=True):
        np.testing.assert_array_equal(one, other)
