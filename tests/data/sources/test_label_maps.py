import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.sources.label_maps import LabelMapSource


def _labels(height=5, width=7, seed=0):
    return np.random.default_rng(seed).choice([0, 1, 2, 3, 255], [height, width]).astype(np.uint8)


def _save_image(folder, name="a.jpg", size=(7, 5), **options):
    Image.new("RGB", size, "green").save(folder / name, **options)
    return folder / name


def _save_map(folder, labels, name="a.png", mode="L"):
    frame = Image.fromarray(labels, "L")
    if mode == "P":
        frame = Image.fromarray(labels, "P")
        frame.putpalette(
            np.random.default_rng(1).integers(256, size=768).astype(np.uint8).tobytes()
        )
    frame.convert(mode).save(folder / name)
    return folder / name


def _source(folder, map_path, **options):
    return LabelMapSource([_save_image(folder)], [map_path], "abcd", **options)


@pytest.mark.parametrize("mode", ["L", "P"])
def test_gray_and_palette_indices_are_the_labels(tmp_path, mode):
    labels = _labels()
    found = _source(tmp_path, _save_map(tmp_path, labels, mode=mode)).label_map_of(0)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, labels)


def test_another_void_label_becomes_the_common_one(tmp_path):
    labels = np.array([[0, 4, 255], [3, 4, 1]], np.uint8)
    path = _save_map(tmp_path, labels)
    source = LabelMapSource([_save_image(tmp_path, size=(3, 2))], [path], "abcd", 4)
    np.testing.assert_array_equal(source.label_map_of(0), [[0, 255, 255], [3, 255, 1]])


def test_a_label_that_is_no_class_is_named(tmp_path):
    labels = _labels()
    labels[2, 3] = 17
    source = _source(tmp_path, _save_map(tmp_path, labels))
    message = r"a\.png has the label 17: expected 0 to 3 or 255 for void"
    with pytest.raises(UserError, match=message):
        source.label_map_of(0)


def test_missing_label_maps_are_counted_when_opened(tmp_path):
    images = [tmp_path / f"{name}.jpg" for name in "abc"]
    maps = [_save_map(tmp_path, _labels()), tmp_path / "b.png", tmp_path / "c.png"]
    with pytest.raises(UserError, match=r"2 of 3 images have no label map; .*b\.png$"):
        LabelMapSource(images, maps, "abcd")
    with pytest.raises(ValueError, match="1 label maps: expected one for each of the 3 images"):
        LabelMapSource(images, maps[:1], "abcd")


@pytest.mark.parametrize("mode", ["RGB", "1", "LA", "RGBA"])
def test_label_maps_in_color_are_refused(tmp_path, mode):
    source = _source(tmp_path, _save_map(tmp_path, _labels(), mode=mode))
    with pytest.raises(UnreadableImageError, match=f"mode {mode}; expected 8 bits, gray or with"):
        source.label_map_of(0)


def test_the_sizes_of_image_and_label_map_must_agree(tmp_path):
    source = _source(tmp_path, _save_map(tmp_path, _labels(7, 5)))
    with pytest.raises(UnreadableImageError, match="label map of 5x7 for an image of 7x5 pixels"):
        source.label_map_of(0)


def test_a_turned_photograph_has_an_upright_label_map(tmp_path):
    labels = _labels(7, 5)
    exif = Image.Exif()
    exif[0x0112] = 6
    image = _save_image(tmp_path, exif=exif)
    source = LabelMapSource([image], [_save_map(tmp_path, labels)], "abcd")
    np.testing.assert_array_equal(source.label_map_of(0), labels)


@pytest.mark.parametrize("cut", [10, 60])
def test_damaged_files_are_named(tmp_path, cut):
    path = _save_map(tmp_path, _labels(40, 50))
    source = LabelMapSource([_save_image(tmp_path, size=(50, 40))], [path], "abcd")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UnreadableImageError, match=r"a\.png: damaged label map"):
        source.label_map_of(0)
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(UnreadableImageError, match=r"a\.jpg: damaged image"):
        source.label_map_of(0)


def test_selecting_keeps_images_and_label_maps_together(tmp_path):
    images = [_save_image(tmp_path, f"{number}.jpg") for number in range(3)]
    labels = [np.where(_labels(seed=number) == 3, 4, number % 3) for number in range(3)]
    maps = [_save_map(tmp_path, one.astype(np.uint8), f"{i}.png") for i, one in enumerate(labels)]
    source = LabelMapSource(images, maps, "abcd", 4).select([2, 0])
    assert [source.name_of(0), source.name_of(1)] == [str(images[2]), str(images[0])]
    assert source.class_names == tuple("abcd")
    np.testing.assert_array_equal(source.label_map_of(0), np.where(labels[2] == 4, 255, labels[2]))
