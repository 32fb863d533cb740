import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tfcolor.core.errors import UserError
from tfcolor.data.images import read_rgb
from tfcolor.data.sources.tfds_builder import open_tfds


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data set of 5 training images in 2 shards and 2 test images; image i is gray 10 i."""
    root = tmp_path_factory.mktemp("tfds")
    folder = root / "tiny_photos/1.2.0"
    image = tfds.features.Image(shape=(None, None, 3))
    features = tfds.features.FeaturesDict({"photo": image, "id": np.int64})
    _write_data_set(folder, features, {"train": [[0, 1, 2], [3, 4]], "test": [[5, 6]]})
    return root


def _write_data_set(folder, features, splits):
    folder.mkdir(parents=True)
    template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
    for split, shards in splits.items():
        for number, members in enumerate(shards):
            name = f"{folder.parent.name}-{split}.tfrecord-{number:05}-of-{len(shards):05}"
            _write_shard(folder / name, features, members)
    split_infos = [
        tfds.core.SplitInfo(
            name=split,
            shard_lengths=[len(members) for members in shards],
            num_bytes=0,
            filename_template=tfds.core.ShardedFileTemplate(
                data_dir=folder,
                template=template,
                dataset_name=folder.parent.name,
                split=split,
                filetype_suffix="tfrecord",
            ),
        )
        for split, shards in splits.items()
    ]
    tfds.folder_dataset.write_metadata(
        data_dir=folder, features=features, split_infos=split_infos, filename_template=template
    )


def _write_shard(path, features, members):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for member in members:
            image = np.full((3, 4, 3), 10 * member, np.uint8)
            values = dict.fromkeys(features, image)
            values |= {
                key: member % 3 if isinstance(feature, tfds.features.ClassLabel) else member
                for key, feature in features.items()
                if not isinstance(feature, tfds.features.Image)
            }
            writer.write(features.serialize_example(values))


def _grays(source):
    images = [
        read_rgb(source.read_bytes(index), source.name_of(index))
        for index in range(source.num_examples)
    ]
    return [int(image[0, 0, 0]) // 10 for image in images]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("tiny_photos", [0, 1, 2, 3, 4]),
        ("tiny_photos:train", [0, 1, 2, 3, 4]),
        ("tiny_photos:1.2.0:test", [5, 6]),
        ("tiny_photos:test", [5, 6]),
    ],
)
def test_splits_hold_their_images(prepared, monkeypatch, selection, expected):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    assert sorted(_grays(open_tfds(selection))) == expected


def test_slices_divide_a_split_in_order(prepared, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    parts = [_grays(open_tfds(f"tiny_photos:train[{part}]")) for part in (":40%", "40%:")]
    assert len(parts[0]) == 2
    assert parts[0] + parts[1] == _grays(open_tfds("tiny_photos:train"))


def test_unprepared_data_and_unknown_splits_say_what_to_do(prepared, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    with pytest.raises(UserError, match=r"tfds:imagenet2012 is not prepared in .*tfds build"):
        open_tfds("imagenet2012")
    with pytest.raises(UserError, match="is not prepared"):
        open_tfds("tiny_photos:9.9.9")
    with pytest.raises(UserError, match="no split 'validation'; it has: t"):
        open_tfds("tiny_photos:validation")


def test_the_newest_version_is_taken_and_configurations_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    image = tfds.features.Image(shape=(None, None, 3))
    features = tfds.features.FeaturesDict({"photo": image, "id": np.int64})
    for version, member in [("2.0.0", 1), ("10.0.0", 2)]:
        _write_data_set(tmp_path / "photos" / version, features, {"train": [[member]]})
    assert _grays(open_tfds("photos")) == [2]
    assert _grays(open_tfds("photos:2.0.0")) == [1]
    for config in ("small", "large"):
        _write_data_set(tmp_path / "sized" / config / "1.0.0", features, {"train": [[3]]})
    with pytest.raises(UserError, match="configurations; name one: sized/large, sized/small"):
        open_tfds("sized")
    assert _grays(open_tfds("sized/small")) == [3]


def test_a_data_set_without_one_image_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    image = tfds.features.Image(shape=(None, None, 3))
    features = tfds.features.FeaturesDict({"left": image, "right": image, "id": np.int64})
    _write_data_set(tmp_path / "stereo/1.0.0", features, {"train": [[1]]})
    with pytest.raises(UserError, match=r"tfds:stereo needs one image feature.*: left, right"):
        open_tfds("stereo")


@pytest.mark.parametrize("keys", [("label", "coarse"), ("kind",), ("kind", "coarse")])
def test_classes_are_those_of_the_label_feature(tmp_path, monkeypatch, keys):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    label = tfds.features.ClassLabel(names=["sky", "hill", "sea"])
    features = {"image": tfds.features.Image(shape=(None, None, 3)), "id": np.int64}
    features |= dict.fromkeys(keys, label)
    _write_data_set(
        tmp_path / "places/1.0.0", tfds.features.FeaturesDict(features), {"train": [[4, 5, 6]]}
    )
    source = open_tfds("places")
    labels = [source.label_of(index) for index in range(3)]
    if keys == ("kind", "coarse"):  # which of them is meant?
        assert (source.class_names, labels) == ((), [None] * 3)
    else:
        assert (source.class_names, labels) == (("sky", "hill", "sea"), [1, 2, 0])
