import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.pipeline import BatchPlan, build_dataset
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_labels import label_map_annotation, presence_annotation
from tfcolor.data.sources.label_maps import LabelMapSource
from tfcolor.data.sources.voc import PresenceSource


def _images(folder, count):
    for number in range(count):
        Image.new("RGB", (4, 3), (number, 0, 0)).save(folder / f"{number}.png")
    return [folder / f"{number}.png" for number in range(count)]


def _maps(folder, values):
    for number, value in enumerate(values):
        Image.fromarray(np.full((3, 4), value, np.uint8)).save(folder / f"map{number}.png")
    return [folder / f"map{number}.png" for number in range(len(values))]


def _read_all(source, annotation):
    def make(image, label, seed):
        del seed
        return {"red": image[0, 0, 0]}, {"label": label}

    plan = BatchPlan(source.num_examples, seed=1, num_batches=1)
    dataset = build_dataset(ExampleReader(source), make, plan, annotation=annotation)
    inputs, targets = next(iter(dataset))
    return inputs["red"].numpy(), targets["label"]


def test_presence_travels_with_its_image(tmp_path):
    presence = np.array([[1, 0], [0, -1], [1, 1], [0, 0]])
    source = PresenceSource(_images(tmp_path, 4), presence, "ab")
    annotation = presence_annotation(source)
    assert (annotation.dtype, annotation.shape) == (tf.int32, (2,))
    red, labels = _read_all(source, annotation)
    assert sorted(red) == [0, 1, 2, 3]
    np.testing.assert_array_equal(labels, presence[red])


def test_label_maps_travel_with_their_image(tmp_path):
    values = np.array([2, 255, 0])
    source = LabelMapSource(_images(tmp_path, 3), _maps(tmp_path, values), "abc")
    annotation = label_map_annotation(source)
    assert (annotation.dtype, annotation.shape) == (tf.uint8, (None, None))
    red, labels = _read_all(source, annotation)
    assert labels.shape == (3, 3, 4)
    np.testing.assert_array_equal(labels[:, 1, 2], values[red])


def test_unusable_label_maps_are_found_before_training(tmp_path):
    source = LabelMapSource(_images(tmp_path, 3), _maps(tmp_path, [0, 0, 9]), "abc")
    with pytest.raises(UserError, match=r"map2\.png has the label 9"):
        label_map_annotation(source)
