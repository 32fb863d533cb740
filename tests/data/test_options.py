import dataclasses
import itertools
import re

import pytest

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.options import DataOptions, open_readers


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


@pytest.fixture
def classes(tmp_path):
    """Four classes of ten images each, empty files."""
    for name in "abcd":
        (tmp_path / name).mkdir()
        for number in range(10):
            (tmp_path / name / f"{number}.png").touch()
    return tmp_path


def _labels(reader):
    return [reader.label_of(position) for position in range(reader.num_examples)]


def test_samples_are_drawn_from_the_images_to_learn_from(classes):
    plain = open_readers(DataOptions(images=str(classes)))
    few = open_readers(DataOptions(images=str(classes), images_per_class=3))
    some = open_readers(DataOptions(images=str(classes), num_images=7, data_seed=1))
    assert _labels(few["train"]) == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert some["train"].num_examples == 7
    for readers in (few, some):
        assert _names(readers["heldout"]) == _names(plain["heldout"])
        assert set(_names(readers["train"])) < set(_names(plain["train"]))


def test_samples_may_be_drawn_by_position(classes):
    options = DataOptions(images=str(classes), images_per_class=3, sample_order="position")
    train = open_readers(options)["train"]
    labels = _labels(train)
    assert sorted(labels) == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 != labels
    by_name = open_readers(dataclasses.replace(options, sample_order="name"))["train"]
    assert set(_names(by_name)) != set(_names(train))


def test_two_samples_at_once_are_refused():
    message = "--num_images=5, --images_per_class=2: expected one of them"
    with pytest.raises(UsageError, match=message):
        DataOptions(num_images=5, images_per_class=2)


def test_buckets_concern_both_splits_and_noise_the_images_to_learn_from(classes):
    options = DataOptions(images=str(classes), label_buckets="random:2", heldout_fraction=0.5)
    clean, noisy = (
        open_readers(dataclasses.replace(options, label_noise=share)) for share in (0.0, 1.0)
    )
    for readers in (clean, noisy):
        names = {readers[split].class_names for split in ("train", "heldout")}
        assert names == {("bucket_0", "bucket_1")}
    buckets = {}
    for split in ("train", "heldout"):
        for name, label in zip(_names(clean[split]), _labels(clean[split]), strict=True):
            buckets.setdefault(name.split("/")[-2], set()).add(label)
    assert sorted(map(sorted, buckets.values())) == [[0], [0], [1], [1]]
    assert _labels(noisy["heldout"]) == _labels(clean["heldout"])
    assert _labels(noisy["train"]) != _labels(clean["train"])


def test_noise_knows_the_buckets_alone(classes):
    options = DataOptions(images=str(classes), label_buckets="random:2", label_noise=1.0)
    assert set(_labels(open_readers(options)["train"])) == {0, 1}


def test_a_range_is_taken_before_images_are_set_aside_and_only_of_images_to_learn_from(classes):
    options = DataOptions(images=str(classes), image_range="5:25", heldout_fraction=0.2)
    readers = open_readers(options)
    everything = _names(
        open_readers(DataOptions(images=str(classes), heldout_fraction=0.0))["train"]
    )
    assert sorted(_names(readers["train"]) + _names(readers["heldout"])) == everything[5:25]
    assert readers["heldout"].num_examples == 4
    apart = dataclasses.replace(options, heldout_images=str(classes))
    assert _names(open_readers(apart)["heldout"]) == everything


def test_a_class_subset_concerns_both_splits_and_does_not_change_what_is_set_aside(classes):
    options = DataOptions(images=str(classes), heldout_fraction=0.5)
    every = open_readers(options)
    tasks = [
        open_readers(dataclasses.replace(options, class_subset=f"disjoint:{task}:2"))
        for task in range(2)
    ]
    for split in ("train", "heldout"):
        names = [_names(readers[split]) for readers in tasks]
        assert sorted(names[0] + names[1]) == sorted(_names(every[split]))
        for readers in tasks:
            kept = readers[split].class_names
            found = {
                (name.split("/")[-2], label)
                for name, label in zip(_names(readers[split]), _labels(readers[split]), strict=True)
            }
            assert found == {(kept[0], 0), (kept[1], 1)}
    assert set(tasks[0]["train"].class_names) | set(tasks[1]["train"].class_names) == set("abcd")


def test_a_sample_is_drawn_from_the_class_subset_of_the_range(classes):
    options = DataOptions(
        images=str(classes),
        image_range="3:40",
        class_subset="independent:0:2",
        images_per_class=3,
        heldout_fraction=0.2,
    )
    with pytest.raises(UsageError, match="--image_range=3:41: expected FIRST:END"):
        open_readers(dataclasses.replace(options, image_range="3:41"))
    assert sorted(_labels(open_readers(options)["train"])) == [0, 0, 0, 1, 1, 1]
