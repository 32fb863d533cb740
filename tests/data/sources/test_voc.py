import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_boxes import box_annotation
from tfcolor.data.scene_labels import presence_annotation
from tfcolor.data.sources.opening import open_source
from tfcolor.data.sources.voc import VOC_CLASSES, open_voc, open_voc_boxes, open_voc_label_maps

OBJECT = "<object><name>{}</name><difficult>{}</difficult></object>"


def _annotate(folder, name, *objects):
    content = "".join(OBJECT.format(*one) for one in objects)
    path = folder / "Annotations" / f"{name}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation><size/>{content}</annotation>")
    return path


def _list(folder, names, task="Main", split="trainval"):
    path = folder / "ImageSets" / task / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(names) + "\n")


def _image(folder, name, size=(4, 3)):
    path = folder / "JPEGImages" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


@pytest.fixture
def zoo(tmp_path):
    _annotate(tmp_path, "both", ("dog", 1), ("dog", 0), ("cat", 1))
    _annotate(tmp_path, "other", ("dog", 0), ("dog", 1), ("person", 0))
    _annotate(tmp_path, "none")
    _list(tmp_path, ["other", "", "  both "])
    _list(tmp_path, ["none"], split="test")
    _image(tmp_path, "both.jpg")
    _image(tmp_path, "other.png")
    return tmp_path


def _shown(source, index):
    presence = source.presence_of(index)
    assert presence.dtype == np.int32
    return {source.class_names[k]: int(presence[k]) for k in np.flatnonzero(presence)}


def test_an_object_that_is_not_difficult_makes_its_class_present(zoo):
    source = open_voc(str(zoo))
    assert source.class_names == VOC_CLASSES
    assert len(set(VOC_CLASSES)) == 20
    assert list(VOC_CLASSES) == sorted(VOC_CLASSES)
    assert _shown(source, 0) == {"dog": 1, "person": 1}
    assert _shown(source, 1) == {"dog": 1, "cat": -1}


def test_lists_give_order_and_split_and_images_may_be_png(zoo):
    source = open_source(f"voc:{zoo}")
    assert [source.name_of(index)[-9:] for index in range(2)] == ["other.png", "/both.jpg"]
    assert source.read_bytes(0).startswith(b"\x89PNG")
    assert _shown(open_voc(f"{zoo}:test"), 0) == {}
    assert source.label_of(0) is None


def test_other_classes_are_those_found(zoo):
    _annotate(zoo, "none", ("yak", 0), ("cat", 1))
    found = open_voc(f"{zoo}:test")
    assert found.class_names == ("cat", "yak")
    np.testing.assert_array_equal(found.presence_of(0), [-1, 1])


def test_shown_labels_are_those_of_the_images_that_were_selected(zoo):
    source = open_voc(str(zoo))
    assert {VOC_CLASSES[label] for label in source.shown_labels} == {"cat", "dog", "person"}
    assert {VOC_CLASSES[label] for label in source.select([1]).shown_labels} == {"cat", "dog"}
    assert open_voc(f"{zoo}:test").shown_labels == frozenset()


def test_presence_cannot_be_changed_from_outside(zoo):
    source = open_voc(str(zoo))
    source.presence_of(0)[:] = 7
    assert _shown(source, 0) == {"dog": 1, "person": 1}


def test_selecting_keeps_images_and_classes_together(zoo):
    source = open_voc(str(zoo)).select([1])
    assert source.num_examples == 1
    assert source.name_of(0).endswith("both.jpg")
    assert _shown(source, 0) == {"dog": 1, "cat": -1}


def test_missing_lists_name_those_there(zoo):
    with pytest.raises(UserError, match=r"no list .*Main/val\.txt; lists there: test, trainval"):
        open_voc(f"{zoo}:val")
    with pytest.raises(UserError, match=r"no list .*Segmentation/trainval\.txt; lists there: none"):
        open_voc_label_maps(str(zoo))
    with pytest.raises(UserError, match=r"no such folder: .*gone"):
        open_voc(f"{zoo}/gone:val")


def test_lists_that_cannot_be_used_say_why(zoo):
    _list(zoo, [""], split="empty")
    (zoo / "ImageSets/Main/bytes.txt").write_bytes(b"\xff\xfe\x80")
    (zoo / "ImageSets/Main/folder.txt").mkdir()
    for split, message in [
        ("empty", r"empty\.txt names no image"),
        ("bytes", r"cannot read the list .*bytes\.txt"),
        ("folder", r"cannot read the list .*folder\.txt"),
    ]:
        with pytest.raises(UserError, match=message):
            open_voc(f"{zoo}:{split}")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "..\\b", "a\0b"])
@pytest.mark.parametrize("task", ["Main", "Segmentation"])
def test_names_outside_of_the_folder_are_refused(zoo, name, task):
    _list(zoo, ["both", name], task, "bad")
    open_list = {"Main": open_voc, "Segmentation": open_voc_label_maps}[task]
    with pytest.raises(UserError, match="expected a file inside of the data set"):
        open_list(f"{zoo}:bad")


def test_names_may_lie_in_sub_folders(zoo):
    path = zoo / "Annotations/deep/er.v1.xml"
    path.parent.mkdir()
    path.write_text((zoo / "Annotations/none.xml").read_text())
    _list(zoo, ["deep/er.v1"], split="deep")
    assert open_voc(f"{zoo}:deep").name_of(0).endswith("JPEGImages/deep/er.v1.jpg")


BOMB = (
    "<!DOCTYPE x [<!ENTITY a 'ha'>"
    + "".join(
        f"<!ENTITY {new} '{10 * f'&{old};'}'>"
        for old, new in zip("abcdefghi", "bcdefghij", strict=True)
    )
    + "]><annotation>&j;</annotation>"
)
LEAK = (
    "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
    "<annotation><object><name>&a;</name></object></annotation>"
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<annotation><object>", "is broken XML"),
        (b"", "is broken XML"),
        (b"\xff\xfe<\0", "is not UTF-8"),
        (BOMB.encode(), "declares a document type"),
        (LEAK.encode(), "declares a document type"),
        (BOMB.encode("utf-16"), "is not UTF-8"),
        (BOMB.encode("utf-16-le"), "is broken XML"),
        (b"<annotation>&a;</annotation>", "is broken XML"),
        (b"<html/>", "its root is <html>"),
        (b"<annotation><object/></annotation>", "an object without a name"),
        (b"<annotation><object><name> </name></object></annotation>", "object without a name"),
        (
            b"<annotation><object><name>a</name><difficult>2</difficult></object></annotation>",
            "has difficult='2': expected 0 or 1",
        ),
        (100_000 * b"<a>", "is broken XML"),
    ],
)
def test_hostile_and_broken_annotations_are_refused(zoo, content, message):
    (zoo / "Annotations/none.xml").write_bytes(content)
    with pytest.raises(UserError, match=f"none.xml.*{message}"):
        open_voc(f"{zoo}:test")


def test_a_missing_annotation_is_named(zoo):
    (zoo / "Annotations/none.xml").unlink()
    with pytest.raises(UserError, match=r"cannot read the annotation .*none\.xml: no such file"):
        open_voc(f"{zoo}:test")


def test_difficult_may_be_left_out_and_parts_are_no_objects(zoo):
    part = "<part><name>head</name></part>"
    content = f"<annotation><object><name>cow</name>{part}</object></annotation>"
    (zoo / "Annotations/none.xml").write_bytes(b"\xef\xbb\xbf" + content.encode())
    assert _shown(open_voc(f"{zoo}:test"), 0) == {"cow": 1}


@pytest.fixture
def scenes(tmp_path):
    for name, folder, value in (
        ("a", "SegmentationClass", 20),
        ("a", "SegmentationClassAug", 3),
        ("b", "SegmentationClassAug", 255),
    ):
        frame = Image.fromarray(np.full((3, 4), value, np.uint8), "P")
        frame.putpalette(bytes(range(256)) * 3)
        (tmp_path / folder).mkdir(exist_ok=True)
        frame.save(tmp_path / folder / f"{name}.png")
        _image(tmp_path, f"{name}.jpg")
    _list(tmp_path, ["b", "a"], "Segmentation", "trainaug")
    return tmp_path


def test_label_maps_come_from_either_folder(scenes):
    source = open_source(f"voc_segmentation:{scenes}:trainaug")
    assert source.class_names == ("background", *VOC_CLASSES)
    np.testing.assert_array_equal(source.label_map_of(0), np.full((3, 4), 255))
    np.testing.assert_array_equal(source.label_map_of(1), np.full((3, 4), 20))


def test_label_maps_have_no_classes_beyond_those_of_voc(scenes):
    Image.fromarray(np.full((3, 4), 21, np.uint8)).save(scenes / "SegmentationClass/a.png")
    source = open_voc_label_maps(f"{scenes}:trainaug")
    with pytest.raises(UserError, match="has the label 21: expected 0 to 20 or 255"):
        source.label_map_of(1)


def test_missing_label_maps_are_named(scenes):
    (scenes / "SegmentationClassAug/b.png").unlink()
    with pytest.raises(UserError, match=r"1 of 2 images .* missing: .*SegmentationClass/b\.png"):
        open_voc_label_maps(f"{scenes}:trainaug")


CORNERS = ("xmin", "ymin", "xmax", "ymax")


def _box(name, *corners, extra=""):
    content = "".join(f"<{key}>{text}</{key}>" for key, text in zip(CORNERS, corners, strict=False))
    return f"<object><name>{name}</name><bndbox>{content}</bndbox>{extra}</object>"


@pytest.fixture
def boxes(tmp_path):
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    hard = "<difficult>1</difficult>"
    objects = [_box("dog", 1, 2, " 30 ", "4.5", extra=part), _box("cat", 3, 1, 3, 1, extra=hard)]
    _list(tmp_path, ["a", "none"])
    for name, content in (("a", "".join(objects)), ("none", "")):
        path = tmp_path / f"Annotations/{name}.xml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"<annotation>{content}</annotation>")
        _image(tmp_path, f"{name}.jpg", (40, 20))
    return tmp_path


def test_boxes_count_pixels_from_zero(boxes):
    source = open_source(f"voc_detection:{boxes}")
    assert source.class_names == VOC_CLASSES
    found = source.objects_of(0)
    np.testing.assert_array_equal(found.boxes, [[1, 0, 3.5, 29], [0, 2, 0, 2]])
    assert [VOC_CLASSES[label] for label in found.labels] == ["dog", "cat"]
    np.testing.assert_array_equal(found.is_difficult, [False, True])
    assert source.objects_of(1).boxes.shape == (0, 4)


def test_other_classes_of_boxes_are_those_found(boxes):
    path = boxes / "Annotations/none.xml"
    path.write_text(f"<annotation>{_box('cow bell', 1, 1, 2, 2)}</annotation>")
    source = open_voc_boxes(str(boxes))
    assert source.class_names == ("cat", "cow bell", "dog")
    np.testing.assert_array_equal(source.objects_of(0).labels, [2, 0])
    np.testing.assert_array_equal(source.objects_of(1).labels, [1])


OWN_SPLITS = {"both": ("person", "helmet"), "persons": ("person",), "nothing": ()}


@pytest.fixture
def own(tmp_path):
    """A data set of persons and helmets, whose splits do not all show both."""
    for split, names in OWN_SPLITS.items():
        content = "".join(_box(name, 1 + place, 1, 3, 2) for place, name in enumerate(names))
        path = tmp_path / f"Annotations/{split}.xml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"<annotation>{content}</annotation>")
        _image(tmp_path, f"{split}.jpg")
        _list(tmp_path, [split], split=split)
    return tmp_path


@pytest.mark.parametrize("trained", OWN_SPLITS)
@pytest.mark.parametrize("held_out", OWN_SPLITS)
def test_splits_of_own_classes_are_matched_by_what_they_show(own, trained, held_out):
    boxes, presences = (
        {split: open_source(f"{scheme}:{own}:{split}") for split in (trained, held_out)}
        for scheme in ("voc_detection", "voc")
    )
    names = boxes[trained].class_names
    assert names == (("helmet", "person") if trained == "both" else VOC_CLASSES)
    readers = ExampleReader(boxes[held_out]), ExampleReader(presences[held_out])
    if held_out == "both" and trained != "both":
        for annotate, reader in zip((box_annotation, presence_annotation), readers, strict=True):
            with pytest.raises(UserError, match=r"1 classes of .* the first: helmet; known are"):
                annotate(reader, names)
        return
    rows = box_annotation(readers[0], names).read(0)
    assert [names[int(label)] for label in rows[:, 4]] == list(OWN_SPLITS[held_out])
    presence = presence_annotation(readers[1], names).read(0)
    assert presence.shape == (len(names),)
    assert {names[label] for label in np.flatnonzero(presence)} == set(OWN_SPLITS[held_out])


@pytest.mark.parametrize(
    ("scheme", "annotate"), [("voc_detection", box_annotation), ("voc", presence_annotation)]
)
def test_joined_splits_of_different_classes_say_which(own, scheme, annotate):
    parts = open_source(f"{scheme}:{own}:both,{scheme}:{own}:nothing")
    expected = (
        r"different classes: the part of .*both\.jpg alone has helmet; the part of .*nothing\.jpg "
        r"alone has aeroplane, bicycle, bird, \.\.\.; expected the same classes in the same order$"
    )
    with pytest.raises(UserError, match=expected):
        annotate(ExampleReader(parts))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<object><name>a</name></object>", "has a box with ymin='', xmin='', ymax='', xmax=''"),
        (_box("a", 1, 2, 3), "ymax='', xmax='3': expected xmin, ymin, xmax and ymax in pixels"),
        (_box("a", 1, 2, "x", 4), "xmax='x'"),
        (_box("a", 1, 2, "nan", 4), "xmax='nan'"),
        (_box("a", "-inf", 2, 3, 4), "xmin='-inf'"),
        (_box("a", 5, 2, 4, 4), "ends before it begins: ymin=2, xmin=5, ymax=4, xmax=4"),
        (_box("a", 1, 5, 4, 4), "ends before it begins"),
        (_box("", 1, 2, 3, 4), "an object without a name"),
        ("<object>", "is broken XML"),
    ],
)
def test_boxes_that_cannot_be_used_are_named(boxes, content, message):
    (boxes / "Annotations/none.xml").write_text(f"<annotation>{content}</annotation>")
    with pytest.raises(UserError, match=f"none.xml.*{message}"):
        open_voc_boxes(str(boxes))
    (boxes / "Annotations/none.xml").write_text(BOMB)
    with pytest.raises(UserError, match="declares a document type"):
        open_voc_boxes(str(boxes))
