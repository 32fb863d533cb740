import numpy as np
import tensorflow as tf

from tfcolor.tasks.base import Panel
from tfcolor.tasks.image_task import ImageTask
from tfcolor.training.example_sheet import (
    BACKGROUND,
    CAPTION,
    CELL,
    GAP,
    NUM_EXAMPLES,
    depict_examples,
    draw_panels,
)


class Turns(ImageTask):
    """A task with a label for each of two patches."""

    def __init__(self):
        super().__init__(None, {})

    def label_name(self, label):
        return f"{90 * label}°"


def test_panels_are_enlarged_and_in_their_places():
    red, green = (np.full([2, 4, 3], color, np.uint8) for color in ((200, 0, 0), (0, 200, 0)))
    sheet = draw_panels([[Panel("a", red), Panel("", green)]])
    assert sheet.shape == (2 * GAP + CELL + CAPTION, 3 * GAP + 2 * CELL, 3)
    top = GAP + CAPTION
    assert (sheet[top : top + CELL // 2, GAP : GAP + CELL] == red[0, 0]).all()
    assert (sheet[top : top + CELL // 2, 2 * GAP + CELL : -GAP] == green[0, 0]).all()
    assert (sheet[top + CELL // 2 :] == BACKGROUND).all()
    captions = sheet[GAP:top]
    assert (captions[:, : GAP + CELL] != BACKGROUND).any()
    assert (captions[:, 2 * GAP + CELL :] == BACKGROUND).all()


def test_large_pictures_shrink_to_their_mean_and_long_captions_are_cut():
    checks = np.indices([4 * CELL, 4 * CELL]).sum(axis=0) % 2 * 200
    checks = np.repeat(checks[..., np.newaxis], 3, axis=-1).astype(np.uint8)
    sheet = draw_panels([[Panel("long " * 50, checks)]])
    assert (sheet[GAP + CAPTION : -GAP, GAP:-GAP] == 100).all()
    assert (sheet[:, -GAP:] == BACKGROUND).all()


def test_patches_are_shown_with_their_labels_and_wrong_answers():
    task = Turns()
    images = tf.random.stateless_uniform([8, 2, 6, 6, 1], [1, 2], maxval=1.2)
    labels = tf.constant([[0, 3]] * 8)
    answers = tf.one_hot([[0, 1]] * 8, 4)
    rows = task.depict({"image": images}, {"label": labels}, {"logits": answers})
    assert [[panel.caption for panel in row] for row in rows] == [["0°", "270°, not 90°"]] * 8
    expected = np.round(255 * np.minimum(images[5, 1], 1)).repeat(3, axis=-1)
    np.testing.assert_array_equal(rows[5][1].pixels, expected)
    sheet = depict_examples(task, {"image": images}, {"label": labels}, {"logits": answers})
    assert sheet.shape[0] == GAP + NUM_EXAMPLES * (CELL + CAPTION + GAP)


def test_a_label_of_the_whole_example_is_that_of_its_first_patch():
    images, labels = tf.zeros([1, 3, 6, 6, 3]), tf.constant([2])
    (row,) = Turns().depict({"image": images}, {"label": labels}, {"logits": tf.eye(4)[:1]})
    assert [panel.caption for panel in row] == ["180°, not 0°", "", ""]


def test_images_without_labels_are_shown_as_they_are():
    (row,) = Turns().depict({"image": tf.ones([1, 6, 6, 1])}, {}, {})
    assert row[0].caption == "" and (row[0].pixels == 255).all() and len(row) == 1
