import logging
import threading

import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource

IMAGE_BYTES = 4 * 5 * 3


@pytest.fixture
def paths(tmp_path):
    """Five images 4 x 5, image i gray 10 i; the second and last are unreadable."""
    for number in range(5):
        Image.new("RGB", (5, 4), (10 * number,) * 3).save(tmp_path / f"{number}.png")
    (tmp_path / "1.png").write_bytes(b"not an image")
    (tmp_path / "4.png").unlink()
    return [tmp_path / f"{number}.png" for number in range(5)]


class _CountingSource(FileSource):
    """Files that remember which positions were read."""

    def __init__(self, paths):
        super().__init__(paths)
        self.reads = []

    def read_bytes(self, index):
        self.reads.append(index)
        return super().read_bytes(index)


def test_unreadable_images_give_way_to_the_next(paths):
    reader = ExampleReader(FileSource(paths))
    results = [reader.read(position) for position in range(5)]
    assert [used for _, used in results] == [0, 2, 2, 3, 0]
    assert [int(image[0, 0, 0]) for image, _ in results] == [0, 20, 20, 30, 0]
    assert all(image.shape == (4, 5, 3) and image.dtype == np.uint8 for image, _ in results)


def test_unreadable_images_are_named_and_logged_once(paths, caplog):
    source = _CountingSource(paths)
    reader = ExampleReader(source)
    with caplog.at_level(logging.WARNING):
        for position in [*range(5), *range(5)]:
            reader.read(position)
    assert set(reader.unreadable) == {str(paths[1]), str(paths[4])}
    assert reader.unreadable[str(paths[1])].startswith("not an image")
    assert sorted(record.args[0].name for record in caplog.records) == sorted(reader.unreadable)
    assert source.reads.count(1) == 1


def test_nothing_readable_is_an_error_that_shows_the_first(tmp_path):
    reader = ExampleReader(FileSource([tmp_path / "a.png", tmp_path / "b.png"]))
    with pytest.raises(UserError, match=r"none of the 2 images .* first: .*a\.png: no such file"):
        reader.read(1)


def test_cache_serves_repeats_and_forgets_the_least_recent(paths):
    source = _CountingSource(paths)
    reader = ExampleReader(source, cache_bytes=2 * IMAGE_BYTES + 1)
    for position in (0, 2, 0, 3, 0, 2):  # reading 3 drops 2; reading 2 drops 3
        reader.read(position)
    assert source.reads == [0, 2, 3, 2]


@pytest.mark.parametrize("cache_bytes", [0, IMAGE_BYTES - 1])
def test_images_larger_than_the_cache_are_not_kept(paths, cache_bytes):
    source = _CountingSource(paths)
    reader = ExampleReader(source, cache_bytes)
    for _ in range(3):
        reader.read(2)
    assert source.reads == [2, 2, 2]


def test_cached_images_cannot_be_changed(paths):
    image, _ = ExampleReader(FileSource(paths), cache_bytes=1000).read(0)
    with pytest.raises(ValueError, match="read-only"):
        image[0] = 1


def test_threads_agree(paths):
    reader = ExampleReader(FileSource(paths), cache_bytes=2 * IMAGE_BYTES)
    wrong = []

    def read_all():
        for turn in range(100):
            image, used = reader.read(turn % 5)
            if int(image[0, 0, 0]) != 10 * used or used != [0, 2, 2, 3, 0][turn % 5]:
                wrong.append(turn)

    threads = [threading.Thread(target=read_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(reader.unreadable) == 2


def test_negative_cache_is_refused(paths):
    with pytest.raises(ValueError, match="cache_bytes=-1: expected at least 0"):
        ExampleReader(FileSource(paths), cache_bytes=-1)


def test_classes_are_those_of_the_source(paths):
    source = FileSource(paths, [1, 0, 0, 1, 0], ["sea", "hill"])
    reader = ExampleReader(source)
    assert reader.source is source
    assert reader.class_names == ("sea", "hill")
    assert [reader.label_of(position) for position in range(5)] == [1, 0, 0, 1, 0]
