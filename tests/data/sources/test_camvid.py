import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.sources.camvid import CAMVID_CLASSES, open_camvid
from tfcolor.data.sources.opening import open_source


@pytest.fixture
def streets(tmp_path):
    for split, names in (("train", "ba"), ("val", "c")):
        for folder in (split, f"{split}annot"):
            (tmp_path / folder).mkdir()
        for number, name in enumerate(names):
            labels = np.array([[11, number, 10]], np.uint8)
            Image.new("RGB", (3, 1)).save(tmp_path / split / f"{name}.jpg")
            Image.fromarray(labels).save(tmp_path / f"{split}annot" / f"{name}.png")
    return tmp_path


def test_a_split_has_its_images_by_name_and_void_is_the_common_label(streets):
    source = open_camvid(str(streets))
    assert [source.name_of(index)[-5:] for index in range(2)] == ["a.jpg", "b.jpg"]
    assert source.class_names == CAMVID_CLASSES
    assert len(CAMVID_CLASSES) == 11
    np.testing.assert_array_equal(source.label_map_of(0), [[255, 1, 10]])
    np.testing.assert_array_equal(source.label_map_of(1), [[255, 0, 10]])


def test_the_scheme_takes_a_split(streets):
    source = open_source(f"camvid:{streets}:val")
    assert source.num_examples == 1
    assert source.name_of(0).endswith("val/c.jpg")
    assert source.label_of(0) is None


def test_an_unknown_split_lists_the_known(streets):
    with pytest.raises(UserError, match=r"no folder .*test; splits with .*: train, val$"):
        open_camvid(f"{streets}:test")


def test_a_missing_label_map_is_named(streets):
    (streets / "trainannot/b.png").unlink()
    with pytest.raises(UserError, match=r"1 of 2 images have no label map; .*trainannot/b\.png"):
        open_camvid(str(streets))


def test_a_split_without_images_says_so(streets):
    (streets / "val/c.jpg").unlink()
    with pytest.raises(UserError, match=r"no image in the folder .*val; looked for"):
        open_camvid(f"{streets}:val")
