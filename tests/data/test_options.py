import itertools
import re

import pytest

from tfcolor.core.errors import UserError
from tfcolor.data.options import DataOptions, SubsetSource, open_readers
from tfcolor.data.sources.image_folder import FileSource


def _names(reader):
    return [reader.name_of(position) for position in range(reader.num_examples)]


def test_images_must_be_named():
    with pytest.raises(UserError, match=r"--images is not given: name a folder"):
        open_readers(DataOptions())


def test_a_part_is_set_aside_for_measuring(photos):
    readers = open_readers(DataOptions(images=str(photos), heldout_fraction=0.34))
    train, heldout = _names(readers["train"]), _names(readers["heldout"])
    assert len(heldout) == 2
    assert sorted(train + heldout) == sorted(str(path) for path in photos.iterdir())
    assert train == sorted(train)


def test_the_same_images_are_set_aside_every_time(photos):
    options = DataOptions(images=str(photos), heldout_fraction=0.5)
    assert _names(open_readers(options)["heldout"]) == _names(open_readers(options)["heldout"])


def test_a_new_file_moves_at_most_one_other(tmp_path):
    fraction = 0.4
    kept = []
    for number in range(1, 30):
        (tmp_path / f"{number:02d}.png").touch()
        if number == 1:
            continue
        readers = open_readers(DataOptions(images=str(tmp_path), heldout_fraction=fraction))
        kept.append(set(_names(readers["heldout"])))
        assert len(kept[-1]) == max(round(fraction * number), 1)
    moved = [len(before - after) for before, after in itertools.pairwise(kept)]
    assert max(moved) <= 1


@pytest.mark.parametrize(("fraction", "num_heldout"), [(0.01, 1), (0.9, 5), (0.5, 3)])
def test_both_parts_keep_an_image(photos, fraction, num_heldout):
    readers = open_readers(DataOptions(images=str(photos), heldout_fraction=fraction))
    assert readers["heldout"].num_examples == num_heldout
    assert readers["train"].num_examples == 6 - num_heldout


def test_nothing_is_set_aside_for_fraction_zero_or_a_single_image(photos):
    assert set(open_readers(DataOptions(images=str(photos), heldout_fraction=0.0))) == {"train"}
    single = DataOptions(images=str(photos / "photo0.png"))
    assert set(open_readers(single)) == {"train"}


def test_heldout_images_may_come_from_elsewhere(photos):
    options = DataOptions(
        images=str(photos / "*.png"), heldout_images=str(photos / "*.jpg"), heldout_fraction=0.5
    )
    readers = open_readers(options)
    assert readers["train"].num_examples == 3
    assert all(name.endswith(".jpg") for name in _names(readers["heldout"]))


def test_a_missing_place_is_named(tmp_path):
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "nowhere"))):
        open_readers(DataOptions(images=str(tmp_path / "nowhere")))


def test_subset_reads_the_positions_it_was_given(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path in paths:
        path.write_bytes(path.name.encode())
    subset = SubsetSource(FileSource(paths), [3, 1])
    assert subset.num_examples == 2
    assert [subset.read_bytes(index) for index in (0, 1)] == [b"3.png", b"1.png"]
    assert subset.name_of(0) == str(paths[3])
    assert (subset.class_names, subset.label_of(0)) == ((), None)
    labelled = SubsetSource(FileSource(paths, [0, 1, 1, 2], "abc"), [3, 1])
    assert [labelled.label_of(index) for index in (0, 1)] == [2, 1]
    assert labelled.class_names == ("a", "b", "c")
