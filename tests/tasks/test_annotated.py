"""Tests of what tasks on annotated images share."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.data.labels import label_annotation
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.tasks.annotated import AnnotatedTask


@dataclasses.dataclass(frozen=True)
class CornerOptions:
    """Options of the smallest task."""

    input: str = "color"


class CornerTask(AnnotatedTask):
    """Shows the first pixel of an image and its class."""

    Options = CornerOptions

    def annotate(self, reader, class_names):
        """Returns the classes, and notes whose names they are given in."""
        self.names = class_names
        return label_annotation(reader, len(class_names), class_names)

    def make_example(self, rgb, annotation, seed):
        """Returns one pixel."""
        pixel = tf.cast(rgb[:1, :1], tf.float32) / 255
        return {"image": self.as_input(pixel)}, {"label": annotation}


class HeldoutCornerTask(CornerTask):
    """Blackens what is held out."""

    def make_heldout_example(self, rgb, annotation, seed):
        """Returns a black pixel."""
        return self.make_example(tf.zeros_like(rgb), annotation, seed)


@pytest.fixture
def readers(labelled_photos):
    """Returns the same labelled photographs as both splits."""
    reader = ExampleReader(open_images(str(labelled_photos)))
    return {"train": reader, "heldout": reader}


def _first_batch(task, split):
    """Returns one batch of three examples."""
    return next(iter(task.make_dataset(split, BatchPlan(batch_size=3, seed=1))))


def test_all_splits_have_the_labels_of_the_training_classes(readers):
    assert CornerTask(CornerOptions(), readers).names == readers["train"].class_names


def test_examples_carry_the_annotation_of_their_image(readers):
    inputs, targets = _first_batch(CornerTask(CornerOptions(), readers), "train")
    reader = readers["train"]
    known = {
        tuple(reader.read(one)[0][0, 0]): reader.label_of(one) for one in range(reader.num_examples)
    }
    pixels = np.round(inputs["image"].numpy()[:, 0, 0] * 255).astype(int)
    assert inputs["seed"].shape == (3, 2)
    assert [known[tuple(pixel)] for pixel in pixels] == list(targets["label"].numpy())


def test_held_out_images_may_be_looked_at_in_another_way(readers):
    task = HeldoutCornerTask(CornerOptions(), readers)
    assert _first_batch(task, "train")[0]["image"].numpy().any()
    assert not _first_batch(task, "heldout")[0]["image"].numpy().any()
