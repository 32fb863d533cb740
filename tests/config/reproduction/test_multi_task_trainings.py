import pytest

from tfcolor.config.reproduction.multi_task_trainings import (
    MIXING,
    NAMES,
    OPERATIONS,
    checkpoint_steps,
    deepened,
    detected,
    from_labels,
    pretrained,
    probed,
    unlearned,
)
from tfcolor.config.reproduction.study import FULL, SCALES, SMALL


@pytest.mark.parametrize("name", NAMES)
def test_pretrainings_are_of_equal_compute(name):
    """That of colorization for the published hours, or 560 steps of one task."""
    tasks = NAMES[name]
    operations = sum(OPERATIONS[task] for task in tasks)
    steps = 7 * checkpoint_steps(FULL, name)
    assert steps * 256 * operations == pytest.approx(187 * 1_281_167 * 387e9, rel=1e-3)
    assert 7 * checkpoint_steps(SMALL, name) * len(tasks) == pytest.approx(560, rel=0.02)


def test_colorization_has_the_published_epochs():
    """16,800 hours at 90 an epoch."""
    epochs = 7 * checkpoint_steps(FULL, "col") * 256 / 1_281_167
    assert epochs == pytest.approx(16_800 / 90, rel=5e-3)


def test_each_task_has_images_and_batch_of_its_own():
    together = pretrained(SMALL, "all").flags
    (own,) = [flag for flag in together if flag.startswith("--task_flags=")]
    rp, col, ex, ms = own.removeprefix("--task_flags=").split(",")
    assert (rp, col, ex) == ("--batch_size=16", "--batch_size=8", "--batch_size=16")
    assert ms.startswith("--batch_size=8 --images=video:{data}/video:train")
    alone = pretrained(SMALL, "ms")
    assert alone.images == "video" and "--batch_size=8" in alone.flags
    assert not [flag for flag in pretrained(FULL, "rp_col").flags if "task_flags" in flag]


def test_names_tell_runs_apart():
    start = pretrained(SMALL, "all_lasso")
    runs = [
        *(pretrained(SMALL, name) for name in NAMES),
        from_labels(SMALL),
        unlearned(SMALL),
        *(make(SMALL, start) for make in (probed, detected, deepened)),
        *(make(SMALL, start, MIXING) for make in (probed, detected, deepened)),
        *(make(SMALL, start, ("--initial_checkpoint=20",)) for make in (detected, deepened)),
        detected(SMALL, None),
        deepened(SMALL, None),
    ]
    assert len({run.run_name for run in runs}) == len(runs)


@pytest.mark.parametrize("scale", SCALES)
def test_the_probe_reads_the_last_unit_of_a_frozen_network(scale):
    run = probed(scale, pretrained(scale, "rp"))
    assert run.start == pretrained(scale, "rp")
    taps = [flag for flag in run.flags if flag.startswith("--linear_probe_taps=")]
    assert taps == (["--linear_probe_taps=block3_unit4"] if scale == SMALL else [])
