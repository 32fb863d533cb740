import inspect

import numpy as np
import pytest

from tfcolor.data.label_changes import RelabelledSource
from tfcolor.data.sources.array import ArraySource
from tfcolor.data.sources.base import Source
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.joined import JoinedSource
from tfcolor.data.sources.tfrecord import Shard, TfrecordSource, write_tfrecord
from tfcolor.data.sources.voc import PresenceSource

PROPERTIES = {"num_examples", "class_names"}


@pytest.mark.parametrize(
    "kind", [ArraySource, FileSource, JoinedSource, RelabelledSource, TfrecordSource]
)
def test_sources_offer_what_the_protocol_asks(kind):
    asked = {name for name in vars(Source) if not name.startswith("_")}
    assert asked == PROPERTIES | {"name_of", "read_bytes", "label_of", "select"}
    for name in asked - PROPERTIES:
        expected, offered = (inspect.signature(getattr(one, name)) for one in (Source, kind))
        assert offered.parameters == expected.parameters
    assert all(isinstance(getattr(kind, name), property) for name in PROPERTIES)


def _arrays():
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones([1, 2, 3, 3], np.uint8)
    return ArraySource(images, ["a", "b", "c", "d"], [0, 1, 1, 0], "xy")


def _files(folder):
    for name in "abcd":
        (folder / name).write_bytes(name.encode())
    return FileSource([folder / name for name in "abcd"], [0, 1, 1, 0], "xy")


def _records(folder):
    write_tfrecord(folder / "0.tfrecord", [b"a", b"b", b"c"])
    write_tfrecord(folder / "1.tfrecord", [b"d"])
    return TfrecordSource([Shard(str(folder / f"{number}.tfrecord")) for number in (0, 1)])


@pytest.mark.parametrize("kind", ["arrays", "files", "joined", "records", "relabelled", "presence"])
def test_selected_images_keep_all_that_is_known_of_them(kind, tmp_path):
    source = {
        "arrays": _arrays,
        "files": lambda: _files(tmp_path),
        "joined": lambda: JoinedSource([_arrays(), _files(tmp_path)]),
        "records": lambda: _records(tmp_path),
        "relabelled": lambda: RelabelledSource(_files(tmp_path), [2, 0, 1, 2].__getitem__, "xyz"),
        "presence": lambda: PresenceSource(_files(tmp_path)._paths, np.eye(4, 3), "xyz"),
    }[kind]()
    chosen = source.select([3, 0, 2]).select([2, 0, 0])
    assert chosen.num_examples == 3
    assert chosen.class_names == source.class_names
    for index, position in enumerate([2, 3, 3]):
        assert chosen.name_of(index) == source.name_of(position)
        assert chosen.read_bytes(index) == source.read_bytes(position)
        assert chosen.label_of(index) == source.label_of(position)
    assert len({chosen.read_bytes(index) for index in range(3)}) == 2
    assert source.num_examples == (8 if kind == "joined" else 4)
