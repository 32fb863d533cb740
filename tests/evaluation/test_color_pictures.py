import tensorflow as tf

from tfcolor.evaluation.color_pictures import color_figures
from tfcolor.evaluation.scores import ColorScores


def test_photographs_are_colored_again_only_for_the_sheet():
    rgb = tf.random.stateless_uniform([1, 13, 17, 3], [1, 2])
    scores = ColorScores(0.01, None)
    scores.add("one.png", rgb, tf.repeat(tf.reduce_mean(rgb, -1, keepdims=True), 3, -1))
    asked = []

    def show(row):
        asked.append(row)
        return rgb, rgb

    drawings = color_figures(scores, show)
    assert [next(drawings)[0] for _ in range(2)] == ["error_curve", "psnr_histogram"]
    assert not asked
    assert [name for name, _ in drawings] == ["contact_sheet"]
    assert asked == [0]
