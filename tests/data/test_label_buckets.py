import collections
import json

import pytest

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.label_buckets import choose_buckets, cut_hierarchy, draw_buckets, read_buckets

CLASSES = ["cat", "dog", "car", "bus", "oak"]
TREE = """
entity thing
thing living
living animal
animal cat
animal dog
living oak
thing vehicle
vehicle car
vehicle bus
machine car
"""


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "is_a.txt").write_text(TREE)
    return str(tmp_path / "is_a.txt")


def _write(folder, name, content):
    (folder / name).write_text(content)
    return str(folder / name)


def test_buckets_come_from_a_table_or_from_json(tmp_path):
    expected = {"cat": "animal", "grand piano": "made by people"}
    rows = "# comment\n\ncat\tanimal\ngrand piano \t made by people\noak\ttree\n"
    content = json.dumps({**expected, "oak": "tree"})
    for path in (_write(tmp_path, "a.tsv", rows), _write(tmp_path, "a.json", content)):
        assert read_buckets(path, list(expected)) == expected
        assert choose_buckets(path, list(expected), seed=0) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "cat\tx", r"a\.txt has no bucket for 4 of 5 classes, the first: dog, car, bus"),
        ("a.txt", "cat x", r"a\.txt, line 1: expected a class, a tab and its bucket"),
        ("a.txt", "\n\tx", r"a\.txt, line 2: expected a class, a tab and its bucket"),
        ("a.txt", "cat\tx\ncat\ty", r"a\.txt has two buckets for the class cat"),
        ("a.json", "{", r"a\.json is broken JSON"),
        ("a.json", "[1]", r"a\.json: expected one object from classes to names of buckets"),
        ("a.json", '{"cat": 1}', r"a\.json: expected one object"),
    ],
)
def test_files_that_cannot_be_used_say_why(tmp_path, name, content, message):
    with pytest.raises(UserError, match=message):
        choose_buckets(_write(tmp_path, name, content), CLASSES, seed=0)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the label buckets in .*gone\.txt"):
        choose_buckets(str(tmp_path / "gone.txt"), CLASSES, seed=0)


@pytest.mark.parametrize(("num_classes", "num_buckets"), [(100, 16), (100, 50), (7, 7), (5, 1)])
def test_random_buckets_are_equally_large(num_classes, num_buckets):
    classes = [f"class{number}" for number in range(num_classes)]
    buckets = choose_buckets(f"random:{num_buckets}", classes, seed=0)
    assert set(buckets) == set(classes)
    sizes = collections.Counter(buckets.values()).values()
    assert len(sizes) == num_buckets
    assert max(sizes) - min(sizes) <= 1


def test_random_buckets_depend_on_the_seed_and_not_on_the_order():
    first = draw_buckets("abcdefgh", 4, seed=0)
    assert first == draw_buckets("hgfedcba", 4, seed=0)
    assert len({str(sorted(draw_buckets("abcdefgh", 4, seed).items())) for seed in range(9)}) == 9


def test_the_largest_bucket_is_cut_most_evenly(tree):
    buckets = [choose_buckets(f"wordnet:{number}:{tree}", CLASSES, 0) for number in range(1, 6)]
    one = dict.fromkeys(CLASSES, "other")
    two = one | {"cat": "living", "dog": "living", "oak": "living"}
    three = two | {"cat": "animal", "dog": "animal"}
    four = three | {"cat": "cat"}
    assert buckets == [one, two, three, four, four | {"bus": "bus"}]


def test_each_cut_refines_the_one_before(tree):
    for number in range(1, 5):
        coarse, fine = (cut_hierarchy(tree, CLASSES, count) for count in (number, number + 1))
        pairs = {(coarse[name], fine[name]) for name in CLASSES}
        assert len(pairs) == number + 1


def test_a_loop_in_the_hierarchy_does_no_harm(tmp_path):
    path = _write(tmp_path, "is_a.txt", "a b\nb a\na x\nb y\nc z\n")
    assert cut_hierarchy(path, "xyz", 2) == {"x": "a", "y": "a", "z": "other"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a cat\nb", r"is_a\.txt, line 2: expected a parent and its child"),
        ("a cat", r"is_a\.txt has no parent of the class dog"),
    ],
)
def test_hierarchies_that_cannot_be_used_say_why(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        cut_hierarchy(_write(tmp_path, "is_a.txt", content), CLASSES, 2)


@pytest.mark.parametrize("rule", ["random:", "random:6", "random:0", "random:x", "wordnet:a.txt"])
def test_a_number_of_buckets_out_of_range_is_an_error(rule):
    with pytest.raises(UsageError, match=f"{rule}: expected a number from 1 to 5, .* after"):
        choose_buckets(rule, CLASSES, seed=0)


def test_images_without_classes_are_refused():
    with pytest.raises(UserError, match="random:2: the images have no classes with names"):
        choose_buckets("random:2", (), seed=0)
