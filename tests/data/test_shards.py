import glob
import hashlib
import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.core.beam import BeamOptions
from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.data.shards import (
    ShardOptions,
    ShardPlan,
    build_shards,
    digest_names,
    store_image,
    write_shard,
)
from tfcolor.data.sources.opening import open_source

DIRECT = BeamOptions("direct")
NUM_IMAGES, NUM_SHARDS, MAX_SIDE = 7, 3, 20
BAD = 4


def _pixels(index):
    return np.random.default_rng(index).integers(0, 256, (12 + 4 * index, 18, 3), np.uint8)


def _encode(pixels, file_format="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=file_format)
    return buffer.getvalue()


def _decode(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Seven images of 12 to 36 rows in two classes, of which one is cut off."""
    folder = tmp_path_factory.mktemp("collection")
    for index in range(NUM_IMAGES):
        path = folder / ("hill" if index < 4 else "sea ü") / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        content = _encode(_pixels(index))
        path.write_bytes(content[:60] if index == BAD else content)
    return folder


@pytest.fixture(scope="module")
def shards(collection, tmp_path_factory):
    pytest.importorskip("apache_beam")
    folder = tmp_path_factory.mktemp("shards") / "of [all] *"
    folder.mkdir()
    (folder / ".images-00000-of-00003.x1y2.tfrecord").touch()  # as a killed call leaves it
    (folder / ".reports").mkdir()
    with pytest.raises(UserError, match=r"1 of 7 images could not be read: .*unreadable\.jsonl"):
        build_shards(str(collection), str(folder), ShardOptions(NUM_SHARDS, MAX_SIDE), DIRECT)
    return folder


def _plan(collection, folder, **options):
    names = digest_names(open_source(str(collection)))
    return ShardPlan(str(collection), names, str(folder), ShardOptions(**options))


def test_training_reads_images_and_classes_of_all_shards(shards):
    options = DataOptions(images=f"{glob.escape(str(shards))}/*.tfrecord", heldout_fraction=0)
    reader = open_readers(options)["train"]
    dealt = [index for shard in range(NUM_SHARDS) for index in range(shard, NUM_IMAGES, NUM_SHARDS)]
    expected = [index for index in dealt if index != BAD]
    assert reader.num_examples == len(expected)
    assert reader.class_names == ("hill", "sea ü")
    for position, index in enumerate(expected):
        image, used = reader.read(position)
        assert used == position
        assert reader.label_of(position) == int(index >= 4)
        original = _pixels(index)
        if max(original.shape) <= MAX_SIDE:
            np.testing.assert_array_equal(image, original)
        else:
            assert image.shape == (MAX_SIDE, round(18 * MAX_SIDE / len(original)), 3)
            assert abs(image.mean() - original.mean()) < 3


def test_a_record_tells_the_name_of_its_image(shards):
    path = str(shards / "images-00002-of-00003.tfrecord")
    records = [tf.train.Example.FromString(one.numpy()) for one in tf.data.TFRecordDataset(path)]
    names = [one.features.feature["image/filename"].bytes_list.value[0] for one in records]
    assert [name.decode() for name in names] == ["hill/2.png", "sea ü/5.png"]


def test_summary_tells_what_is_there(shards, collection):
    summary = json.loads((shards / "dataset.json").read_text())
    assert summary["images"] == str(collection)
    assert summary["class_names"] == ["hill", "sea ü"]
    assert (summary["num_images"], summary["num_unreadable"]) == (6, 1)
    assert (summary["num_shards"], summary["max_side"]) == (NUM_SHARDS, MAX_SIDE)
    assert [shard["num_images"] for shard in summary["shards"]] == [3, 1, 2]
    for shard in summary["shards"]:
        content = (shards / shard["file"]).read_bytes()
        assert shard["num_bytes"] == len(content)
        assert shard["sha256"] == hashlib.sha256(content).hexdigest()


def test_an_unreadable_image_is_named_with_its_reason(shards, collection):
    (entry,) = map(json.loads, (shards / "unreadable.jsonl").read_text().splitlines())
    assert entry["index"] == BAD
    assert entry["name"] == str(collection / "sea ü/4.png")
    assert entry["reason"]


def test_nothing_else_is_left(shards):
    files = {f"images-0000{shard}-of-00003.tfrecord" for shard in range(NUM_SHARDS)}
    assert {path.name for path in shards.iterdir()} == files | {"dataset.json", "unreadable.jsonl"}


def test_a_shard_does_not_depend_on_who_writes_it(shards, collection, tmp_path, monkeypatch):
    pytest.importorskip("apache_beam")
    plan = _plan(collection, tmp_path, num_shards=NUM_SHARDS, max_side=MAX_SIDE)
    monkeypatch.chdir(tmp_path)
    report = write_shard(1, plan)
    name = "images-00001-of-00003.tfrecord"
    assert report.file == name
    assert (tmp_path / name).read_bytes() == (shards / name).read_bytes()


def test_a_failed_shard_leaves_nothing(collection, tmp_path, monkeypatch):
    def fail(self, record):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.io.TFRecordWriter, "write", fail)
    with pytest.raises(OSError, match="No space"):
        write_shard(0, _plan(collection, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_collection_that_changed_is_noticed(collection, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(collection, changed)
    plan = _plan(changed, tmp_path / "out", num_shards=2)
    (changed / "hill" / "1.png").rename(changed / "hill" / "9.png")
    with pytest.raises(UserError, match="holds other images here"):
        write_shard(0, plan)


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("dataset.json", {"num_shards": 2}, "holds a finished data set already"),
        ("images-00000-of-00003.tfrecord", {"num_shards": 2}, "holds other shards, as images-"),
        ("x.tfrecord-0", {"num_shards": 2}, r"holds other shards, as x\.tfrecord-0"),
    ],
)
def test_a_folder_with_other_shards_is_refused(collection, tmp_path, file, options, message):
    (tmp_path / file).touch()
    with pytest.raises(UserError, match=f"{message}.*choose another --output"):
        build_shards(str(collection), str(tmp_path), ShardOptions(**options), DIRECT)
    assert [path.name for path in tmp_path.iterdir()] == [file]


def test_more_shards_than_images_are_refused(collection, tmp_path):
    with pytest.raises(UsageError, match="--num_shards=8: expected at most 7"):
        build_shards(str(collection), str(tmp_path / "out"), ShardOptions(8), DIRECT)
    assert not (tmp_path / "out").exists()


def test_kept_bytes_are_the_originals_unless_it_shrinks():
    content = _encode(_pixels(0), "BMP")
    assert store_image(content, "a", ShardOptions()) == content
    assert store_image(content, "a", ShardOptions(max_side=18)) == content
    shrunk = store_image(content, "a", ShardOptions(max_side=9))
    assert _decode(shrunk).shape == (6, 9, 3)
    assert Image.open(io.BytesIO(shrunk)).format == "JPEG"


@pytest.mark.parametrize("encoding", ["png", "webp"])
def test_lossless_encodings_keep_every_pixel(encoding):
    stored = store_image(_encode(_pixels(3)), "a", ShardOptions(encoding=encoding))
    assert Image.open(io.BytesIO(stored)).format == encoding.upper()
    np.testing.assert_array_equal(_decode(stored), _pixels(3))


def test_jpeg_keeps_the_resolution_of_colors():
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, ::2, 0] = pixels[:, 1::2, 2] = 200  # red and blue columns
    options = ShardOptions(encoding="jpeg", quality=98)
    error = _decode(store_image(_encode(pixels), "a", options)).astype(int) - pixels
    assert np.abs(error).max() < 20  # halved color resolution makes it 100


def test_a_side_never_vanishes():
    thin = np.full((1, 300, 3), 90, np.uint8)
    stored = store_image(_encode(thin), "a", ShardOptions(max_side=10, encoding="png"))
    assert _decode(stored).shape == (1, 10, 3)


def test_an_image_beyond_a_format_is_unreadable():
    wide = _encode(np.zeros((1, 17000, 3), np.uint8))
    with pytest.raises(UnreadableImageError, match="a: 17000x1 pixels cannot be stored as webp"):
        store_image(wide, "a", ShardOptions(encoding="webp"))
