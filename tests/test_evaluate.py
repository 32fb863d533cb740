import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfcolor.config.command import execute
from tfcolor.evaluate import COMMAND
from tfcolor.train import COMMAND as TRAIN

FIGURES = {
    "num_images",
    "psnr_db",
    "rmse_alphabeta",
    "rmse_alphabeta_eps",
    "ssim",
    "colorfulness",
    "nll",
}


def evaluate(*arguments: str) -> int:
    return execute(COMMAND, list(arguments))


def test_help_teaches(capsys):
    assert evaluate("--help") == 0
    shown = capsys.readouterr().out
    assert "tfcolor evaluate --baseline=gray" in shown
    assert "--output_json=" in shown


def test_run_is_measured_on_standard_output_and_in_a_file(tiny_run, photos, tmp_path, capsys):
    target = tmp_path / "new folder/figures.json"
    arguments = [f"--model={tiny_run}", f"--images={photos}", f"--output_json={target}"]
    assert evaluate("--protocol=colorization", *arguments) == 0
    figures = json.loads(target.read_text())
    assert json.loads(capsys.readouterr().out) == figures
    assert set(figures) >= FIGURES
    assert figures["num_images"] == 6
    assert np.isfinite([figures[name] for name in FIGURES]).all()


def test_export_measures_as_its_run(tiny_run, tiny_export, photos, capsys):
    capsys.readouterr()
    figures = []
    for model in (tiny_run, tiny_export):
        assert evaluate(f"--model={model}", f"--images={photos}") == 0
        figures.append(json.loads(capsys.readouterr().out))
    intervals = [figure.pop("psnr_db_interval") for figure in figures]
    assert intervals[0] == pytest.approx(intervals[1], rel=1e-5)
    # The same operations in another graph: float32 rounding.
    assert figures[0] == pytest.approx(figures[1], rel=1e-5)


def test_table_and_pictures_are_written(tiny_run, photos, tmp_path, capsys):
    table, pictures = tmp_path / "new/scores.csv", tmp_path / "pictures"
    arguments = [f"--model={tiny_run}", f"--images={photos}", "--colorization_num_images=2"]
    assert evaluate(*arguments, f"--output_csv={table}", f"--figures={pictures}") == 0
    figures = json.loads(capsys.readouterr().out)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["image"]).name for row in rows] == ["photo0.png", "photo1.jpg"]
    for name in ("psnr_db", "ssim", "colorfulness"):
        assert np.mean([float(row[name]) for row in rows]) == pytest.approx(figures[name])
    names = ["contact_sheet", "error_curve", "psnr_histogram"]
    names += ["reliability_chroma", "reliability_hue"]
    assert sorted(path.name for path in pictures.iterdir()) == [f"{name}.png" for name in names]


def test_gray_baseline_agrees_with_numpy(photos, capsys):
    assert evaluate("--baseline=gray", f"--images={photos}", "--colorization_num_images=3") == 0
    figures = json.loads(capsys.readouterr().out)
    levels = []
    for path in sorted(photos.iterdir())[:3]:
        rgb = np.asarray(Image.open(path).convert("RGB"), np.float64) / 255
        error = np.mean((rgb - rgb.mean(axis=-1, keepdims=True)) ** 2)
        levels.append(-10 * np.log10(error))
    assert figures["num_images"] == 3
    assert figures["psnr_db"] == pytest.approx(np.mean(levels), rel=1e-5)  # float32 images
    assert figures["nll"] is None


def test_unreadable_files_are_passed_over(photos, tmp_path, capfd):
    (tmp_path / "a.jpg").write_text("not a photograph")
    Image.open(photos / "photo0.png").save(tmp_path / "b.png")
    assert evaluate("--baseline=gray", f"--images={tmp_path}") == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out)["num_images"] == 1
    assert "a.jpg" in shown.err


def test_figure_that_is_not_finite_is_null(tmp_path, capsys):
    Image.fromarray(np.full((9, 8, 3), 77, np.uint8)).save(tmp_path / "gray.png")
    assert evaluate("--baseline=gray", f"--images={tmp_path}") == 0
    text = capsys.readouterr().out
    assert "Infinity" not in text
    assert "NaN" not in text
    assert json.loads(text)["num_images"] == 1


@pytest.mark.parametrize(
    ("status", "arguments", "words"),
    [
        (2, ["--images={photos}"], ("--model",)),
        (2, ["--baseline=gray"], ("--images",)),
        (2, ["--baseline=brown", "--images={photos}"], ("brown", "gray")),
        (2, ["--protocol=taste", "--images={photos}"], ("taste", "colorization")),
        (2, ["--modell={run}", "--images={photos}"], ("modell", "--help")),
        (2, ["{photos}", "--baseline=gray"], ("--name=value",)),
        (2, ["--model={run}", "--images={photos}", "--network_min_side=0"], ("at least 1",)),
        (1, ["--model={folder}/none", "--images={photos}"], ("none",)),
        (1, ["--model={photos}", "--images={photos}"], ("not a run", "flags.cfg")),
        (1, ["--baseline=gray", "--images={folder}"], ("no image",)),
        (1, ["--baseline=gray", "--images={folder}/none"], ("none",)),
        (1, ["--baseline=gray", "--images={photos}", "--output_json={file}/x"], ("cannot write",)),
        (1, ["--baseline=gray", "--images={photos}", "--output_csv={file}/x"], ("cannot write",)),
        (1, ["--baseline=gray", "--images={photos}", "--figures={file}/x"], ("cannot write",)),
        (
            1,
            ["--baseline=gray", "--images={photos}", "--colorization_subset=sun_6"],
            ("1 class", "6"),
        ),
    ],
)
def test_mistake_is_one_line(tiny_run, photos, tmp_path, capfd, status, arguments, words):
    (tmp_path / "file").touch()
    places = {"run": tiny_run, "photos": photos, "folder": tmp_path, "file": tmp_path / "file"}
    capfd.readouterr()
    assert evaluate(*(text.format(**places) for text in arguments)) == status
    shown = capfd.readouterr()
    (line,) = shown.err.splitlines()
    assert line.startswith("tfcolor evaluate: ")
    assert all(word in line for word in words)
    assert shown.out == ""


def test_folder_without_a_readable_image_is_an_error(tmp_path, capfd):
    (tmp_path / "note.jpg").write_text("not a photograph")
    assert evaluate("--baseline=gray", f"--images={tmp_path}") == 1
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith("tfcolor evaluate: none of the 1 images could be read")


@pytest.fixture(scope="module")
def scenes(photos, tmp_path_factory):
    """A data set in the layout of VOC: photographs, and label maps of sky and ground."""
    folder = tmp_path_factory.mktemp("voc")
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / part).mkdir(parents=True)
    for path in photos.iterdir():
        photo = np.asarray(Image.open(path).convert("RGB"))
        labels = np.where(photo[..., 2] > photo[..., 1], 3, 7).astype(np.uint8)
        labels[:2] = 255
        Image.fromarray(photo).save(folder / f"JPEGImages/{path.stem}.png")
        Image.fromarray(labels).save(folder / f"SegmentationClass/{path.stem}.png")
    names = "".join(f"{path.stem}\n" for path in photos.iterdir())
    for split in ("train", "val"):
        (folder / f"ImageSets/Segmentation/{split}.txt").write_text(names)
    return folder


def test_segmentation_is_trained_and_measured(scenes, tmp_path, capsys):
    run, place = tmp_path / "run", f"voc_segmentation:{scenes}"
    arguments = [
        "--task=segmentation",
        "--backbone=cifar_shallow",
        f"--images={place}:train",
        f"--heldout_images={place}:val",
        "--segmentation_crop_size=32",
        "--segmentation_edge=4",
        "--segmentation_num_locations=8",
        "--segmentation_hidden_units=4",
        "--segmentation_taps=conv1,conv3",
        "--num_steps=1",
        "--batch_size=2",
        "--evaluate_num_examples=2",
    ]
    assert execute(TRAIN, [*arguments, f"--run_dir={run}"]) == 0
    capsys.readouterr()
    model = f"--model={run},{run}"
    assert evaluate("--protocol=voc_segmentation", model, f"--images={place}:val") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["num_images"] == 6
    assert 0 <= figures["mean_iou"] <= 1
    assert figures["iou_by_class"]["bird"] is not None
    assert len(figures["iou_by_class"]) == 21


def test_depth_is_trained_and_measured(tmp_path, capsys):
    run = tmp_path / "run"
    config = Path(__file__).parents[1] / "configs/smoke/depth_cifar_shallow.cfg"
    flags = [f"--flagfile={config}", "--num_steps=1"]
    assert execute(TRAIN, [*flags, f"--run_dir={run}"]) == 0
    capsys.readouterr()
    images = "--images=builtin:depth_scenes:heldout:2"
    assert evaluate("--protocol=depth", f"--model={run},{run}", images) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["num_images"] == 2
    # Recorded by the training, which was not told it.
    assert 3 < figures["mean_depth"] < 6
    assert 0 <= figures["delta_1"] <= figures["delta_2"] <= figures["delta_3"] <= 1


def test_features_of_a_colorizer_are_probed_with_few_labels(
    tiny_run, labelled_photos, tmp_path, capsys
):
    arguments = [
        "--protocol=few_label",
        f"--model={tiny_run}",
        f"--images={labelled_photos}",
        f"--few_label_test_images={labelled_photos}",
        "--few_label_num_per_class=1,2",
        "--few_label_num_draws=2",
        "--few_label_taps=conv2,fc7",
        "--few_label_size=64",
        f"--figures={tmp_path}",
    ]
    assert evaluate(*arguments) == 0
    figures = json.loads(capsys.readouterr().out)
    assert [point["num_per_class"] for point in figures["curve"]] == [1, 2]
    # With two per class all are known; by chance, a third would be right.
    assert figures["curve"][1]["accuracy_mean"] > 0.6
    assert (tmp_path / "few_label_curve.png").exists()
