import pytest

from tfcolor.config.reproduction.layout import (
    COLORIZATION,
    DIGITS,
    FINE_TUNING,
    OBJECTS,
    PHOTOGRAPHS,
    SCENES,
    TESTBED,
    TESTED,
    WHOLE_SCENES,
    locate_images,
)
from tfcolor.config.reproduction.study import SCALES


def test_small_photographs_join_the_scenes(data):
    images = locate_images("small", data, "cval1k")
    assert images[PHOTOGRAPHS].train == f"{data}/photos/train,{data}/camvid/train"
    assert images[PHOTOGRAPHS].heldout == f"{data}/photos/val"
    assert images[SCENES].heldout.endswith("camvid:val") and not images[WHOLE_SCENES].heldout
    assert not any(one.missing for one in images.values())


@pytest.mark.parametrize("scale", SCALES)
def test_the_testbed_keeps_its_test_images_from_training_unless_they_are_wanted(data, scale):
    images, place = locate_images(scale, data, ""), f"cifar100:{data}/cifar-100-python"
    assert (images[TESTBED].train, images[TESTBED].heldout) == (f"{place}:train", "")
    assert images[TESTED].heldout == images[TESTBED].test == f"{place}:test"
    assert images[FINE_TUNING].test == f"{place}:train"


def test_a_folder_of_photographs_is_enough_for_colorization(tmp_path):
    for name in ("train", "val"):
        (tmp_path / name).mkdir()
    images = locate_images("small", tmp_path, "cval1k")
    assert images[COLORIZATION].train == f"{tmp_path}/train" and not images[COLORIZATION].missing
    assert images[PHOTOGRAPHS].train == f"{tmp_path}/train"
    assert images[OBJECTS].missing == f"{tmp_path}/VOC2007"


def test_full_colorization_is_measured_on_its_own_list_where_there_is_one(tmp_path):
    images = locate_images("full", tmp_path, "cval1k")[COLORIZATION]
    assert images.test == f"{tmp_path}/val"
    (tmp_path / "train").mkdir()
    assert images.missing == f"{tmp_path}/cval1k.txt or {tmp_path}/cval1k or {tmp_path}/val"
    (tmp_path / "cval1k.txt").touch()
    assert locate_images("full", tmp_path, "cval1k")[COLORIZATION].test.endswith("cval1k.txt")


def test_digits_are_measured_on_the_validation_images_or_on_the_test_images(data):
    for scale, split in (("small", "valid"), ("full", "test")):
        images = locate_images(scale, data, "cval1k")[DIGITS["bg_img_rot"]]
        assert images.train == f"mnist_bg_img_rot:{data}/mnist:train"
        assert images.heldout == f"mnist_bg_img_rot:{data}/mnist:valid"
        assert images.test == f"mnist_bg_img_rot:{data}/mnist:{split}" and not images.missing
