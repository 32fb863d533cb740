import gzip
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.digit_variations import VARIATIONS
from tfcolor.data.sources import mnist
from tfcolor.data.sources.image_folder import open_images
from tfcolor.data.sources.mnist import open_mnist, open_variation
from tfcolor.data.sources.opening import open_source

RNG = np.random.default_rng(0)
COUNTS = {"train": 50, "t10k": 12}
IMAGES = {
    name: RNG.integers(0, 256, (count, 28, 28)).astype(np.uint8) for name, count in COUNTS.items()
}
LABELS = {name: RNG.integers(0, 10, count).astype(np.uint8) for name, count in COUNTS.items()}


def _idx(values):
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.tobytes()


def _write(folder, dot="-", suffix=".gz", **arrays):
    for name in COUNTS:
        for kind, table in (("images-3", IMAGES), ("labels-1", LABELS)):
            word, axes = kind.split("-")
            content = _idx(arrays.get(f"{name}_{word}", table[name]))
            path = folder / f"{name}-{word}{dot}idx{axes}-ubyte{suffix}"
            path.write_bytes(gzip.compress(content) if suffix else content)


@pytest.fixture
def folder(tmp_path):
    _write(tmp_path)
    return tmp_path


@pytest.mark.parametrize("dot", "-.")
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_are_found_under_each_of_their_names(tmp_path, dot, suffix):
    _write(tmp_path, dot, suffix)
    for place, name in (("", "train"), (":train", "train"), (":test", "t10k")):
        source = open_source(f"mnist:{tmp_path}{place}")
        np.testing.assert_array_equal(source.images()[..., 0], IMAGES[name])
        np.testing.assert_array_equal(source.labels(), LABELS[name])
        assert source.class_names == tuple("0123456789")
        assert source.num_examples == COUNTS[name]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"train_labels": LABELS["t10k"]}, r"has 50 images, .*train-labels.* has 12 labels"),
        ({"train_labels": np.full(50, 10, np.uint8)}, "has the label 10: expected 0 to 9"),
        ({"train_images": LABELS["train"]}, "train-images.* is no IDX file of 3 axes"),
    ],
)
def test_foreign_files_say_what_is_wrong(tmp_path, arrays, message):
    _write(tmp_path, **arrays)
    with pytest.raises(UserError, match=message):
        open_mnist(str(tmp_path))


def test_missing_files_and_splits_are_named(folder):
    with pytest.raises(UsageError, match="unknown split of mnist 'valid'; known: test, train"):
        open_mnist(f"{folder}:valid")
    with pytest.raises(UsageError, match="unknown split of mnist_rot 'val'; known: test, train"):
        open_variation("rot", f"{folder}:val")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    message = "no file .*t10k-labels-idx1-ubyte, nor t10k-labels.idx1-ubyte, nor either with .gz"
    with pytest.raises(UserError, match=message):
        open_source(f"mnist_basic:{folder}")


@pytest.fixture
def few_photos(folder, monkeypatch):
    """The photographs behind digits, two small ones."""
    for name in "ab":
        Image.fromarray(RNG.integers(0, 256, (30, 40)).astype(np.uint8)).save(
            folder / f"{name}.png"
        )
    monkeypatch.setattr(mnist, "open_backgrounds", lambda: open_images(str(folder / "*.png")))


@pytest.mark.parametrize("name", VARIATIONS)
@pytest.mark.usefixtures("few_photos")
def test_variations_are_made_of_all_digits_in_the_same_order(folder, name):
    basic = [open_source(f"mnist_basic:{folder}:{split}") for split in ("train", "valid", "test")]
    varied = [open_source(f"mnist_{name}:{folder}:{split}") for split in ("train", "valid", "test")]
    assert [source.num_examples for source in varied] == [10, 2, 50]
    for one, other in zip(basic, varied, strict=True):
        np.testing.assert_array_equal(one.labels(), other.labels())
        assert (one.images() == other.images()).all() == (name == "basic")
        assert other.images().shape[1:] == (28, 28, 1)
    seen = {image.tobytes() for source in basic for image in source.images()}
    assert seen == {image.tobytes() for part in IMAGES.values() for image in part}
    again = open_source(f"mnist_{name}:{folder}:valid").images()
    np.testing.assert_array_equal(again, varied[1].images())
    names = {source.name_of(index) for source in varied for index in range(source.num_examples)}
    assert len(names) == 62
    other = open_source(f"mnist_{name}:{folder}:seed=1").images()
    assert not np.array_equal(other, varied[0].images())


def test_backgrounds_come_from_other_photographs_for_testing(tmp_path):
    black = {f"{name}_images": np.zeros([COUNTS[name], 28, 28], np.uint8) for name in COUNTS}
    _write(tmp_path, **black)
    (tmp_path / "photos").mkdir()
    for index in range(4):
        colors = np.zeros([30, 30, 3], np.uint8)
        colors[:, ::2] = 60 * index + 70
        Image.fromarray(colors).save(tmp_path / f"photos/{index}.png")

    def brightest(split, *settings):
        settings = ":".join([split, *settings, f"backgrounds={tmp_path}/photos"])
        source = open_source(f"mnist_bg_img:{tmp_path}:{settings}")
        return set(source.images().max(axis=(1, 2, 3)).tolist())

    train, test = brightest("train"), brightest("test")
    assert (len(train), len(test)) == (2, 2)
    assert train | test == {70, 130, 190, 250}
    assert brightest("valid") <= train
    assert brightest("test", "sources=shared") == train | test


def test_settings_that_make_no_sense_are_refused(folder):
    for settings, message in [
        ("sed=1", "unknown setting of a variation of mnist 'sed'; known: backgrounds, composite"),
        ("seed=one", "seed=one: expected a whole number from 0 on"),
        ("composite=sum", "unknown composite 'sum'; known: alpha, max"),
        ("sources=all", "unknown way to use background sources 'all'; known: disjoint, shared"),
    ]:
        with pytest.raises(UsageError, match=message):
            open_source(f"mnist_bg_img:{folder}:test:{settings}")
    Image.new("RGB", (40, 40)).save(folder / "one.png")
    with pytest.raises(UserError, match="1 background: expected at least 2, or the setting sour"):
        open_source(f"mnist_bg_img:{folder}:backgrounds={folder}/one.png")


def _amat(count):
    rows = np.random.default_rng(count).integers(0, 256, (count, 784)) / 255
    lines = [
        " ".join(map("{:.8f}".format, row)) + f" {index % 10}.0" for index, row in enumerate(rows)
    ]
    return rows, "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("basic", "mnist_train", "mnist_test"),
        (
            "rot",
            "mnist_all_rotation_normalized_float_train_valid",
            "mnist_all_rotation_normalized_float_test",
        ),
    ],
)
def test_published_files_are_taken_as_they_are(folder, name, train, test):
    (rows, text), (_, test_text) = _amat(12), _amat(7)
    (folder / f"{train}.amat").write_text(text)
    archive = {"basic": "mnist.zip", "rot": "mnist_rotation_new.zip"}[name]
    with zipfile.ZipFile(folder / archive, "w") as opened:
        opened.writestr(f"{test}.amat", test_text)
    sources = {
        split: open_source(f"mnist_{name}:{folder}:{split}") for split in ("train", "valid", "test")
    }
    assert [source.num_examples for source in sources.values()] == [10, 2, 7]
    assert sources["valid"].labels().tolist() == [0, 1]
    expected = np.floor(255 * np.round(rows, 8)).reshape(-1, 28, 28)
    expected = expected if name == "basic" else expected.transpose(0, 2, 1)
    np.testing.assert_array_equal(sources["train"].images()[..., 0], expected[:10])
    np.testing.assert_array_equal(sources["valid"].images()[..., 0], expected[10:])
    with pytest.raises(UserError, match=f"seed=1: .*{train}.amat is there; its images are as"):
        open_source(f"mnist_{name}:{folder}:seed=1")
