import io
import pickle

import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.sources.cifar import open_cifar100, open_cifar100_coarse
from tfcolor.data.sources.opening import open_source

FINE, COARSE = ("cloud", "plain", "sea"), ("land", "sky")


def _content(count, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "data": rng.integers(0, 256, (count, 3072)).astype(np.uint8),
        "fine_labels": rng.integers(0, 3, count).tolist(),
        "coarse_labels": rng.integers(0, 2, count).tolist(),
        "filenames": [f"{number}.png" for number in range(count)],
        "batch_label": "",
    }


def _as_bytes(content):
    """Keys and texts as Python 2 had them, and as the official files read."""
    return {
        key.encode(): [one.encode() for one in value] if key == "filenames" else value
        for key, value in content.items()
    }


def _dump(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol))


@pytest.fixture
def folder(tmp_path):
    names = {"fine_label_names": list(FINE), "coarse_label_names": list(COARSE)}
    _dump(tmp_path / "meta", names)
    _dump(tmp_path / "train", _as_bytes(_content(5)))
    _dump(tmp_path / "test", _content(2, seed=1), protocol=5)
    return tmp_path


def _pixels(source, index):
    return np.asarray(Image.open(io.BytesIO(source.read_bytes(index))))


@pytest.mark.parametrize(("split", "count", "seed"), [("train", 5, 0), ("test", 2, 1)])
def test_images_are_planes_of_red_green_and_blue(folder, split, count, seed):
    source = open_source(f"cifar100:{folder}:{split}")
    content = _content(count, seed)
    assert source.num_examples == count
    for index in range(count):
        expected = content["data"][index].reshape(3, 32, 32).transpose(1, 2, 0)
        np.testing.assert_array_equal(_pixels(source, index), expected)
        assert source.name_of(index) == f"{folder}/{split}/{index}.png"


def test_classes_are_fine_or_coarse(folder):
    fine, coarse = open_cifar100(str(folder)), open_cifar100_coarse(str(folder))
    assert (fine.class_names, coarse.class_names) == (FINE, COARSE)
    content = _content(5)
    assert [fine.label_of(index) for index in range(5)] == content["fine_labels"]
    assert [coarse.label_of(index) for index in range(5)] == content["coarse_labels"]
    assert type(fine.label_of(0)) is int


def test_names_of_files_may_be_missing(folder):
    content = _content(3)
    del content["filenames"]
    _dump(folder / "train", content)
    assert open_cifar100(str(folder)).name_of(2) == f"{folder}/train/2"


def _python_2(array):
    """Pickles an array as the official files have it, with strings of bytes."""
    rows, columns = (b"M" + length.to_bytes(2, "little") for length in array.shape)
    size = array.nbytes.to_bytes(4, "little")
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01" + rows + columns + b"\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + size + array.tobytes() + b"tb"
    )


def test_pickles_of_python_2_are_read(folder):
    content = _content(2)
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in content["fine_labels"]) + b"e"
    data = _python_2(content["data"])
    (folder / "train").write_bytes(
        b"\x80\x02}(U\x04data" + data + b"U\x0bfine_labels" + labels + b"u."
    )
    source = open_cifar100(str(folder))
    assert [source.label_of(index) for index in range(2)] == content["fine_labels"]
    expected = content["data"][1].reshape(3, 32, 32).transpose(1, 2, 0)
    np.testing.assert_array_equal(_pixels(source, 1), expected)


class _Hostile:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.recipe = (function, arguments)

    def __reduce__(self):
        return self.recipe


@pytest.mark.parametrize("name", ["train", "meta"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_runs_code_is_refused(folder, name, protocol):
    import os

    trace = folder / "trace"
    for function, argument in [(os.mkdir, str(trace)), (eval, f"__import__('os').mkdir({trace})")]:
        _dump(folder / name, {"data": _Hostile(function, argument)}, protocol)
        with pytest.raises(UserError, match=rf"cannot read .*{name} .*which is not allowed"):
            open_cifar100(str(folder))
    assert not trace.exists()


@pytest.mark.parametrize("damage", [b"", b"not a pickle", b"\x80\x04\x95"])
def test_a_file_that_is_no_pickle_is_named(folder, damage):
    (folder / "test").write_bytes(damage)
    with pytest.raises(UserError, match=r"cannot read .*test as a file of CIFAR-100"):
        open_cifar100(f"{folder}:test")


@pytest.mark.parametrize("length", [1, 40, 7000, -1])
def test_a_truncated_file_is_named(folder, length):
    path = folder / "train"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match=r"cannot read .*train as a file of CIFAR-100"):
        open_cifar100(str(folder))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": np.zeros([5, 3071], np.uint8)}, r"its data is no uint8 \[N, 3072\]"),
        ({"data": np.zeros([5, 3072], np.float32)}, r"its data is no uint8 \[N, 3072\]"),
        ({"data": np.zeros([0, 3072], np.uint8)}, r"its data is no uint8 \[N, 3072\]"),
        ({"data": None}, "it has no data"),
        ({"fine_labels": [0, 1]}, "it has 5 images, 2 labels and 5 names"),
        ({"fine_labels": None}, "it has no fine_labels"),
        ({"fine_labels": [0, 1, 2, 3, 0]}, "has the fine label 3: expected 0 to 2"),
        ({"fine_labels": [0, -1, 2, 0, 0]}, "has the fine label -1: expected 0 to 2"),
        ({"fine_labels": [0, "1", 2, 0, 0]}, "has the fine label '1': expected 0 to 2"),
    ],
)
def test_a_foreign_file_says_what_is_wrong(folder, changes, message):
    _dump(folder / "train", _content(5) | changes)
    with pytest.raises(UserError, match=message):
        open_cifar100(str(folder))


def test_a_pickle_of_something_else_is_refused(folder):
    _dump(folder / "train", [1, 2])
    with pytest.raises(UserError, match="train is no CIFAR-100 file: it holds a list"):
        open_cifar100(str(folder))


@pytest.mark.parametrize("name", ["train", "meta"])
def test_missing_files_are_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"no file .*{name}; CIFAR-100 has the files train, test"):
        open_cifar100(str(folder))
