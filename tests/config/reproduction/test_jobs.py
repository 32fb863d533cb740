import json
import os
from pathlib import Path

import pytest

from tfcolor.config.reproduction import TABLES, jobs
from tfcolor.config.reproduction.jobs import (
    Place,
    measure_cell,
    read_cell,
    run_command,
    run_of,
    train,
    why_missing,
)
from tfcolor.config.reproduction.layout import locate_images
from tfcolor.config.reproduction.study import FULL, SMALL, Subject
from tfcolor.core.errors import UsageError, UserError


def subject_of(table, row, column, scale=SMALL):
    (found,) = [one for one in TABLES[table].rows if one.name == row]
    return found.cells[column].subjects[scale]


def measure_of(table, column):
    return next(one.measure for one in TABLES[table].columns if one.name == column)


@pytest.fixture
def place(data, tmp_path):
    return Place(locate_images(SMALL, data, ""), tmp_path / "out", data)


def test_a_chain_runs_in_order_and_hands_the_backbone_on(place, commands):
    subject = subject_of("3.4", "vgg16_3", "fov")
    figures = measure_cell(subject, measure_of("3.4", "fov"), 1, place)
    assert [command[0] for command in commands] == ["train", "train", "evaluate"]
    pretraining = place.work / "runs" / "vgg16_3_epochs_seed1"
    assert f"--run_dir={pretraining}" in commands[0] and "--seed=1" in commands[0]
    assert f"--initial_weights={pretraining}" in commands[1]
    assert "--initial_checkpoint=last" in commands[1]
    assert (
        f"--model={pretraining.parent}/vgg16_3_epochs+vgg16_segmentation_fov_seed1" in commands[2]
    )
    assert figures["mean_iou"] == 0.5 and figures["seconds"] >= 120
    assert [command.split()[1] for command in figures["commands"]] == ["train", "train", "evaluate"]


def test_small_flagfiles_follow_the_published_one(place, commands):
    train(subject_of("3.2", "regression", "fov").runs[0].start, 0, place)
    files = [flag for flag in commands[0] if flag.startswith("--flagfile=")]
    assert files == [
        "--flagfile=configs/table_3_2/vgg16_regression.cfg",
        "--flagfile=configs/base/small_pretraining.cfg",
        "--flagfile=configs/base/small_networks.cfg",
        "--flagfile=configs/base/small_3_epochs.cfg",
    ]


def test_equal_trainings_are_one_run_across_tables(place, commands):
    measure = measure_of("3.4", "fov")
    measure_cell(subject_of("3.4", "vgg16_3", "fov"), measure, 0, place)
    measure_cell(subject_of("3.2", "histograms", "fov"), measure, 0, place)
    assert len(commands) == 3
    measure_cell(subject_of("3.4", "alexnet_10", "segmentation"), measure, 0, place)
    measure_cell(subject_of("2.1", "locations_4", "segmentation"), measure, 0, place)
    assert len(commands) == 8  # downstream and measurement: the pretraining is shared


def test_a_found_schedule_is_followed_from_the_same_start(place, commands):
    measure = measure_of("3.1", "segmentation")
    measure_cell(subject_of("3.1", "ours_alexnet", "segmentation"), measure, 0, place)
    start = f"--initial_weights={place.work}/runs/alexnet_10_epochs_seed0"
    early = place.work / "runs" / "alexnet_10_epochs+alexnet_segmentation_early_seed0"
    assert start in commands[1] and f"--run_dir={early}" in commands[1]
    assert start in commands[2] and f"--schedule_from={early}" in commands[2]
    assert not any(flag.startswith("--heldout_images") for flag in commands[2])


def test_an_ensemble_is_measured_together(place, commands):
    subject = subject_of("3.1", "ensemble", "classification")
    figures = measure_cell(subject, measure_of("3.1", "classification"), 0, place)
    (models,) = [flag for flag in commands[-1] if flag.startswith("--model=")]
    assert len(models.split(",")) == 3
    other = place.work / "runs" / "resnet152_10_epochs_other_seed100"
    assert any(f"--initial_weights={other}" in command for command in commands)
    assert any({"--seed=100", f"--run_dir={other}"} <= set(command) for command in commands)
    assert figures["seconds"] >= 6 * 60


def test_flags_name_the_runs_that_are_needed(place, commands):
    subject = subject_of("4.4", "subset_warm", "disjoint_25")
    measure_cell(subject, measure_of("4.4", "disjoint_25"), 2, place)
    runs = [f"{place.work}/runs/disjoint_25_{index}_seed2" for index in range(4)]
    assert [command[0] for command in commands] == ["train"] * 5 + ["evaluate"]
    student = commands[4]
    assert f"--distillation_teachers={','.join(runs)}" in student
    assert f"--initial_weights={runs[0]}" in student
    test = f"--linear_evaluation_test_images=cifar100:{place.data}/cifar-100-python:test"
    assert test in commands[5] and "--image_range=12800:16000" in commands[5]


@pytest.mark.parametrize(("row", "expected"), [("single_mean", 0.375), ("single_max", 0.75)])
def test_several_runs_are_measured_one_by_one_and_summarized(
    place, commands, monkeypatch, row, expected
):
    run, values = jobs.run_command, iter((0.75, 0.25, 0.25, 0.25))

    def vary(arguments, log):
        run(arguments, log)
        if arguments[0] == "evaluate":
            (output,) = [flag for flag in arguments if flag.startswith("--output_json=")]
            path = Path(output.removeprefix("--output_json="))
            path.write_text(json.dumps({"top1_accuracy": next(values)}))

    monkeypatch.setattr(jobs, "run_command", vary)
    subject, measure = subject_of("4.5", row, "disjoint_25"), measure_of("4.5", "disjoint_25")
    figures = measure_cell(subject, measure, 0, place)
    assert figures["top1_accuracy"] == expected
    assert len(commands) == len(figures["commands"]) == 8 and figures["seconds"] >= 240
    assert read_cell(subject, measure, 0, place) == figures
    other = subject_of("4.5", "single_mean", "disjoint_25")
    measure_cell(other, measure, 0, place)
    assert len(commands) == 8


def test_a_run_by_other_flags_is_left_to_train_to_refuse(place, commands, tmp_path):
    training = subject_of("2.2", "fading", "psnr").runs[0]
    overlay = tmp_path / "more.cfg"
    overlay.write_text("# A note.\n--num_steps=3\n")
    place = Place(place.images, place.work, place.data, flagfile=str(overlay))
    for text, count in (
        ("# A note.\n--num_steps=3\n", 1),
        ("# Another.\n--num_steps=3\n", 1),
        ("--num_steps=4\n", 2),
    ):
        overlay.write_text(text)
        train(training, 0, place)
        assert len(commands) == count


def test_a_measured_cell_is_read_and_not_measured_again(place, commands):
    subject, measure = subject_of("2.2", "hue_chroma", "psnr"), measure_of("2.2", "psnr")
    first = measure_cell(subject, measure, 0, place)
    assert measure_cell(subject, measure, 0, place) == first
    assert [command[0] for command in commands] == ["train", "evaluate"]
    assert "--nodecoding_use_fading" in commands[1] and "--checkpoint=last" in commands[1]
    (kept,) = (place.work / "figures").iterdir()
    assert json.loads(kept.read_text()) == first
    measure_cell(subject_of("2.2", "fading", "psnr"), measure, 0, place)
    assert [command[0] for command in commands] == ["train", "evaluate", "evaluate"]


def test_a_run_that_was_trained_anew_is_measured_anew(place, commands):
    subject, measure = subject_of("2.2", "fading", "psnr"), measure_of("2.2", "psnr")
    measure_cell(subject, measure, 0, place)
    os.utime(run_of(subject.runs[0], 0, place) / "result.json", (2e9, 2e9))
    measure_cell(subject, measure, 0, place)
    assert [command[0] for command in commands] == ["train", "evaluate", "evaluate"]


def test_a_run_older_than_its_start_is_refused(place, commands):
    (run,) = subject_of("3.2", "histograms", "fov").runs
    train(run, 0, place)
    os.utime(run_of(run.start, 0, place) / "result.json", (2e9, 2e9))
    with pytest.raises(UserError, match="which it starts from, was finished: remove it"):
        train(run, 0, place)


def test_a_fit_of_parts_measures_itself_on_the_images_of_the_cell(place, commands):
    subject, measure = subject_of("1.2", "ours_10", "rot"), measure_of("1.2", "rot")
    figures = measure_cell(subject, measure, 3, place)
    assert [command[0] for command in commands] == ["fit_parts", "fit_parts"]
    parts = place.work / "runs" / "oriented_rot_seed3"
    assert f"--run_dir={parts}" in commands[0] and "--keep_codes=true" in commands[0]
    assert {f"--parts_from={parts}", "--data_seed=3", "--seed=3"} <= set(commands[1])
    digits = f"mnist_rot:{place.data}/mnist"
    for command in commands:
        assert {f"--images={digits}:train", f"--heldout_images={digits}:valid"} <= set(command)
    assert (figures["heldout_error_rate"], len(figures["commands"])) == (0.03125, 2)
    assert 60 <= figures["seconds"] < 61
    assert measure_cell(subject, measure, 3, place) == figures and len(commands) == 2


def test_fits_of_two_tables_and_several_classifiers_share_their_parts(place, commands):
    for table, row in (("1.1", "plain"), ("1.1", "plain_svm"), ("1.2", "ours"), ("1.2", "ours_10")):
        measure_cell(subject_of(table, row, "bg_img"), measure_of(table, "bg_img"), 0, place)
    runs = [flag for one in commands for flag in one if flag.startswith("--run_dir=")]
    names = [run.rpartition("/")[2] for run in runs]
    assert names == [f"plain_bg_img{end}_seed0" for end in ("", "+plain_svm", "+plain_10")]


def test_the_overlay_for_train_is_not_laid_over_a_fit_of_parts(place, commands, tmp_path):
    overlay = tmp_path / "more.cfg"
    overlay.write_text("--num_steps=3\n")
    place = Place(place.images, place.work, place.data, flagfile=str(overlay))
    train(subject_of("1.1", "plain", "basic").runs[0], 0, place)
    train(subject_of("1.2", "cnn_100", "basic").runs[0], 1, place)
    laid = [f"--flagfile={overlay}" in command for command in commands]
    assert laid == [False, True] and "--data_seed=1" in commands[1]


def test_the_baseline_needs_no_run(place, commands):
    measure_cell(Subject(), measure_of("2.2", "psnr"), 0, place)
    assert "--baseline=gray" in commands[0] and len(commands) == 1


def test_what_is_missing_is_named(data, tmp_path):
    small = Place(locate_images(SMALL, data, ""), tmp_path, data)
    subject, measure = subject_of("3.2", "histograms", "fov"), measure_of("3.2", "fov")
    assert why_missing(subject, measure, small) == ""
    full = Place(locate_images(FULL, data, ""), tmp_path, data)
    missing = why_missing(subject_of("3.2", "histograms", "fov", FULL), measure, full)
    assert missing.startswith(f"{data}/ImageNet/train and ")
    imagenet = subject_of("3.1", "imagenet", "segmentation", FULL)
    assert "vgg16_imagenet (a run that tfcolor convert makes)" in why_missing(
        imagenet, measure, full
    )
    with pytest.raises(
        UsageError, match="--weights is not given: a run starts from vgg16_imagenet"
    ):
        train(imagenet.runs[0], 0, full)


def test_weights_are_taken_from_their_folder(data, tmp_path, commands):
    full = Place(locate_images(FULL, data, ""), tmp_path, data, Path("/weights"))
    train(subject_of("3.5", "h16", "fov", FULL).runs[0], 0, full)
    assert f"--label_buckets=wordnet:16:{data}/wordnet.is_a.txt" in commands[0]
    train(subject_of("3.1", "imagenet", "segmentation", FULL).runs[0], 0, full)
    assert "--initial_weights=/weights/vgg16_imagenet" in commands[-1]


def test_a_failing_command_shows_its_end_and_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs.sys, "executable", "/bin/echo")
    run_command(["evaluate", "--protocol=none"], tmp_path / "log")
    assert (tmp_path / "log").read_text().splitlines()[1] == "-m tfcolor.evaluate --protocol=none"
    monkeypatch.setattr(jobs.sys, "executable", "/bin/false")
    with pytest.raises(UserError, match=r"tfcolor evaluate --protocol=none failed, see .*log: "):
        run_command(["evaluate", "--protocol=none"], tmp_path / "log")
