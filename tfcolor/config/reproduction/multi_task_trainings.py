"""The trainings of Doersch and Zisserman, at either scale: pretraining and what follows it."""

from tfcolor.config.reproduction.layout import (
    BOXES,
    DEPTHS,
    LABELS,
    PHOTOGRAPHS,
    VIDEO,
)
from tfcolor.config.reproduction.pretext_trainings import NUM_PRETRAINING, VIDEO_FLAGS
from tfcolor.config.reproduction.study import FULL, SMALL, Training
from tfcolor.config.reproduction.trainings import laid

OPERATIONS = {"rp": 50e9, "col": 387e9, "ex": 50e9, "ms": 266e9}
"""Floating-point operations of a full training example of each task: relative position,
colorization, exemplar and motion segmentation (benchmarks/bench_multi_task.py)."""
BATCH = 256
IMAGES = 1_281_167
"""Of ImageNet, an epoch of colorization."""
COLORIZATION_EPOCHS = 187
"""What 16,800 GPU hours at 90 an epoch are, which all others may cost too."""
NUM_CHECKPOINTS = 7
SMALL_STEPS = 80
"""Steps by one task from checkpoint to checkpoint at small scale."""
_SMALL_BATCHES = {"rp": 16, "col": 8, "ex": 16, "ms": 8}
"""Examples of about as many pixels: two patches of 64 pixels, or a view of 128."""
_SMALL_LABELS = 14
"""Examples of 96 pixels, likewise."""
_LIKE_PRETEXT_TASKS = (
    "--resnet101_v2_output_stride=8",
    "--momentum=0.9",
    "--weight_decay=0",
)
"""What the published recipe of labels has otherwise, which is one for 100 epochs."""
_LAST_UNIT = {SMALL: "block3_unit4", FULL: "block3_unit23"}
NAMES = {
    "rp": ("rp",),
    "col": ("col",),
    "ex": ("ex",),
    "ms": ("ms",),
    "rp_col": ("rp", "col"),
    "rp_ex": ("rp", "ex"),
    "rp_ms": ("rp", "ms"),
    "rp_col_ex": ("rp", "col", "ex"),
    "all": ("rp", "col", "ex", "ms"),
    "rp_h": ("rp",),
    "rp_col_h": ("rp", "col"),
    "all_lasso": ("rp", "col", "ex", "ms"),
}
"""The tasks of each flagfile of configs/table_s4, in order."""
MIXING = ("--resnet101_v2_tapped_units=all", "--mixed_taps=all")
"""Flags of a training whose head reads a mixture of all units of block 3."""


def checkpoint_steps(scale: str, name: str) -> int:
    """Returns the steps from one checkpoint to the next, of equal compute for all.

    Every step updates by all tasks, so it takes the sum of their times. The paper
    counts steps times the time of a step of each task. Its hours of an epoch are
    taken for colorization alone: those of relative position would be 30 times too
    many for one pair of each image, so that an epoch must have had more of them.

    Args:
      scale: "small" or "full".
      name: of a flagfile of configs/table_s4, without suffix.

    Returns:
      A number of steps; a pretraining has seven times as many.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      sections 4 and 6.1.
    """
    tasks = NAMES[name]
    if scale == SMALL:
        return round(SMALL_STEPS / len(tasks))
    total = COLORIZATION_EPOCHS * IMAGES * OPERATIONS["col"]
    return round(total / NUM_CHECKPOINTS / BATCH / sum(OPERATIONS[task] for task in tasks))


def pretrained(scale: str, name: str) -> Training:
    """Returns a pretraining by one pretext task or several.

    Args:
      scale: "small" or "full".
      name: of a flagfile of configs/table_s4, without suffix.

    Returns:
      A training from random weights.
    """
    tasks, steps = NAMES[name], checkpoint_steps(scale, name)
    length = (f"--num_steps={NUM_CHECKPOINTS * steps}", f"--checkpoint_every_steps={steps}")
    own = {
        task: " ".join(
            [
                *([f"--batch_size={_SMALL_BATCHES[task]}"] if scale == SMALL else []),
                *([VIDEO_FLAGS[scale]] if task == "ms" and len(tasks) > 1 else []),
            ]
        )
        for task in tasks
    }
    flags = tuple(filter(None, own.values()))
    if flags and len(tasks) > 1:
        flags = (f"--task_flags={','.join(own.values())}",)
    files = laid("small_multi_task") if scale == SMALL else ()
    images = VIDEO if tasks == ("ms",) else PHOTOGRAPHS
    config = f"configs/table_s4/{name}.cfg"
    return Training(f"s4_{name}", config, images, (*files, *flags, *length))


def from_labels(scale: str) -> Training:
    """Returns the pretraining by labels, the upper bound.

    Args:
      scale: "small" or "full".

    Returns:
      A training on images in color, at small scale for as many steps as others.
    """
    config = "configs/table_s4/labels.cfg"
    if scale == FULL:
        return Training("s4_labels", config, LABELS)
    flags = (
        f"--image_range=0:{NUM_PRETRAINING}",
        "--heldout_fraction=0",
        *_LIKE_PRETEXT_TASKS,
        f"--batch_size={_SMALL_LABELS}",
        f"--num_steps={NUM_CHECKPOINTS * SMALL_STEPS}",
        f"--checkpoint_every_steps={SMALL_STEPS}",
    )
    return Training("s4_labels", config, LABELS, (*laid("small_multi_task"), *flags))


def unlearned(scale: str) -> Training:
    """Returns the network with its random weights, for what cannot be measured without a run.

    Args:
      scale: "small" or "full".

    Returns:
      A training of one step at a rate of 0.
    """
    files = laid("small_multi_task") if scale == SMALL else ()
    flags = ("--num_steps=1", "--learning_rate=0", "--batch_size=2")
    return Training("s4_random", "configs/table_s4/rp.cfg", PHOTOGRAPHS, (*files, *flags))


def probed(scale: str, start: Training, flags: tuple[str, ...] = ()) -> Training:
    """Returns a linear classifier upon frozen weights.

    Args:
      scale: "small" or "full".
      start: whose backbone it reads.
      flags: of `train` besides, as `MIXING`.

    Returns:
      A training on images with classes, at small scale on those that no
      pretraining by labels has seen.
    """
    small = (
        *laid("small_linear_probe", "small_resnet_v2"),
        f"--linear_probe_taps={_LAST_UNIT[SMALL]}",
        f"--image_range={NUM_PRETRAINING}:16000",
        "--num_steps=600",
    )
    return _downstream(scale, "probe", "linear_probe/doersch", LABELS, small, start, flags)


def detected(scale: str, start: Training | None, flags: tuple[str, ...] = ()) -> Training:
    """Returns a detector whose weights are all fine-tuned.

    Args:
      scale: "small" or "full".
      start: whose backbone it begins with; None for random weights.
      flags: of `train` besides, as `MIXING`.

    Returns:
      A training on photographs with boxes.
    """
    small = (*laid("small_detection", "small_resnet_v2"), "--detection_residual_width=32")
    return _downstream(
        scale, "detection", "detection_resnet101_v2_voc2007", BOXES, small, start, flags
    )


def deepened(scale: str, start: Training | None, flags: tuple[str, ...] = ()) -> Training:
    """Returns a training on depth of all weights.

    Args:
      scale: "small" or "full".
      start: whose backbone it begins with; None for random weights.
      flags: of `train` besides, as `MIXING`.

    Returns:
      A training on photographs, or synthetic scenes, with depth.
    """
    small = laid("small_depth", "small_resnet_v2")
    return _downstream(scale, "depth", "depth_resnet101_v2_nyu", DEPTHS, small, start, flags)


def _downstream(
    scale: str,
    name: str,
    path: str,
    images: str,
    small: tuple[str, ...],
    start: Training | None,
    flags: tuple[str, ...],
) -> Training:
    """Returns a training from a pretrained network, with flags besides at both scales."""
    laid_over = small if scale == SMALL else ()
    path = f"configs/{path}.cfg"
    return Training(f"s4_{name}{_variant(flags)}", path, images, (*laid_over, *flags), start)


def _variant(flags: tuple[str, ...]) -> str:
    """Returns what the name of a run ends with: mixtures, or the checkpoint it starts from."""
    step = next((one.partition("=")[2] for one in flags if "initial_checkpoint" in one), "")
    return ("_lasso" if MIXING[-1] in flags else "") + (f"_from_{step}" if step else "")
