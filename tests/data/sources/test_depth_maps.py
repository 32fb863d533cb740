import io

import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.sources.depth_maps import DepthFileSource, DepthSource, open_depth_folder
from tfcolor.data.sources.image_folder import open_images
from tfcolor.data.sources.opening import open_source


@pytest.fixture
def rooms(tmp_path):
    """Two splits: arrays of meters and pictures of millimeters."""
    for folder in ("train", "train_depth", "test", "test_depth"):
        (tmp_path / folder).mkdir()
    for number, name in enumerate("ba"):
        Image.new("RGB", (3, 2)).save(tmp_path / f"train/{name}.jpg")
        np.save(tmp_path / f"train_depth/{name}.npy", np.full((2, 3), 1.25 + number))
    Image.new("RGB", (3, 2)).save(tmp_path / "test/c.png")
    steps = np.array([[0, 1, 1500], [2000, 9999, 65535]], np.uint16)
    Image.fromarray(steps).save(tmp_path / "test_depth/c.png")
    return tmp_path


def test_a_split_has_its_images_by_name_with_their_depth(rooms):
    source = open_depth_folder(str(rooms))
    assert isinstance(source, DepthSource)
    assert [source.name_of(index)[-5:] for index in range(2)] == ["a.jpg", "b.jpg"]
    depth = source.depth_of(0)
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, np.full((2, 3), 2.25))
    np.testing.assert_array_equal(source.select([1]).depth_of(0), np.full((2, 3), 1.25))


def test_pictures_are_in_millimeters(rooms):
    source = open_source(f"depth:{rooms}:test")
    expected = [[0, 0.001, 1.5], [2, 9.999, 65.535]]
    np.testing.assert_allclose(source.depth_of(0), expected, rtol=1e-6)


def test_joined_folders_keep_their_depth(rooms):
    joined = open_source(f"depth:{rooms},depth:{rooms}:test")
    assert isinstance(joined, DepthSource)
    assert [joined.depth_of(index).max() for index in range(3)] == pytest.approx(
        [2.25, 1.25, 65.535]
    )
    mixed = open_source(f"depth:{rooms},builtin:depth_scenes:2")
    assert isinstance(mixed, DepthSource)
    assert mixed.select([2, 0]).depth_of(0).shape == (96, 128)
    assert not isinstance(open_source(f"depth:{rooms},{rooms}/test/c.png"), DepthSource)


def test_what_is_missing_is_named(rooms):
    with pytest.raises(UserError, match=r"no folder .*val; splits with depth .*: test, train$"):
        open_depth_folder(f"{rooms}:val")
    (rooms / "train_depth/b.npy").unlink()
    with pytest.raises(UserError, match=r"1 of 2 images have no depth map; .*depth/b\.npy"):
        open_depth_folder(str(rooms))
    (rooms / "test/c.png").unlink()
    with pytest.raises(UserError, match=r"no image in the folder .*test; looked for"):
        open_depth_folder(f"{rooms}:test")
    with pytest.raises(ValueError, match="1 depth maps: expected one for each of the 2 images"):
        DepthFileSource(["a", "b"], ["a"])


def _write(path, content):
    path.write_bytes(content)
    return path


def _archive(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def _array(values):
    content = io.BytesIO()
    np.save(content, values)
    return content.getvalue()


def _png(values):
    content = io.BytesIO()
    Image.fromarray(values).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", b"", "the file is empty"),
        ("a.npy", b"\x93NUMPY", "damaged array"),
        ("a.npy", _array(np.zeros((2, 3), np.uint16)), "uint16 with 2 axes; expected meters"),
        ("a.npy", _array(np.zeros((2, 3, 1))), "float64 with 3 axes; expected meters"),
        ("a.npy", _array(np.array([{}])), "damaged array"),
        ("a.npy", _archive(depth=np.ones((2, 3))), "not a single array, as `np.save` writes it"),
        ("a.npy", b"<html></html>", "not a single array, as `np.save` writes it"),
        ("a.npy", _array(np.ones((2, 3))).replace(b"(2", b"((", 1), "damaged array"),
        ("a.npy", _array(np.ones((2, 3))).replace(b"(2", b"(1", 1), "24 bytes after its last"),
        ("a.npy", _array(np.ones((2, 3))) + b"\0", "1 bytes after its last number"),
        ("a.png", _png(np.zeros((2, 3), np.uint8)), "mode L; expected gray with 16 bits"),
        ("a.png", _png(np.zeros((2, 3), np.uint16))[:40], "damaged depth map"),
    ],
)
def test_a_map_that_cannot_be_used_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableImageError, match=message):
        DepthFileSource(["x.png"], [tmp_path / name]).depth_of(0)


def test_an_array_with_any_damage_to_its_header_is_refused_or_still_one(tmp_path):
    path, values = tmp_path / "a.npy", np.arange(6.0).reshape(2, 3)
    content = _array(values)
    source, num_refused = DepthFileSource(["x.png"], [_write(path, content)]), 0
    for place in range(len(content) - values.nbytes):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            _write(path, damaged)
            try:
                depth = source.depth_of(0)
            except UnreadableImageError as error:
                assert str(error).startswith(f"{path}: ")
                num_refused += 1
            else:
                assert (depth.dtype, depth.size) == (np.float32, 6)
    assert num_refused > 500


def test_an_array_that_ends_early_is_refused(tmp_path):
    path, content = tmp_path / "a.npy", _array(np.ones((2, 3)))
    source = DepthFileSource(["x.png"], [_write(path, content)])
    for length in range(len(content)):
        _write(path, content[:length])
        with pytest.raises(UnreadableImageError, match=r"a\.npy: "):
            source.depth_of(0)


def test_plain_images_have_no_depth(rooms):
    assert not isinstance(open_images(str(rooms / "train")), DepthSource)
