"""What every table and figure holds, and the published numbers of the specification."""

import functools
import operator
from pathlib import Path

import pytest

from tfcolor.config.command import define_flags
from tfcolor.backbones import BACKBONES
from tfcolor.config.assembly import build_network, build_task
from tfcolor.config.experiment import read_experiment
from tfcolor.config.parts_runs import read_fit_experiment
from tfcolor.config.reproduction import CURVES, FIGURES, TABLES
from tfcolor.config.reproduction.layout import locate_images
from tfcolor.config.reproduction.study import FIT_PARTS, SCALES, SMALL, TRAIN, Training
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.evaluate import COMMAND as EVALUATE
from tfcolor.evaluation.protocols import PROTOCOLS
from tfcolor.fit_parts import COMMAND as FIT
from tfcolor.models.freezing import freeze_through
from tfcolor.tasks.base import IncompleteOptions
from tfcolor.train import COMMAND as TRAINING

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=[*TABLES.items(), *CURVES.items()], ids=lambda item: item[0])
def table(request):
    return request.param[1]


def subjects_of(table):
    """Returns what is measured for a table, at both scales."""
    cells = [cell for row in table.rows for cell in row.cells.values()]
    return [subject for cell in cells for subject in cell.subjects.values()]


def trainings_of(scale):
    """Returns every training of a scale once."""
    tables = [*TABLES.values(), *CURVES.values()]
    cells = [cell for table in tables for row in table.rows for cell in row.cells.values()]
    runs = [run for cell in cells if scale in cell.subjects for run in cell.subjects[scale].runs]
    series = [series for figure in FIGURES.values() for series in figure.series]
    drawn = [(each.pretraining, each.downstream, *each.rivals.values()) for each in series]
    runs += [one[scale] for several in drawn for one in several if one]
    steps = dict.fromkeys(step for run in runs for step in run.lineage())
    return [step for step in steps if isinstance(step, Training)]


@functools.cache
def parse(training, *more):
    """Returns the experiment of a training, read as its command reads it."""
    command, read = {
        TRAIN: (TRAINING, read_experiment),
        FIT_PARTS: (FIT, read_fit_experiment),
    }[training.command]
    flag_values = define_flags(command)
    flags = [flag.format(data="data", seed=0, needs="needed") for flag in training.flags]
    flag_values([training.command, f"--flagfile={training.config}", *flags, *more])
    return read(flag_values)


def test_row_and_column_names_are_unique_file_names(table):
    for items in (table.rows, table.columns):
        names = [item.name for item in items]
        assert len(set(names)) == len(names)
        assert all(name.isidentifier() for name in names)
        assert len({item.title for item in items}) == len(items)


def test_cells_are_in_columns_and_measured_alike_by_a_protocol(table):
    columns = {column.name for column in table.columns}
    for row in table.rows:
        assert set(row.cells) <= columns
    measures = [column.measure for column in table.columns]
    measures += [subject.measure for subject in subjects_of(table) if subject.measure]
    for measure in measures:
        assert not measure.protocol or measure.protocol in PROTOCOLS


def test_flags_of_evaluate_are_known(table):
    own = {measure.flags for measure in map(operator.attrgetter("measure"), table.columns)}
    for flags in {(*table.subset, *subject.flags) for subject in subjects_of(table)} | own:
        flag_values = define_flags(EVALUATE)
        assert flag_values(["evaluate", *flags]) == ["evaluate"]


@pytest.mark.parametrize("scale", SCALES)
def test_every_training_has_its_own_name_and_flags_that_its_command_takes(scale, monkeypatch):
    monkeypatch.chdir(ROOT)
    named, kinds = {}, locate_images(scale, ROOT, "cval1k")
    for training in trainings_of(scale):
        name = (training.run_name, training.seed_offset)
        assert named.setdefault(name, training) == training
        assert training.images in kinds
        experiment = parse(training)
        assert training.schedule is None or experiment.optimization.schedule == "steps"
        if not isinstance(training.start, Training):
            continue
        start = parse(training.start)
        if training.command == FIT_PARTS:
            # Or the codes that were kept would be of no use.
            assert (start.coding, start.pool) == (experiment.coding, experiment.pool)
            continue
        # The widths of base and fine-tuned network agree, or nothing could be taken over.
        assert start.run.backbone == experiment.run.backbone
        assert start.backbone.width_multiplier == experiment.backbone.width_multiplier


def test_every_small_network_can_be_built_and_frozen(monkeypatch):
    monkeypatch.chdir(ROOT)
    networks = {}
    tasks = ("segmentation", "multilabel", "classification", "distillation")
    tasks = (*tasks, "detection", "linear_probe")
    more = [f"--{task}_num_classes=4" for task in tasks]
    more += ["--distillation_num_features=768", "--linear_probe_sizes=3"]
    for training in trainings_of(SMALL):
        is_pretext = training.config.startswith("configs/pretext/")
        if training.images == "colorization" or training.command == FIT_PARTS or is_pretext:
            continue  # tests/test_configs.py builds those
        if any("_column=" in flag and "_column=0/" not in flag for flag in training.flags):
            continue  # all columns are alike
        experiment = parse(training, *more)
        run, task = experiment.run, experiment.task
        network = (run.field_of_view_blocks, run.frozen_through, experiment.backbone)
        networks[
            experiment.member.name, getattr(task, "taps", ()), getattr(task, "input", ""), network
        ] = experiment
    assert 15 < len(networks) < 70
    for experiment in networks.values():
        network = build_network(experiment, build_task(experiment, {}))
        if experiment.run.frozen_through:
            freeze_through(network.backbone, experiment.run.frozen_through)
            # What is above: the further blocks, if there are any.
            last = [*network.backbone.tap_channels][-1]
            is_whole = experiment.run.frozen_through in ("top", last)
            assert bool(network.backbone.trainable_variables) != is_whole


def test_every_flagfile_of_a_table_trains_something():
    used = {training.config for training in trainings_of("full")}
    used |= {training.config for training in trainings_of("small")}
    configs = ROOT / "configs"
    kinds = ("table_*", "figure_*", "pretext")
    files = [path for kind in kinds for path in configs.glob(f"{kind}/*.cfg")]
    others = {"linear_probe/doersch", "depth_resnet101_v2_nyu", "detection_resnet101_v2_voc2007"}
    others |= {"detection_alexnet_small"}
    elsewhere = {f"configs/{name}.cfg" for name in others}
    assert {str(path.relative_to(ROOT)) for path in files} == used - elsewhere
    assert elsewhere < used


@pytest.mark.parametrize("scale", SCALES)
def test_every_view_fits_its_network(scale, monkeypatch):
    monkeypatch.chdir(ROOT)
    readers = open_readers(DataOptions(images="builtin:digits", heldout_fraction=0.1))
    checked = set()
    for training in trainings_of(scale):
        experiment = parse(training)
        if training.command != TRAIN:
            continue
        side = BACKBONES[experiment.run.backbone].canonical_size
        for member in experiment.members:
            if not isinstance(member.options, IncompleteOptions) or member.name in ANNOTATED:
                continue
            completed = member.options.completed(readers, side)
            assert completed == completed.completed(readers, side), training.name
            checked.add(member.name)
    assert {"classification", "linear_probe", "relative_position", "exemplar"} <= checked


ANNOTATED = {"depth", "detection", "segmentation", "multilabel", "distillation"}
"""Tasks whose options are completed from annotations that digits do not have."""


def test_every_small_training_ends_within_an_hour_or_so(monkeypatch):
    monkeypatch.chdir(ROOT)
    for training in trainings_of(SMALL):
        experiment = parse(training)
        if training.command == TRAIN:
            # Ten tasks that take turns have the most steps, of eight images.
            assert experiment.training.num_steps <= 16_000, training.run_name
        elif training.start is None:
            assert experiment.patches.max_samples <= 10_000, training.run_name


def test_published_numbers_are_those_of_the_specification():
    numbers = {
        (number, row.name): tuple(cell.published for cell in row.cells.values() if cell.published)
        for number, table in TABLES.items()
        for row in table.rows
    }
    assert numbers["1.1", "oriented"] == (5.5, 25.0)
    assert numbers["1.2", "ours_10"] == (8.8, 21.1, 29.7, 16.4, 48.4)
    assert numbers["2.2", "gray"] == (0.343, 22.98)
    assert numbers["2.2", "fading"] == (0.299, 24.45)
    assert numbers["2.3", "fc6_to_fc7"] == (0.323, 24.22)
    assert numbers["2.4", "ours"] == (0.211,)
    assert numbers["2.5", "quantile"] == (0.178,) and numbers["2.5", "energy"] == (0.165,)
