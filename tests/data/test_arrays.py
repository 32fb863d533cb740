import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.arrays import gather_images
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.array import ArraySource
from tfcolor.data.sources.image_folder import open_images
from tfcolor.data.sources.joined import join_sources

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3)).astype(np.uint8)
LABELS = [1, 0, 1, 1, 0]


@pytest.fixture
def folder(tmp_path):
    """The same images as files, in the order of their names."""
    (tmp_path / "images").mkdir()
    lines = []
    for index, (image, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        Image.fromarray(image).save(tmp_path / f"images/{index}.png")
        lines.append(f"images/{index}.png\t{label}\n")
    (tmp_path / "list.txt").write_text("".join(lines))
    return tmp_path


def _array(images=PIXELS):
    return ArraySource(images, list("abcde"), LABELS, "01")


def _gather(source, *arguments):
    return gather_images(ExampleReader(source), *arguments)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("num_images", [0, 3])
def test_arrays_files_and_joined_images_give_the_same(folder, channels, num_images):
    files = open_images(str(folder / "list.txt"))
    joined = join_sources([files.select([0, 1]), _array().select([2, 3, 4])])
    expected = PIXELS.astype(float)
    if channels == 1:
        expected = np.rint(expected.mean(-1, keepdims=True))
    end = num_images or 5
    for source in (_array(), files, joined):
        images, labels = _gather(source, num_images, channels)
        assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
        np.testing.assert_array_equal(images, expected[:end])
        np.testing.assert_array_equal(labels, LABELS[:end])


def test_selected_images_come_in_their_order():
    images, labels = _gather(_array(PIXELS[..., :1]).select([4, 2, 2]))
    np.testing.assert_array_equal(images, PIXELS[[4, 2, 2], ..., :1])
    assert labels.tolist() == [0, 1, 1]


def test_gray_arrays_give_three_equal_channels():
    images, _ = _gather(_array(PIXELS[..., :1]), 2, 3)
    np.testing.assert_array_equal(images, PIXELS[:2, ..., [0, 0, 0]])


def test_images_without_a_class_have_none(folder):
    assert _gather(open_images(str(folder / "images")))[1].tolist() == [-1] * 5


def test_unreadable_images_are_left_out(folder):
    (folder / "images/2.png").write_bytes(b"torn")
    images, labels = _gather(open_images(str(folder / "list.txt")))
    assert len(images) == 4
    assert labels.tolist() == [1, 0, 1, 0]


def test_an_image_of_another_size_is_named(folder):
    Image.new("RGB", (4, 6)).save(folder / "images/3.png")
    message = r"images/3.png is 4 x 6 pixels, the first image 6 x 4: expected images of one size"
    with pytest.raises(UserError, match=message):
        _gather(open_images(str(folder / "list.txt")))


def test_more_images_than_there_are_and_other_channels_are_refused(folder):
    with pytest.raises(UserError, match="6 images were asked for; there are 5"):
        _gather(_array(), 6)
    with pytest.raises(ValueError, match="channels=2: expected 1 or 3"):
        _gather(_array(), 0, 2)
    (folder / "images/0.png").write_bytes(b"torn")
    with pytest.raises(UserError, match="none of the first 1 images can be read"):
        _gather(open_images(str(folder / "list.txt")), 1)


def test_labels_follow_the_wanted_classes_by_name(folder):
    for source in (_array(), open_images(str(folder / "list.txt"))):
        reader = ExampleReader(source)
        _, labels = gather_images(reader, class_names=("x", "1", "0"))
        assert labels.tolist() == [2 - label for label in LABELS]
        _, labels = gather_images(reader, class_names=())
        assert labels.tolist() == LABELS
        with pytest.raises(UserError, match="1 classes of the held-out images are not learned"):
            gather_images(reader, class_names=("0", "2"))


def test_an_image_without_a_class_is_named_where_classes_are_needed(folder):
    reader = ExampleReader(open_images(str(folder / "images")))
    assert (gather_images(reader)[1] == -1).all()
    with pytest.raises(UserError, match=r"0\.png has no class"):
        gather_images(reader, class_names=())
