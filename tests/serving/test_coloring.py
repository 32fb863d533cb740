import shutil
from pathlib import Path

import pytest

from tests.serving.model_servicer import RefusalError, sepia_bytes
from tfcolor_client.client import Client
from tfcolor_client.coloring import ColoringOptions, Work, color_all, find_work
from tfcolor_client.errors import ServingError


@pytest.fixture
def album(photos, tmp_path) -> Path:
    """Six photographs, one of them in a folder within."""
    folder = tmp_path / "album"
    shutil.copytree(photos, folder)
    (folder / "deep").mkdir()
    (folder / "photo5.jpg").rename(folder / "deep/photo5.jpg")
    return folder


@pytest.fixture
def client(grpc_address):
    with Client(grpc_address) as client:
        yield client


def color(client: Client, work: list[Work], **options) -> dict[str, str | None]:
    """Colors and returns what was said about each file."""
    done = color_all(client, work, ColoringOptions(**options))
    return {item.source.name: error and error.code for item, error in done}


def test_a_folder_is_mirrored(album, tmp_path):
    work = find_work([str(album)], str(tmp_path / "out"))
    targets = {item.target.relative_to(tmp_path / "out").as_posix() for item in work}
    assert targets == {*(f"photo{index}.png" for index in range(5)), "deep/photo5.png"}


def test_results_beside_the_originals_are_no_originals(album):
    for _ in range(2):
        work = find_work([str(album), str(album / "photo0.png")])
        assert len(work) == 6
        for item in work:
            assert item.target == item.source.with_name(f"{item.source.stem}_colorized.png")
            item.target.touch()


def test_names_that_differ_in_their_suffix_stay_apart(tmp_path):
    for name in ("a.jpg", "a.png"):
        (tmp_path / name).touch()
    work = find_work([str(tmp_path)], str(tmp_path / "out"))
    assert [item.target.name for item in work] == ["a.png", "a.png.png"]


@pytest.mark.parametrize(
    ("names", "output", "words"),
    [
        (["none.jpg"], "", "no file or folder .*none.jpg"),
        (["empty"], "", "no photographs in .*expected files"),
        (["a.png"], ".", "a.png has no free name"),
    ],
)
def test_inputs_that_cannot_be_used_are_named(tmp_path, names, output, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.png").touch()
    inputs = [str(tmp_path / name) for name in names]
    with pytest.raises(ServingError, match=words):
        find_work(inputs, output and str(tmp_path))


def test_several_photographs_share_a_request_within_the_limit(client, sepia, album, tmp_path):
    work = find_work([str(album)], str(tmp_path / "out"))
    for limit, num_requests in ((2**20, 1), (1, 6), (60_000, 2)):
        sepia.asked.clear()
        assert set(color(client, work, max_batch_bytes=limit).values()) == {None}
        assert len(sepia.asked) == num_requests
        for item in work:
            assert item.target.read_bytes() == sepia_bytes(item.source.read_bytes())


def test_bad_files_stop_none_of_the_others(client, album, tmp_path):
    (album / "a_note.jpg").write_text("not a photograph")
    whole = (album / "photo1.jpg").read_bytes()
    (album / "z_cut.jpg").write_bytes(whole[: len(whole) // 2])
    said = color(client, find_work([str(album)], str(tmp_path / "out")))
    failed = {name for name, code in said.items() if code}
    assert failed == {"a_note.jpg", "z_cut.jpg"} and len(said) == 8
    assert len(list((tmp_path / "out").rglob("*.png"))) == 6


def test_a_photograph_that_the_server_cannot_color_is_reported_alone(
    client, sepia, album, tmp_path, monkeypatch
):
    broken = (album / "photo2.png").read_bytes()
    paint = sepia.functions["serving_default"]

    def refuse_one(inputs):
        images = [b"" if image == broken else image for image in inputs["image_bytes"]]
        return paint({"image_bytes": images})

    monkeypatch.setitem(sepia.functions, "serving_default", refuse_one)
    said = color(client, find_work([str(album)], str(tmp_path / "out")))
    assert {name: code for name, code in said.items() if code} == {"photo2.png": "INVALID_ARGUMENT"}


def test_a_batch_that_is_refused_is_sent_one_by_one(client, sepia, album, tmp_path, monkeypatch):
    paint = sepia.functions["serving_default"]

    def refuse_many(inputs):
        if len(inputs["image_bytes"]) > 1:
            raise RefusalError("RESOURCE_EXHAUSTED", "too much at once")
        if inputs["image_bytes"][0] == (album / "photo0.png").read_bytes():
            raise RefusalError("INVALID_ARGUMENT", "not this one")
        return paint(inputs)

    monkeypatch.setitem(sepia.functions, "serving_default", refuse_many)
    said = color(client, find_work([str(album)], str(tmp_path / "out")))
    assert {name: code for name, code in said.items() if code} == {"photo0.png": "INVALID_ARGUMENT"}
    assert len(said) == 6


def test_a_lost_server_ends_the_work_and_keeps_what_is_done(client, sepia, album, tmp_path):
    work = find_work([str(album)], str(tmp_path / "out"))
    done = color_all(client, work, ColoringOptions(max_batch_bytes=1))
    next(done)
    sepia.refusals[:] = [RefusalError("NOT_FOUND", "unloaded")]
    with pytest.raises(ServingError, match="unloaded"):
        next(done)
    assert [path.name for path in (tmp_path / "out").rglob("*.png")] == [work[0].target.name]


def test_samples_are_named_by_their_seeds(client, album, tmp_path):
    (work,) = find_work([str(album / "photo0.png")], str(tmp_path / "out"))
    assert color(client, [work], seeds=(3, -7)) == {"photo0.png": None}
    for seed in (3, -7):
        expected = sepia_bytes(work.source.read_bytes(), seed)
        assert (tmp_path / f"out/photo0_{seed}.png").read_bytes() == expected


def test_a_model_that_is_no_colorizer_is_told_before_anything_is_read(client, sepia, tmp_path):
    work = [Work(tmp_path / "none.jpg", tmp_path / "out.png")]
    signatures = sepia.signature_def.signature_def
    kept = signatures["sample"].SerializeToString()
    del signatures["sample"]
    with pytest.raises(ServingError, match=r"no signature sample.*expected a colorizer"):
        color(client, work, seeds=(1,))
    signatures["sample"].ParseFromString(kept)
