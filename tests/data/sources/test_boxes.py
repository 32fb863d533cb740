import numpy as np
import pytest
from PIL import Image

from tfcolor.data.images import UnreadableImageError
from tfcolor.data.sources import boxes as boxes_module
from tfcolor.data.sources.boxes import BoxSource, ObjectBoxes

NAMES = ("cat", "dog")


def _objects(*boxes):
    array = np.array(boxes, np.float32).reshape(-1, 4)
    labels = np.arange(len(boxes), dtype=np.int32) % 2
    return ObjectBoxes(array, labels, labels == 1)


@pytest.fixture
def source(tmp_path):
    """Images of 9 rows and 12 columns; the last one is missing."""
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths[:2]:
        Image.new("RGB", (12, 9)).save(path)
    objects = [_objects([1, 2, 3, 4], [-1, 2, 9, 13]), _objects(), _objects([0, 0, 1, 1])]
    return BoxSource(paths, objects, NAMES)


def test_boxes_are_cut_off_at_the_border_of_the_image(source):
    boxes, labels, is_difficult = source.objects_of(0)
    np.testing.assert_array_equal(boxes, [[1, 2, 3, 4], [0, 2, 8, 11]])
    assert boxes.dtype == np.float32
    np.testing.assert_array_equal(labels, [0, 1])
    np.testing.assert_array_equal(is_difficult, [False, True])
    assert source.objects_of(1).boxes.shape == (0, 4)
    assert source.max_objects == 2


def test_what_is_given_cannot_be_changed_from_outside(source):
    for array in source.objects_of(0):
        array[:] = 0
    np.testing.assert_array_equal(source.objects_of(0).boxes[0], [1, 2, 3, 4])
    np.testing.assert_array_equal(source.objects_of(0).labels, [0, 1])


def test_a_turned_image_has_the_size_it_is_shown_in(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (12, 9)).save(tmp_path / "turned.jpg", exif=exif)
    source = BoxSource([tmp_path / "turned.jpg"], [_objects([0, 0, 30, 30])], NAMES)
    np.testing.assert_array_equal(source.objects_of(0).boxes, [[0, 0, 11, 8]])


@pytest.mark.parametrize("box", [[9, 0, 12, 3], [0, 12, 3, 15], [-4, 0, -1, 3], [0, -9, 3, -2]])
def test_a_box_outside_of_the_image_is_an_error(tmp_path, box):
    Image.new("RGB", (12, 9)).save(tmp_path / "a.png")
    source = BoxSource([tmp_path / "a.png"], [_objects([0, 0, 1, 1], box)], NAMES)
    y1, x1, y2, x2 = np.add(box, 1)
    expected = rf"a\.png: 12x9 .*: xmin={x1}, ymin={y1}, xmax={x2}, ymax={y2}$"
    with pytest.raises(UnreadableImageError, match=expected):
        source.objects_of(0)


def test_an_image_without_a_header_is_unreadable(source):
    with pytest.raises(UnreadableImageError, match=r"2\.png"):
        source.objects_of(2)


def test_selecting_and_joining_keep_images_and_boxes_together(source):
    chosen = source.select([1, 0])
    assert chosen.name_of(1).endswith("0.png")
    assert [len(chosen.objects_of(index).labels) for index in range(2)] == [0, 2]
    joined = source.select([0]).join([chosen])
    assert [len(joined.objects_of(index).labels) for index in range(3)] == [2, 0, 2]


def test_shown_labels_are_those_of_the_images_that_were_selected(source):
    assert source.shown_labels == {0, 1}
    assert source.select([2]).shown_labels == {0}
    assert source.select([1]).shown_labels == frozenset()
    assert source.select([1]).max_objects == 0


def test_every_image_needs_an_annotation():
    with pytest.raises(ValueError, match="1 annotations: expected one for each of the 2 images"):
        BoxSource(["a", "b"], [_objects()], NAMES)


def test_the_size_of_an_image_is_read_once(source, monkeypatch):
    read, size = [], boxes_module.upright_size
    monkeypatch.setattr(
        boxes_module, "upright_size", lambda path: (read.append(path), size(path))[1]
    )
    chosen = source.select([1, 0])
    for one in (source, chosen, source.join([chosen]), source):
        for _ in range(2):
            one.objects_of(0)
    assert sorted(path[-5:] for path in read) == ["0.png", "1.png"]
