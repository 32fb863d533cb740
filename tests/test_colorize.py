import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfcolor.config.command import execute
from tfcolor.colorize import COMMAND
from tfcolor.inference.manifest import MANIFEST_FILE

# Smaller than what photographs are usually colored at, for speed.
SMALL = ("--network_min_side=32", "--network_max_side=64")


def colorize(*arguments: str) -> int:
    return execute(COMMAND, [*SMALL, *arguments])


def lightness(path: Path) -> np.ndarray:
    """Returns the mean of red, green and blue in steps of 1/255, float64 [H, W].

    Sixteen bits are scaled to that range, and opacity is left out.
    """
    image = Image.open(path)
    if image.mode.startswith("I"):
        return np.asarray(image, np.float64) / 257
    return np.asarray(image.convert("RGB"), np.float64).mean(axis=-1)


@pytest.fixture
def odd_photos(tmp_path) -> Path:
    """A folder of images of every kind that a scanner or camera may leave."""
    folder = tmp_path / "odd"
    (folder / "deep").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (21, 34, 4), dtype=np.uint8)
    Image.fromarray(noise[..., :3]).save(folder / "rgb.png")
    Image.fromarray(noise[..., 0]).save(folder / "deep/gray.png")
    Image.fromarray(noise).save(folder / "alpha.png")
    Image.fromarray(noise, "CMYK").save(folder / "cmyk.jpg")
    sixteen = np.random.default_rng(1).integers(0, 65536, (21, 34), dtype=np.uint16)
    Image.fromarray(sixteen).save(folder / "sixteen.png")
    Image.fromarray(noise[:1, :1, :3]).save(folder / "pixel.png")
    Image.fromarray(np.repeat(noise[:10, :1, :3], 20_000, axis=1)).save(folder / "thread.png")
    Image.fromarray(np.full((9, 8, 3), 255, np.uint8)).save(folder / "white.png")
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(folder / "black.png")
    return folder


def test_help_teaches(capsys):
    assert colorize("--help") == 0
    shown = capsys.readouterr().out
    assert "tfcolor colorize --model=runs/first grandmother.jpg" in shown
    assert "NAME_colorized.png" in shown
    for flag in ("num_samples", "samples_by", "reference", "histogram", "hints", "hint_image"):
        assert f"--{flag}=" in shown.partition("Usage:")[0]


def test_every_kind_of_image_keeps_size_and_lightness(tiny_run, odd_photos, tmp_path):
    output = tmp_path / "colored"
    assert colorize(f"--model={tiny_run}", str(odd_photos), f"--output={output}") == 0
    sources = sorted(path for path in odd_photos.rglob("*") if path.is_file())
    assert len(sources) == 9
    for source in sources:
        target = output / source.relative_to(odd_photos).with_suffix(".png")
        before, after = lightness(source), lightness(target)
        assert after.shape == before.shape
        # Pillow shows the upper 8 of 16 bits of color: up to a step less.
        assert np.abs(after - before).max() <= (1 if source.stem == "sixteen" else 0.5), source
    np.testing.assert_array_equal(
        np.asarray(Image.open(output / "alpha.png"))[..., 3],
        np.asarray(Image.open(odd_photos / "alpha.png"))[..., 3],
    )


def test_photograph_turned_by_its_camera_comes_out_upright(tiny_run, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    assert colorize(f"--model={tiny_run}", str(tmp_path / "turned.png")) == 0
    colored = np.asarray(Image.open(tmp_path / "turned_colorized.png"), np.float64)
    upright = np.rot90(pixels, -1).astype(np.float64)
    assert np.abs(colored.mean(axis=-1) - upright.mean(axis=-1)).max() <= 0.5


def test_export_colors_as_its_run(tiny_run, tmp_path, photos, tiny_export):
    source = photos / "photo0.png"
    for name, model in (("run", tiny_run), ("export", tiny_export)):
        # An export has sizes of its own; the defaults of both are the same.
        arguments = [f"--model={model}", str(source), f"--output={tmp_path}/{name}.png"]
        assert execute(COMMAND, arguments) == 0
    run, exported = (
        np.asarray(Image.open(tmp_path / f"{name}.png"), int) for name in ("run", "export")
    )
    # One step where rounding falls on another side of a half.
    assert np.abs(run - exported).max() <= 1


def test_results_lie_beside_the_originals_and_are_not_colored_again(tiny_run, photos, tmp_path):
    folder = tmp_path / "album"
    shutil.copytree(photos, folder)
    for _ in range(2):
        assert colorize(f"--model={tiny_run}", str(folder)) == 0
    names = {path.name for path in folder.iterdir()} - {MANIFEST_FILE}
    originals = {path.name for path in photos.iterdir()}
    assert names == originals | {f"{Path(name).stem}_colorized.png" for name in originals}


def test_sheet_shows_what_was_colored(tiny_run, photos, tmp_path, capfd):
    pattern = str(photos / "*.jpg")
    arguments = [pattern, f"--output={tmp_path}/colored", f"--sheet={tmp_path}/sheet.png"]
    assert colorize(f"--model={tiny_run}", *arguments) == 0
    assert len(list((tmp_path / "colored").glob("*.png"))) == 3
    assert min(Image.open(tmp_path / "sheet.png").size) > 100
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if not line.startswith("tfcolor colorize: ")] == []
    assert any("colored 3 of 3" in line for line in lines)


def test_bad_files_stop_none_of_the_others(tiny_run, photos, tmp_path, capfd):
    folder, output = tmp_path / "album", tmp_path / "colored"
    shutil.copytree(photos, folder)
    (folder / "a_note.jpg").write_text("not a photograph")
    whole = (photos / "photo1.jpg").read_bytes()
    (folder / "b_cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "c_empty.png").touch()
    assert colorize(f"--model={tiny_run}", str(folder), f"--output={output}") == 1
    assert {path.name for path in output.glob("*.png")} == {
        f"photo{index}.png" for index in range(6)
    }
    lines = capfd.readouterr().err.splitlines()
    for name in ("a_note.jpg", "b_cut.jpg", "c_empty.png"):
        assert len([line for line in lines if name in line]) == 1
    assert lines[-1] == "tfcolor colorize: 3 of 9 photographs could not be colored"


@pytest.mark.parametrize(
    ("status", "arguments", "words"),
    [
        (2, ["--model={run}"], ("no photographs given",)),
        (2, ["{photo}"], ("--model",)),
        (2, ["--model={run}", "{photo}", "--decoding_hue=loud"], ("loud", "expectation")),
        (2, ["--model={run}", "{photo}", "--outputs=x"], ("outputs", "--help")),
        (1, ["--model={run}", "{folder}/none.jpg"], ("none.jpg",)),
        (1, ["--model={run}", "{folder}/empty"], ("no photographs", "empty")),
        (1, ["--model={run}", "{folder}/*.webp"], ("*.webp",)),
        (1, ["--model={run}", "{photo}", "model=7"], ("model=7",)),
        (1, ["--model={folder}/none", "{photo}"], ("none",)),
        (1, ["--model={folder}/empty", "{photo}"], ("not a run",)),
        (1, ["--model={folder}/file", "{photo}"], ("not a run",)),
        (1, ["--model={run}", "{photo}", "--output={folder}/file/x"], ("cannot write",)),
        (1, ["--model={run}", "{photo}", "--output={folder}/x.gif"], (".png", ".gif")),
        (1, ["--model={run}", "{photos}", "--output={folder}/x.png"], ("one file", "6")),
        (1, ["--model={run}", "{photo}", "--output={folder}/c", "--sheet={folder}/file/s.png"],
         ("cannot write",)),
    ],
)  # fmt: skip
def test_mistake_is_one_line(tiny_run, photos, tmp_path, capfd, status, arguments, words):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    before = sorted(photos.iterdir())
    places = {"run": tiny_run, "photos": photos, "folder": tmp_path}
    places["photo"] = photos / "photo0.png"
    capfd.readouterr()
    assert colorize(*(text.format(**places) for text in arguments)) == status
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("tfcolor colorize: ")
    assert all(word in line for word in words)
    assert sorted(photos.iterdir()) == before
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("model", ["tiny_run", "tiny_export"])
def test_variations_are_numbered_and_shown(model, request, photos, tmp_path):
    arguments = [f"--model={request.getfixturevalue(model)}", str(photos / "photo0.png")]
    bias = ["--num_samples=3", "--samples_by=bias", "--decoding_bias_strength=4", "--uncertainty"]
    outputs = [f"--output={tmp_path}/out", f"--sheet={tmp_path}/sheet.png"]
    assert execute(COMMAND, [*arguments, *bias, *outputs]) == 0
    names = {f"photo0_{index}{mark}.png" for index in (1, 2, 3) for mark in ("", "_uncertainty")}
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == names
    colored = [
        np.asarray(Image.open(tmp_path / f"out/photo0_{index}.png"), int) for index in (1, 2, 3)
    ]
    assert all(np.abs(colored[0] - other).mean() > 0.2 for other in colored[1:])
    assert Image.open(tmp_path / "out/photo0_1_uncertainty.png").mode == "L"
    # Five columns: input, three results, uncertainty.
    assert Image.open(tmp_path / "sheet.png").width > 5 * 256


def test_seeds_can_be_repeated(tiny_run, photos, tmp_path):
    source = str(photos / "photo1.jpg")
    for name, seed in (("a", 3), ("b", 4)):
        output = f"--output={tmp_path}/{name}.png"
        flags = ["--num_samples=2", f"--decoding_seed={seed}", "--decoding_use_fading=false"]
        assert colorize(f"--model={tiny_run}", source, output, *flags) == 0
    first, second, again = (
        np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("a_1", "a_2", "b_1")
    )
    np.testing.assert_array_equal(second, again)
    assert np.any(first != second)


def test_histogram_file_colors_as_its_reference(tiny_run, photos, tmp_path):
    model, source = f"--model={tiny_run}", str(photos / "photo0.png")
    reference, file = f"--reference={photos / 'photo1.jpg'}", tmp_path / "histogram.json"
    assert colorize(model, reference, f"--write_histogram={file}") == 0
    for name, flags in {
        "plain": [],
        "energy": [reference],
        "file": [f"--histogram={file}"],
        "quantile": [reference, "--transfer=quantile"],
    }.items():
        assert colorize(model, source, *flags, f"--output={tmp_path}/{name}.png") == 0
        before, after = lightness(Path(source)), lightness(tmp_path / f"{name}.png")
        assert np.abs(after - before).max() <= 0.5
    energy, file, quantile, plain = (
        np.asarray(Image.open(tmp_path / f"{name}.png"), int)
        for name in ("energy", "file", "quantile", "plain")
    )
    # The file rounds its shares.
    assert np.abs(energy - file).max() <= 1
    assert np.abs(energy - plain).mean() > 0.5
    assert np.abs(quantile - plain).mean() > 0.5


def test_hints_color_a_photograph(tiny_run, photos, tmp_path):
    source = photos / "photo0.png"
    width, height = Image.open(source).size
    strokes = np.zeros((height, width, 4), np.uint8)
    strokes[8:12, 8:12] = 220, 30, 40, 255
    Image.fromarray(strokes).save(tmp_path / "strokes.png")
    points = [{"row": row, "column": column, "rgb": "#dc1e28"} for row, column in np.ndindex(4, 4)]
    points = [{**point, "row": point["row"] + 8, "column": point["column"] + 8} for point in points]
    (tmp_path / "hints.json").write_text(json.dumps(points))
    for name, flag in {
        "plain": [],
        "points": [f"--hints={tmp_path / 'hints.json'}"],
        "strokes": [f"--hint_image={tmp_path / 'strokes.png'}"],
    }.items():
        output = f"--output={tmp_path}/out/{name}.png"
        assert colorize(f"--model={tiny_run}", str(source), *flag, output) == 0
    plain, points, strokes = (
        np.asarray(Image.open(tmp_path / f"out/{name}.png"), int)
        for name in ("plain", "points", "strokes")
    )
    np.testing.assert_array_equal(points, strokes)
    red, green, blue = points[9, 9] - plain[9, 9]
    assert red > 10 and green < 0 and blue < 0


@pytest.mark.parametrize(
    ("status", "arguments", "words"),
    [
        (2, ["--num_samples=2", "--samples_by=bias", "{photo}"], ("bias_strength",)),
        (2, ["--hints={folder}/h.json", "{photos}"], ("one photograph", "6")),
        (2, ["--hints=a", "--hint_image=b", "{photo}"], ("both",)),
        (1, ["--hints={folder}/h.json", "{photo}"], ("h.json", "no such file")),
        (1, ["--reference={folder}/r.png", "{photo}"], ("r.png", "no such file")),
        (1, ["--histogram={folder}/r.json", "{photo}"], ("r.json", "no such file")),
    ],
)
def test_mistake_in_a_wish_is_one_line(tiny_run, photos, tmp_path, capfd, status, arguments, words):
    places = {"photos": photos, "folder": tmp_path, "photo": photos / "photo0.png"}
    texts = [text.format(**places) for text in arguments]
    capfd.readouterr()
    assert colorize(f"--model={tiny_run}", f"--output={tmp_path}/out", *texts) == status
    (line,) = capfd.readouterr().err.splitlines()
    assert all(word in line for word in words)
    assert not list(tmp_path.rglob("*.png"))


def test_an_export_decodes_by_its_own_options_unless_told_otherwise(tiny_export, photos, tmp_path):
    photo = str(next(iter(sorted(photos.iterdir()))))
    pictures = {}
    for name, flags in {
        "own": [],
        "same": ["--decoding_chroma=median"],
        "other": ["--decoding_bias_strength=8", "--nodecoding_use_fading"],
    }.items():
        output = tmp_path / f"{name}.png"
        assert colorize(f"--model={tiny_export}", *flags, f"--output={output}", photo) == 0
        pictures[name] = np.asarray(Image.open(output), int)
    np.testing.assert_array_equal(pictures["own"], pictures["same"])
    assert np.abs(pictures["own"] - pictures["other"]).max() > 3


ODD_NAMES = (
    "grün.png",
    "日本.png",
    "a b\n c.png",
    "-rf *.png",
    os.fsdecode(b"\xff\xfe.png"),
    "☂.JPG.png",
)


@pytest.fixture(scope="module")
def archive(photos, tmp_path_factory) -> Path:
    """A folder of 24 photographs with odd names, copies of each other, and what is none."""
    folder = tmp_path_factory.mktemp("archive") / "scans"
    sources = sorted(photos.iterdir())
    for number in range(24):
        place = folder / ("", "box 1", "box 1/envelope", "Kästchen")[number % 4]
        place.mkdir(parents=True, exist_ok=True)
        name = f"{number}_{ODD_NAMES[number % len(ODD_NAMES)]}"
        shutil.copy(sources[number // 2 % len(sources)], place / name)
    content = sources[0].read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])
    (folder / "box 1/text.jpg").write_text("no image")
    (folder / "Kästchen/empty.tif").touch()
    (folder / "box 1/circle.png").symlink_to("circle.png")
    (folder / "box 1/all").symlink_to(folder)
    return folder


def read_lines(manifest: Path) -> list[dict]:
    """Returns the whole lines of a manifest without the time that each took."""
    lines = manifest.read_bytes().splitlines(keepends=True) if manifest.exists() else []
    records = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return [{**record, "seconds": 0} for record in records]


def read_results(output: Path) -> dict[str, bytes]:
    """Returns the content of all files but the manifest."""
    paths = (path for path in output.rglob("*") if path.is_file())
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in paths
        if path.suffix != ".jsonl"
    }


@pytest.mark.slow
def test_an_archive_ends_the_same_however_often_the_job_is_killed(
    tiny_run, archive, tmp_path, start_command
):
    flags = [*SMALL, f"--model={tiny_run}", archive]
    whole = start_command("colorize", [*flags, f"--output={tmp_path}/whole"])
    shown = whole.wait()
    assert whole.returncode == 1, shown
    output = tmp_path / "killed"
    manifest = output / "tfcolor_manifest.jsonl"
    done: dict[str, int] = {}
    statuses = []
    for killer in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, None):
        process = start_command("colorize", [*flags, f"--output={output}"])
        enough = len(read_lines(manifest)) + random.randint(2, 5)
        while killer and process.returncode is None and len(read_lines(manifest)) < enough:
            time.sleep(0.002)
        if killer:
            process.send_signal(killer)
        shown = process.wait()
        statuses.append(process.returncode)
        if process.returncode == 143:
            assert "of 28 photographs are done; what is finished stays; run the same" in shown
        for name, changed in done.items():  # nothing is done twice
            assert (output / name).stat().st_mtime_ns == changed
        names = [line["target"] for line in read_lines(manifest) if line["status"] == "done"]
        done = {name: (output / name).stat().st_mtime_ns for name in names}
    # On a busy machine, a signal may come when all is done.
    assert set(statuses) <= {-signal.SIGKILL, 143, 1}
    assert statuses[-1] == 1 < statuses.count(-signal.SIGKILL)
    assert len(done) == 24
    assert read_results(output) == read_results(tmp_path / "whole")
    assert read_lines(manifest) == read_lines(tmp_path / "whole/tfcolor_manifest.jsonl")
    failed = {line["path"]: line["error"] for line in read_lines(manifest) if line["error"]}
    assert {Path(path).name for path in failed} == {
        *("circle.png", "cut.png", "empty.tif", "text.jpg")
    }
    assert all(os.path.basename(path) in error for path, error in failed.items())
    assert "all: a link to a folder" in shown
    assert shown.endswith("4 of 28 photographs could not be colored\n")
