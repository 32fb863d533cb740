import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.sources.array import ArraySource
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.joined import JoinedSource, check_common_classes, join_sources
from tfcolor.data.sources.label_maps import LabelMapSource
from tfcolor.data.sources.voc import PresenceSource


def _arrays(names, class_names, first_label=0):
    images = np.zeros([len(names), 2, 3, 3], np.uint8)
    labels = [(first_label + number) % len(class_names) for number in range(len(names))]
    return ArraySource(images, names, labels, class_names)


def _names(source):
    return [source.name_of(index) for index in range(source.num_examples)]


def _labels(source):
    return [source.label_of(index) for index in range(source.num_examples)]


def test_a_single_source_stays_as_it_is():
    source = FileSource(["a.png"])
    assert join_sources([source]) is source


def test_parts_follow_each_other_with_common_classes(tmp_path):
    (tmp_path / "c.png").write_bytes(b"content")
    files = FileSource([tmp_path / "c.png"], [0], ["sea", "hill"])
    joined = join_sources([_arrays("ab", ["sea", "hill"], 1), files])
    assert isinstance(joined, JoinedSource)
    assert _names(joined) == ["a", "b", str(tmp_path / "c.png")]
    assert joined.read_bytes(2) == b"content"
    assert joined.class_names == ("sea", "hill")
    assert _labels(joined) == [1, 0, 0]


@pytest.mark.parametrize("others", [["hill", "sea"], ["sea"], []])
def test_different_classes_leave_none(others):
    files = FileSource(["c.png"], [0] if others else None, others)
    for parts in ([_arrays("ab", ["sea", "hill"]), files], [files, files.select([0])]):
        joined = join_sources(parts)
        has_classes = bool(others) and parts[0] is files
        assert joined.class_names == (tuple(others) if has_classes else ())
        assert set(_labels(joined)) == ({0} if has_classes else {None})


def test_files_with_different_classes_have_none():
    joined = join_sources([FileSource("a", [0], ["sea"]), FileSource("b", [0], ["hill"])])
    assert (_names(joined), joined.class_names, _labels(joined)) == (["a", "b"], (), [None, None])


def test_files_without_labels_leave_none():
    joined = join_sources([FileSource("a", [0], ["sea"]), FileSource("b", None, ["sea"])])
    assert _labels(joined) == [None, None]


def test_selecting_goes_across_parts():
    chosen = join_sources([_arrays("abc", "xy"), _arrays("de", "xy"), FileSource("f", [1], "xy")])
    chosen = chosen.select([5, 3, 0, 2]).select([3, 1, 0])
    assert _names(chosen) == ["c", "d", "f"]
    assert _labels(chosen) == [0, 0, 1]
    assert chosen.class_names == ("x", "y")


def test_presence_is_joined():
    rows = np.array([[1, 0], [0, -1], [1, 1]])
    joined = join_sources(
        [PresenceSource("ab", rows[:2], "xy"), PresenceSource("c", rows[2:], "xy")]
    )
    assert isinstance(joined, PresenceSource)
    assert _names(joined) == ["a", "b", "c"]
    np.testing.assert_array_equal([joined.presence_of(index) for index in range(3)], rows)


def test_label_maps_are_joined_each_with_its_own_void_label(tmp_path):
    Image.new("RGB", (2, 1)).save(tmp_path / "image.png")
    Image.fromarray(np.array([[3, 2]], np.uint8)).save(tmp_path / "3.png")
    Image.fromarray(np.array([[4, 2]], np.uint8)).save(tmp_path / "4.png")
    parts = [
        LabelMapSource([tmp_path / "image.png"], [tmp_path / f"{void}.png"], "xyz", void)
        for void in (3, 4)
    ]
    joined = join_sources(parts)
    assert isinstance(joined, LabelMapSource)
    for index in (0, 1):
        np.testing.assert_array_equal(joined.label_map_of(index), [[255, 2]])


def test_presence_of_other_classes_is_dropped():
    parts = [PresenceSource("a", [[1, 0]], "xy"), PresenceSource("b", [[1, 0]], "xz")]
    joined = join_sources(parts)
    assert not isinstance(joined, PresenceSource)
    assert joined.num_examples == 2
    assert joined.select([1]).parts == parts


def test_parts_of_one_kind_with_different_classes_are_named():
    named = {"a": "vwxyz", "b": "vwxyz", "c": "z1"}
    parts = [PresenceSource(name, [[1] * len(own)], own) for name, own in named.items()]
    for source in (join_sources(parts), join_sources(parts).select([0])):
        expected = "the part of a alone has v, w, x, ...; the part of c alone has 1; expected the"
        with pytest.raises(UserError, match=expected):
            check_common_classes(source, PresenceSource)
        check_common_classes(source, LabelMapSource)
    turned = join_sources([parts[0], PresenceSource("d", [[1] * 5], "zyxwv")])
    with pytest.raises(UserError, match="the same ones in another order"):
        check_common_classes(turned, PresenceSource)


def test_parts_with_the_same_classes_or_of_other_kinds_are_no_error():
    presence = PresenceSource("a", [[1, 0]], "xy")
    files = FileSource("b", [0], "xz")
    for source in (
        presence,
        join_sources([presence, presence]),
        join_sources([presence, files]),
        JoinedSource([presence, presence]),
        JoinedSource([]),
    ):
        check_common_classes(source, PresenceSource)
