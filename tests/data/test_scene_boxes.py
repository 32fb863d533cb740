import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_boxes import (
    box_annotation,
    box_scene,
    box_source,
    detection_size,
    padded_objects,
)
from tfcolor.data.sources.boxes import BoxSource, ObjectBoxes
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.joined import join_sources


@pytest.fixture
def reader(tmp_path):
    Image.new("RGB", (12, 9)).save(tmp_path / "a.png")
    boxes = np.array([[1, 2, 3, 4], [5, 6, 7, 30]], np.float32)
    objects = ObjectBoxes(boxes, np.array([1, 0], np.int32), np.array([False, True]))
    return ExampleReader(BoxSource([tmp_path / "a.png"], [objects], ("cat", "dog")))


def test_annotation_has_a_row_per_object(reader):
    annotation = box_annotation(reader)
    rows = annotation.read(0)
    assert (rows.dtype, annotation.dtype, annotation.shape) == (np.float32, tf.float32, (None, 6))
    np.testing.assert_array_equal(rows, [[1, 2, 3, 4, 1, 0], [5, 6, 7, 11, 0, 1]])
    renamed = box_annotation(reader, ("emu", "dog", "cat")).read(0)
    np.testing.assert_array_equal(renamed[:, 4], [1, 2])


def test_classes_that_no_box_has_need_not_be_learned(tmp_path):
    Image.new("RGB", (12, 9)).save(tmp_path / "a.png")
    boxes, easy = np.array([[1, 2, 3, 4]], np.float32), np.array([False])
    dog, owl = (ObjectBoxes(boxes, np.array([label], np.int32), easy) for label in (2, 3))
    paths = [tmp_path / "a.png"] * 2
    source = BoxSource(paths, [dog, owl], ("ape", "bee", "dog", "owl"))
    rows = box_annotation(ExampleReader(source.select([0])), ("cat", "dog")).read(0)
    np.testing.assert_array_equal(rows[:, 4], [1])
    with pytest.raises(UserError, match=r"1 classes of .* first: owl; known are cat, dog$"):
        box_annotation(ExampleReader(source), ("cat", "dog"))


def test_images_without_an_object_have_no_rows(tmp_path):
    Image.new("RGB", (12, 9)).save(tmp_path / "a.png")
    nothing = ObjectBoxes(np.zeros([0, 4], np.float32), np.zeros(0, np.int32), np.zeros(0, bool))
    reader = ExampleReader(BoxSource([tmp_path / "a.png"], [nothing], ("ape", "bee")))
    rows = box_annotation(reader, ("cat",)).read(0)
    assert (rows.shape, rows.dtype) == ((0, 6), np.float32)


def test_joined_boxes_of_different_classes_say_so(reader, tmp_path):
    other = BoxSource([tmp_path / "b.png"], [reader.source.objects_of(0)], ("dog", "owl"))
    joined = ExampleReader(join_sources([reader.source, other]).select([0]))
    for build in (box_annotation, box_source):
        with pytest.raises(UserError, match=r"a\.png alone has cat; .*b\.png alone has owl;"):
            build(joined)


def test_images_without_boxes_are_named(reader, tmp_path):
    plain = ExampleReader(FileSource([tmp_path / "a.png"]))
    for build in (box_annotation, box_source):
        with pytest.raises(UserError, match=r"a\.png has no boxes: name images as voc_detection"):
            build(plain)
    assert box_source(reader) is reader.source


def _marked(height, width, boxes):
    """A black image whose boxes are white, as the boxes' objects."""
    image = np.zeros([height, width, 3], np.uint8)
    for y1, x1, y2, x2 in boxes:
        image[y1 : y2 + 1, x1 : x2 + 1] = 255
    return tf.constant(image), tf.constant([[*box, 0, 0] for box in boxes], tf.float32)


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("side", [15, 30, 60])
def test_boxes_follow_what_they_surround(side, is_mirrored):
    image, objects = _marked(30, 40, [[6, 4, 21, 11]])
    scene = box_scene(image, objects, tf.constant(side), 88, tf.constant(is_mirrored))
    shape = {15: [32, 32, 3], 30: [32, 64, 3], 60: [64, 96, 3]}[side]
    assert scene.image.shape == shape
    np.testing.assert_array_equal(scene.size, [side, 4 * side / 3])
    y1, x1, y2, x2 = scene.boxes[0].numpy()
    assert y2 - y1 == pytest.approx(16 * side / 30)
    white = scene.image.numpy()[..., 0]
    # The mass and the center of mass of what is white are those of the box.
    assert white.sum() == pytest.approx((y2 - y1) * (x2 - x1), rel=0.02)
    rows, columns = np.indices(white.shape) + 0.5
    assert (white * rows).sum() / white.sum() == pytest.approx((y1 + y2) / 2, abs=0.15)
    assert (white * columns).sum() / white.sum() == pytest.approx((x1 + x2) / 2, abs=0.15)
    assert not white[side:].any()
    assert not white[:, 4 * side // 3 :].any()


def test_the_longer_side_stays_on_the_canvas():
    image, objects = _marked(20, 50, [[0, 0, 19, 49]])
    scene = box_scene(image, objects, tf.constant(40), 60, tf.constant(False))
    np.testing.assert_array_equal(scene.size, [24, 60])
    np.testing.assert_allclose(scene.boxes, [[0, 0, 24, 60]], atol=1e-5)
    np.testing.assert_array_equal(detection_size([3000, 7], tf.constant(600), 1000), [1000, 2])


def test_objects_are_padded_or_left_out():
    image, objects = _marked(30, 40, [[6, 4, 21, 11], [1, 20, 5, 30], [2, 2, 3, 3]])
    scene = box_scene(image, objects, tf.constant(30), 40, tf.constant(False))
    padded = padded_objects(scene, 5)
    np.testing.assert_array_equal(padded.labels, [0, 0, 0, -1, -1])
    np.testing.assert_array_equal(padded.boxes[:3], scene.boxes)
    np.testing.assert_array_equal(padded.boxes[3:], np.zeros([2, 4]))
    assert not np.any(padded.is_difficult)
    fewer = padded_objects(scene, 2)
    np.testing.assert_array_equal(fewer.boxes, scene.boxes[:2])


def test_the_limit_of_a_side_that_stays_below_does_not_matter():
    image, objects = _marked(30, 40, [[6, 4, 21, 11]])
    scenes = [
        box_scene(image, objects, tf.constant(60), longest, tf.constant(True))
        for longest in (80, 1000, 2000)
    ]
    for scene in scenes[1:]:
        for one, other in zip(scene, scenes[0], strict=True):
            np.testing.assert_array_equal(one, other)


def test_scenes_in_a_pipeline_are_those_made_eagerly():
    image, objects = _marked(30, 40, [[6, 4, 21, 11]])

    def make(place):
        seen = box_scene(image[: 20 + place], objects, 15 + 10 * place, 64, place > 0)
        return padded_objects(seen, 3)

    for place, scene in enumerate(tf.data.Dataset.range(2, output_type=tf.int32).map(make)):
        eager = make(tf.constant(place))
        assert scene.image.shape == [32, 32 + 32 * place, 3]
        assert scene.boxes.shape == [3, 4]
        for one, other in zip(scene, eager, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
