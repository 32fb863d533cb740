import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.label_changes import RelabelledSource, add_label_noise, merge_classes
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.voc import PresenceSource


def _source(count, num_classes=4):
    labels = [number % num_classes for number in range(count)]
    paths = [f"/photos/{number}.png" for number in range(count)]
    return FileSource(paths, labels, "abcdefghij"[:num_classes])


def _labels(source):
    return np.array([source.label_of(index) for index in range(source.num_examples)])


def test_noise_gives_a_share_of_the_images_a_uniform_class():
    source = _source(8000)
    noisy = add_label_noise(source, 0.5, seed=0)
    assert noisy.class_names == tuple("abcd")
    before, after = _labels(source), _labels(noisy)
    # A quarter of the 4000 random classes is right: 3000 -+ 4 standard deviations.
    assert abs(np.sum(before != after) - 3000) < 110
    for label in range(4):
        counts = np.bincount(after[(before == label) & (before != after)], minlength=4)
        assert counts[label] == 0
        np.testing.assert_allclose(np.delete(counts, label), 250, atol=65)


@pytest.mark.parametrize(("share", "most"), [(0.0, 0), (0.1, 20), (1.0, 200)])
def test_no_more_than_the_share_is_relabelled(share, most):
    source = _source(200, 10)
    num_wrong = np.sum(_labels(source) != _labels(add_label_noise(source, share, seed=0)))
    assert 0.7 * most <= num_wrong <= most


def test_noise_is_fixed_by_the_seed():
    first, again, other = (
        _labels(add_label_noise(_source(100), 0.5, seed)).tolist() for seed in (1, 1, 2)
    )
    assert first == again != other
    source = add_label_noise(_source(100), 0.5, 1)
    assert [source.label_of(7) for _ in range(3)] == [first[7]] * 3
    assert _labels(source.select(range(99, 0, -3))).tolist() == first[99:0:-3]


def test_merged_classes_are_the_buckets():
    merged = merge_classes(_source(9), {"a": "sky", "b": "land", "c": "sky", "d": "water"})
    assert merged.class_names == ("land", "sky", "water")
    assert _labels(merged).tolist() == [1, 0, 1, 2, 1, 0, 1, 2, 1]


def test_splits_with_some_of_the_classes_agree():
    buckets = {"a": "sky", "b": "land", "c": "sky", "d": "water"}
    heldout = FileSource(["p", "q"], [1, 0], ["b", "d"])
    merged = merge_classes(heldout, buckets)
    assert merged.class_names == ("land", "sky", "water")
    assert _labels(merged).tolist() == [2, 0]
    with pytest.raises(UserError, match="1 of 2 classes have no label bucket, the first: x"):
        merge_classes(FileSource(["p"], [0], ["x", "a"]), buckets)


@pytest.mark.parametrize(
    "source",
    [FileSource("p"), FileSource("p", [0]), PresenceSource("p", [[1, 0]], "ab")],
    ids=["no classes", "no names", "several classes"],
)
def test_images_without_one_named_class_are_refused(source):
    with pytest.raises(UserError, match=r"label noise: expected images of one class .*; p has"):
        add_label_noise(source, 0.5, 0)
    with pytest.raises(UserError, match=r"label buckets: expected images of one class .*; p has"):
        merge_classes(source, {"a": "x", "b": "y"})


class _TornSource(FileSource):
    """Files of which none can be read."""

    def label_of(self, index):
        raise UnreadableImageError(self.name_of(index), "torn")


def test_images_that_cannot_be_read_are_left_to_the_reader():
    source = merge_classes(_TornSource("pq", [0, 1], "ab"), {"a": "x", "b": "y"})
    with pytest.raises(UnreadableImageError, match="q: torn"):
        source.label_of(1)


def test_images_stay_as_they_are(tmp_path):
    (tmp_path / "p").write_bytes(b"content")
    source = RelabelledSource(FileSource([tmp_path / "p"]), lambda index: index + 2, "xyz")
    assert (source.num_examples, source.label_of(0)) == (1, 2)
    assert (source.name_of(0), source.read_bytes(0)) == (str(tmp_path / "p"), b"content")


def test_an_image_without_a_class_among_others_stays_without():
    labels = {0: 1, 1: None}
    source = RelabelledSource(FileSource("pq"), labels.get, "ab")
    merged = merge_classes(source, {"a": "x", "b": "y"})
    assert [merged.label_of(0), merged.label_of(1)] == [1, None]
