import pytest
from PIL import Image

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.sources import SOURCES
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.opening import open_source, split_places
from tfcolor.data.sources.tfrecord import TfrecordSource, write_tfrecord


@pytest.fixture
def places(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (4, 3)).save(tmp_path / "photos/a.png")
    (tmp_path / "list.txt").write_text("photos/a.png\n")
    write_tfrecord(tmp_path / "records/x.tfrecord-00000-of-00001", [b"a", b"b"])
    return tmp_path


@pytest.mark.parametrize("place", ["photos", "photos/*.png", "list.txt", "photos/a.png"])
def test_paths_open_as_files(places, place):
    source = open_source(str(places / place))
    assert isinstance(source, FileSource)
    assert source.name_of(0).endswith("a.png")


@pytest.mark.parametrize("place", ["records", "records/*.tfrecord*", "records/x.tfrecord-*"])
def test_shards_open_as_records(places, place):
    source = open_source(str(places / place))
    assert isinstance(source, TfrecordSource)
    assert source.num_examples == 2


def test_schemes_name_their_source(places):
    assert open_source("builtin:photos:heldout").num_examples == 2
    assert open_source(f"files:{places / 'photos'}").num_examples == 1
    assert open_source(f"tfrecord:{places / 'records'}").num_examples == 2


def test_a_path_with_a_colon_is_a_path(places, monkeypatch):
    (places / "photos").rename(places / "trip:italy")
    monkeypatch.chdir(places)
    assert open_source("trip:italy").num_examples == 1


def test_unknown_schemes_list_the_known():
    with pytest.raises(
        UsageError,
        match="'tdfs'; known: builtin, camvid, cifar100, cifar100_coarse, depth, files, mnist, ",
    ):
        open_source("tdfs:imagenet2012")


def test_places_with_commas_between_them_are_joined(places):
    source = open_source(f"{places / 'photos'}, {places / 'list.txt'},builtin:photos:heldout")
    names = [source.name_of(index)[-10:] for index in range(source.num_examples)]
    assert names == ["otos/a.png", "otos/a.png", *(["chelsea.png"[-10:], "coffee.png"])]


@pytest.mark.parametrize("place", ["one,two", "files:one,two", "one,*/*.png", "camvid:a,b:val"])
def test_a_comma_may_be_part_of_a_name(places, monkeypatch, place):
    (places / "photos").rename(places / "one,two")
    for folder in ("a,b/val", "a,b/valannot"):
        (places / folder).mkdir(parents=True)
        Image.new("L", (4, 3)).save(places / folder / "0.png")
    monkeypatch.chdir(places)
    assert open_source(place).num_examples == 1


def test_places_are_split_at_commas_but_not_inside_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert split_places("mnist:a:train, builtin:photos,b") == [
        "mnist:a:train",
        "builtin:photos",
        "b",
    ]
    assert split_places("photos") == ["photos"]
    (tmp_path / "a,b").mkdir()
    assert split_places("a,b") == ["a,b"]


@pytest.mark.parametrize("place", [",photos", "photos,", "photos,,list.txt"])
def test_nothing_between_commas_is_an_error(places, monkeypatch, place):
    monkeypatch.chdir(places)
    with pytest.raises(UsageError, match="has nothing between two commas, or before or after"):
        open_source(place)


def test_every_part_must_be_there(places):
    with pytest.raises(UserError, match=r"no such folder, image or list of images: .*gone"):
        open_source(f"{places / 'photos'},{places / 'gone'}")


@pytest.mark.parametrize("scheme", sorted(SOURCES))
def test_every_source_refuses_what_is_not_there(scheme, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match="nowhere"):
        open_source(f"{scheme}:nowhere")
