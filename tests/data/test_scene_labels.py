import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.data.pipeline import BatchPlan, build_dataset
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_labels import label_map_annotation, presence_annotation
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.joined import join_sources
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


def _label_map_reader(folder, values, class_names):
    maps = _maps(folder, values)
    return ExampleReader(LabelMapSource(_images(folder, len(values)), maps, class_names))


def _read_all(reader, annotation):
    def make(image, label, seed):
        del seed
        return {"red": image[0, 0, 0]}, {"label": label}

    plan = BatchPlan(reader.num_examples, seed=1, num_batches=1)
    dataset = build_dataset(reader, make, plan, annotation=annotation)
    inputs, targets = next(iter(dataset))
    return inputs["red"].numpy(), targets["label"]


def test_presence_travels_with_its_image(tmp_path):
    presence = np.array([[1, 0], [0, -1], [1, 1], [0, 0]])
    reader = ExampleReader(PresenceSource(_images(tmp_path, 4), presence, "ab"))
    annotation = presence_annotation(reader)
    assert (annotation.dtype, annotation.shape) == (tf.int32, (2,))
    red, labels = _read_all(reader, annotation)
    assert sorted(red) == [0, 1, 2, 3]
    np.testing.assert_array_equal(labels, presence[red])


def test_label_maps_travel_with_their_image(tmp_path):
    values = np.array([2, 255, 0])
    reader = _label_map_reader(tmp_path, values, "abc")
    annotation = label_map_annotation(reader)
    assert (annotation.dtype, annotation.shape) == (tf.uint8, (None, None))
    red, labels = _read_all(reader, annotation)
    assert labels.shape == (3, 3, 4)
    np.testing.assert_array_equal(labels[:, 1, 2], values[red])


def test_unusable_label_maps_are_found_before_training(tmp_path):
    reader = _label_map_reader(tmp_path, [0, 0, 9], "abc")
    with pytest.raises(UserError, match=r"map2\.png has the label 9"):
        label_map_annotation(reader)


def test_held_out_classes_are_matched_by_name(tmp_path):
    rows = np.array([[1, 0], [-1, 1]])
    reader = ExampleReader(PresenceSource("pq", rows, ["d", "b"]))
    annotation = presence_annotation(reader, "abcd")
    assert annotation.shape == (4,)
    np.testing.assert_array_equal(annotation.read(0), [0, 0, 0, 1])
    np.testing.assert_array_equal(annotation.read(1), [0, 1, 0, -1])
    maps = _label_map_reader(tmp_path, [0, 255, 1], ["d", "b"])
    annotation = label_map_annotation(maps, "abcd")
    assert [annotation.read(position)[0, 0] for position in range(3)] == [3, 255, 1]


def test_held_out_classes_that_are_not_learned_are_named(tmp_path):
    presence = ExampleReader(PresenceSource("p", [[0, -1]], ["b", "x"]))
    maps = _label_map_reader(tmp_path, [0], ["b", "x"])
    for annotate, reader in ((presence_annotation, presence), (label_map_annotation, maps)):
        with pytest.raises(UserError, match=r"1 classes of the held-out images .* first: x"):
            annotate(reader, ["a", "b"])


def test_classes_that_no_image_shows_need_not_be_learned():
    names = ["x", "c", "y", "a"]
    reader = ExampleReader(PresenceSource("pq", [[0, 1, 0, 0], [0, -1, 0, 1]], names))
    annotation = presence_annotation(reader, "abc")
    np.testing.assert_array_equal([annotation.read(0), annotation.read(1)], [[0, 0, 1], [1, 0, -1]])
    # The labels of the first two classes would fit, those of the others would not.
    empty = ExampleReader(PresenceSource("p", [[0, 0, 0, 0]], "wxyz"))
    np.testing.assert_array_equal(presence_annotation(empty, "ab").read(0), [0, 0])


def test_joined_images_of_different_classes_say_so(tmp_path):
    presence = [PresenceSource("p", [[1, 0]], "ab"), PresenceSource("q", [[1, 0]], "ac")]
    maps = [_label_map_reader(tmp_path, [0], names).source for names in ("ab", "ba")]
    for annotate, parts, message in (
        (presence_annotation, presence, "the part of p alone has b; the part of q alone has c;"),
        (label_map_annotation, maps, "different classes: the same ones in another order;"),
    ):
        with pytest.raises(UserError, match=message):
            annotate(ExampleReader(join_sources(parts)))


def test_images_of_another_kind_say_which_is_needed(tmp_path):
    files = ExampleReader(FileSource(["a.png"], [0], "ab"))
    maps = _label_map_reader(tmp_path, [0], "ab")
    for reader in (files, maps):
        with pytest.raises(UserError, match=r"not known which .* name images as voc:FOLDER"):
            presence_annotation(reader)
    with pytest.raises(UserError, match=r"a\.png has no label map: name images as camvid:FOLDER"):
        label_map_annotation(files)


def test_annotations_survive_setting_aside_and_sampling(tmp_path):
    for split in ("train", "trainannot"):
        (tmp_path / split).mkdir()
        for number in range(6):
            path = tmp_path / split / f"{number}.png"
            Image.new("L" if "annot" in split else "RGB", (4, 3), number).save(path)
    options = DataOptions(images=f"camvid:{tmp_path}", heldout_fraction=0.34, num_images=3)
    readers = open_readers(options)
    assert [readers[split].num_examples for split in ("train", "heldout")] == [3, 2]
    for reader in readers.values():
        annotation = label_map_annotation(reader)
        for position in range(reader.num_examples):
            expected = int(reader.name_of(position)[-5])
            np.testing.assert_array_equal(annotation.read(position), np.full([3, 4], expected))
