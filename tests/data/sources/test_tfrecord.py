import gzip

import pytest
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.sources.tfrecord import Shard, TfrecordSource, open_shards, write_tfrecord


def _write_examples(path, *features):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for feature in features:
            entries = {
                key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for key, value in feature.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=entries))
            writer.write(example.SerializeToString())


@pytest.fixture
def shards(tmp_path):
    write_tfrecord(tmp_path / "x.tfrecord-00000-of-00003", [b"a", b"bb" * 999, b""])
    write_tfrecord(tmp_path / "x.tfrecord-00001-of-00003", [])
    write_tfrecord(tmp_path / "x.tfrecord-00002-of-00003", [b"d", b"e"])
    return tmp_path


def _contents(source):
    return [source.read_bytes(index) for index in range(source.num_examples)]


@pytest.mark.parametrize("place", ["", "x.tfrecord-*", "*.tfrecord*"])
def test_records_are_read_in_any_order(shards, place):
    source = open_shards(str(shards / place))
    assert source.num_examples == 5
    expected = [b"a", b"bb" * 999, b"", b"d", b"e"]
    for index in (4, 0, 3, 2, 1):
        assert source.read_bytes(index) == expected[index]


def test_names_point_to_file_and_record(shards):
    source = open_shards(str(shards))
    assert source.name_of(1).endswith("x.tfrecord-00000-of-00003[1]")
    assert source.name_of(4).endswith("x.tfrecord-00002-of-00003[1]")


def test_agrees_with_tensorflow_reader(shards):
    path = str(shards / "x.tfrecord-00000-of-00003")
    parsed = [
        tf.train.Example.FromString(record.numpy()).features.feature["image/encoded"]
        for record in tf.data.TFRecordDataset(path)
    ]
    expected = [feature.bytes_list.value[0] for feature in parsed]
    assert _contents(TfrecordSource([Shard(path)])) == expected


def test_shards_select_their_records(shards):
    first = str(shards / "x.tfrecord-00000-of-00003")
    last = str(shards / "x.tfrecord-00002-of-00003")
    source = TfrecordSource([Shard(last, 1), Shard(first, 0, 2)])
    assert _contents(source) == [b"e", b"a", b"bb" * 999]
    assert source.name_of(0).endswith("[1]")
    with pytest.raises(UserError, match="has 2 records where 3 were promised"):
        TfrecordSource([Shard(last, 1, 2)])


def test_image_is_found_under_either_key(tmp_path):
    path = tmp_path / "a.tfrecord"
    _write_examples(path, {"image": b"1", "label": b"x"}, {"image/encoded": b"2", "image": b"no"})
    assert _contents(open_shards(str(path))) == [b"1", b"2"]


def test_a_record_without_image_is_unreadable(tmp_path):
    path = tmp_path / "a.tfrecord"
    _write_examples(path, {"label": b"x", "id": b"y"})
    message = r"a\.tfrecord\[0\]: no feature image/encoded or image among id, label"
    with pytest.raises(UnreadableImageError, match=message):
        open_shards(str(path)).read_bytes(0)


def test_a_damaged_record_is_unreadable(tmp_path):
    path = tmp_path / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"\xff\xff\xff not a protocol buffer")
    with pytest.raises(UnreadableImageError, match=r"a\.tfrecord\[0\]: damaged record"):
        open_shards(str(path)).read_bytes(0)


@pytest.mark.parametrize("cut", [1, 8, 30])
def test_a_truncated_shard_is_named(shards, cut):
    path = shards / "x.tfrecord-00002-of-00003"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(UserError, match=r"00002-of-00003 is cut off .*record 1 at byte"):
        open_shards(str(shards))


def test_compressed_missing_and_empty_shards_are_named(tmp_path):
    write_tfrecord(tmp_path / "empty.tfrecord", [])
    (tmp_path / "z.tfrecord.gz").write_bytes(gzip.compress(b"x" * 99))
    for name, message in [
        ("none.tfrecord", r"no TFRecord file at .*none"),
        ("empty.tfrecord", r"no records in 1 TFRecord files: .*empty"),
        ("z.tfrecord.gz", r"z\.tfrecord\.gz is compressed"),
    ]:
        with pytest.raises(UserError, match=message):
            open_shards(str(tmp_path / name))
    with pytest.raises(UserError, match=r"cannot read .*gone"):
        TfrecordSource([Shard(str(tmp_path / "gone"))])


def _write_labels(path, key, labels):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for label in labels:
            feature = tf.train.Feature(int64_list=tf.train.Int64List(value=label))
            example = tf.train.Example(features=tf.train.Features(feature={key: feature}))
            writer.write(example.SerializeToString())


@pytest.mark.parametrize("key", ["image/class/label", "label"])
def test_labels_are_read_with_any_record(tmp_path, key):
    _write_labels(tmp_path / "a.tfrecord", key, [[7], [0], []])
    source = open_shards(str(tmp_path))
    assert [source.label_of(index) for index in (2, 0, 1)] == [None, 7, 0]
    assert source.class_names == ()


def test_a_text_label_is_no_class(tmp_path):
    _write_examples(tmp_path / "a.tfrecord", {"label": b"sea"})
    assert open_shards(str(tmp_path)).label_of(0) is None


def test_class_names_come_from_the_summary_beside_the_shards(shards):
    assert open_shards(str(shards)).class_names == ()
    (shards / "dataset.json").write_text('{"class_names": ["hill", "sea"]}')
    assert open_shards(str(shards)).class_names == ("hill", "sea")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"class_names": "hill"}', "[" * 10**5])
def test_a_summary_without_class_names_is_named(shards, content):
    (shards / "dataset.json").write_text(content)
    with pytest.raises(UserError, match=r"class.names.*dataset\.json|dataset\.json: class_names"):
        open_shards(str(shards))
