import h5py
import numpy as np
import pytest
import scipy.io

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.depth_maps import DepthSource
from tfcolor.data.sources.nyu_depth import open_nyu_depth
from tfcolor.data.sources.opening import open_source

COUNT, HEIGHT, WIDTH = 5, 6, 8


@pytest.fixture
def nyu(tmp_path):
    """The two files as MATLAB writes them, for five frames of 8 x 6 pixels."""
    random_numbers = np.random.default_rng(0)
    images = random_numbers.integers(0, 256, (HEIGHT, WIDTH, 3, COUNT), np.uint8)
    depths = random_numbers.uniform(0.7, 9.9, (HEIGHT, WIDTH, COUNT)).astype(np.float32)
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "w") as file:
        # HDF5 has the axes in the order of C, MATLAB in that of Fortran.
        file["images"], file["depths"] = images.T, depths.T
    numbers = {"trainNdxs": np.array([[2.0], [5.0]]), "testNdxs": np.array([[1], [3], [4]])}
    scipy.io.savemat(tmp_path / "splits.mat", numbers)
    return tmp_path, images, depths


def test_splits_are_the_official_ones(nyu):
    folder, images, depths = nyu
    train = open_source(f"nyu:{folder}")
    assert isinstance(train, DepthSource)
    assert train.num_examples == 2
    assert train.name_of(1).endswith("nyu_depth_v2_labeled.mat#0005")
    test = open_source(f"nyu:{folder}/nyu_depth_v2_labeled.mat:test")
    assert test.num_examples == 3
    for source, frames in ((train, (1, 4)), (test, (0, 2, 3))):
        for index, frame in enumerate(frames):
            depth = source.depth_of(index)
            assert (depth.shape, depth.dtype) == ((HEIGHT, WIDTH), np.float32)
            np.testing.assert_array_equal(depth, depths[..., frame])
            image, _ = ExampleReader(source).read(index)
            np.testing.assert_array_equal(image, images[..., frame])
    np.testing.assert_array_equal(test.select([2]).depth_of(0), depths[..., 3])
    assert (train.class_names, train.label_of(0)) == ((), None)


def test_missing_files_and_splits_are_named(nyu, tmp_path_factory):
    folder, _, _ = nyu
    with pytest.raises(UserError, match=r"no split 'val'; known: train, test"):
        open_nyu_depth(f"{folder}:val")
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(UserError, match="empty0:test: no such file, nor a folder with nyu"):
        open_nyu_depth(f"{empty}:test")
    with pytest.raises(UserError, match="no such file, nor a folder with nyu_depth_v2_labeled"):
        open_nyu_depth("nowhere:test")
    (folder / "splits.mat").unlink()
    with pytest.raises(UserError, match=r"no file .*splits\.mat: NYU Depth v2 has it beside"):
        open_nyu_depth(str(folder))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"other": [[1]]}, r"splits\.mat cannot be used: .*trainNdxs"),
        ({"trainNdxs": [[1, 6]]}, "names frame 6; .* has 1 to 5"),
        ({"trainNdxs": [[0, 1]]}, "names frame 0"),
        ({"trainNdxs": np.zeros((0, 1))}, "trainNdxs names no frame"),
        ({"trainNdxs": [[1.0, 2.5]]}, r"names frame 2\.5: expected whole numbers"),
        ({"trainNdxs": [[np.nan, 1.0]]}, "names frame nan: expected whole numbers"),
        ({"trainNdxs": [[1e30, 1.0]]}, r"names frame 1e\+30: expected whole numbers"),
        ({"trainNdxs": "12"}, "trainNdxs has no numbers"),
        ({"trainNdxs": {"a": 1}}, "trainNdxs has no numbers"),
    ],
)
def test_a_split_that_does_not_fit_is_refused(nyu, numbers, message):
    folder, _, _ = nyu
    scipy.io.savemat(folder / "splits.mat", numbers)
    with pytest.raises(UserError, match=message):
        open_nyu_depth(str(folder))


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_list_of_splits_that_ends_early_is_refused_or_still_right(nyu, split):
    folder, _, _ = nyu
    path = folder / "splits.mat"
    content, num_refused = path.read_bytes(), 0
    names = _names(open_nyu_depth(f"{folder}:{split}"))
    for length in range(len(content)):
        path.write_bytes(content[:length])
        try:
            source = open_nyu_depth(f"{folder}:{split}")
        except UserError as error:
            assert str(path) in str(error)
            num_refused += 1
        else:
            assert _names(source) == names
    # Without the last variable the first one is whole.
    assert num_refused >= len(content) - 1


def _names(source):
    return [source.name_of(index) for index in range(source.num_examples)]


def test_files_of_another_kind_are_refused(nyu):
    folder, _, _ = nyu
    (folder / "splits.mat").write_bytes(b"no matrix at all, but long enough to be one" * 9)
    with pytest.raises(UserError, match=r"splits\.mat is no MATLAB file, or damaged"):
        open_nyu_depth(str(folder))
    labeled = folder / "nyu_depth_v2_labeled.mat"
    with h5py.File(labeled, "a") as file:
        del file["depths"]
        file["depths"] = np.zeros((4, WIDTH, HEIGHT))
    with pytest.raises(UserError, match=r"images of shape \[5, 3, 8, 6\] and depths of shape \[4"):
        open_nyu_depth(str(folder))
    for content, message in (
        (h5py.Empty("f4"), r"depths of shape \[\]; expected"),
        (None, r"damaged: 'Group' object has no attribute 'shape'"),
    ):
        with h5py.File(labeled, "a") as file:
            del file["depths"]
            if content is None:
                file.create_group("depths")
            else:
                file["depths"] = content
        with pytest.raises(UserError, match=message):
            open_nyu_depth(str(folder))
    with h5py.File(labeled, "a") as file:
        del file["depths"]
    with pytest.raises(UserError, match=r"cannot be used: .*depths"):
        open_nyu_depth(str(folder))
    labeled.write_bytes(b"no HDF5")
    with pytest.raises(UserError, match="is no MATLAB file, or damaged"):
        open_nyu_depth(str(folder))


def test_a_frame_that_cannot_be_read_is_named(nyu):
    folder, _, _ = nyu
    source = open_nyu_depth(str(folder))
    (folder / "nyu_depth_v2_labeled.mat").write_bytes(b"gone")
    with pytest.raises(UnreadableImageError, match=r"#0002: damaged file"):
        source.depth_of(0)
    with h5py.File(folder / "nyu_depth_v2_labeled.mat", "w") as file:
        file["depths"] = np.ones((1, WIDTH, HEIGHT), np.float32)
        file.create_group("images")
    source = source.select([1])
    for read in (source.depth_of, source.read_bytes):
        with pytest.raises(UnreadableImageError, match=r"#0005: damaged file"):
            read(0)
