"""The trainings of table 4.7 and of the comparison of pretext tasks, at either scale."""

from tfcolor.config.reproduction.layout import BOXES, FINE_TUNING, LABELS, PHOTOGRAPHS, VIDEO
from tfcolor.config.reproduction.study import FULL, SMALL, Measure, Training
from tfcolor.config.reproduction.trainings import laid

TASKS = {"c": "colorization", "j": "jigsaw", "v": "video_flow"}
"""The proxy tasks of section 4.7 by their letters."""
TITLES = {"c": "Colorization", "j": "Jigsaw", "v": "Video"}

VIDEO_FLAGS = {
    SMALL: "--images=video:{data}/video:train --heldout_images=video:{data}/video:heldout",
    FULL: "--images=video:{data}/Hollywood2 --heldout_images=",
}
"""Images of the third task beside others."""

SIDE = 96
"""Side to which images of CIFAR-100 are enlarged for AlexNet, in pixels."""
PROBED = "conv3,conv4,conv5"
NUM_PRETRAINING = 12_800
"""Images of CIFAR-100 for supervised pretraining, the first ones; others are probed."""
_IMAGES = f"--image_range={NUM_PRETRAINING}:16000"
_TEST = "cifar100:{data}/cifar-100-python:test"
LINEAR = Measure(
    "linear",
    "linear_evaluation",
    FINE_TUNING,
    (
        _IMAGES,
        f"--linear_evaluation_test_images={_TEST}",
        f"--linear_evaluation_taps={PROBED}",
        f"--linear_evaluation_size={SIDE}",
        "--linear_evaluation_strengths=0.01,0.1,1",
    ),
)
FEW = Measure(
    "few_label",
    "few_label",
    FINE_TUNING,
    (
        _IMAGES,
        f"--few_label_test_images={_TEST}",
        "--few_label_num_test_images=2000",
        f"--few_label_taps={PROBED}",
        f"--few_label_size={SIDE}",
        "--few_label_num_per_class=5",
        "--few_label_num_draws=3",
    ),
)
"""How frozen features are probed at small scale, with all labels and with few."""


def proxy(scale: str, letters: str, optimizer: str = "norm_sgd") -> Training:
    """Returns a pretraining of table 4.7.

    Args:
      scale: "small" or "full".
      letters: of its tasks, some of c, j and v in this order.
      optimizer: value of `--optimizer`; "momentum" shows one gradient dominate.

    Returns:
      A training of one task or several.
    """
    flags: tuple[str, ...] = laid("small_multi_proxy") if scale == SMALL else ()
    if optimizer != "norm_sgd":
        flags = (*flags, f"--optimizer={optimizer}", "--learning_rate=0.001")
    if "v" in letters and len(letters) > 1:
        # The other tasks have the images of the whole run.
        empty = "," * (len(letters) - 1)
        flags = (*flags, f"--task_flags={empty}{VIDEO_FLAGS[scale]}")
    name = letters if optimizer == "norm_sgd" else f"{letters}_{optimizer}"
    images = VIDEO if letters == "v" else PHOTOGRAPHS
    return Training(f"proxy_{name}", f"configs/table_4_7/{letters}.cfg", images, flags)


def pretext(name: str, images: str = PHOTOGRAPHS) -> Training:
    """Returns a pretraining of the comparison of pretext tasks, at small scale.

    Args:
      name: of its flagfile in configs/pretext, without suffix.
      images: kind of the images.

    Returns:
      A training from random weights.
    """
    return Training(f"pretext_{name}", f"configs/pretext/{name}.cfg", images)


def untrained() -> Training:
    """Returns the network of the comparison with its random weights."""
    flags = ("--num_steps=1", "--learning_rate=0")
    return Training("pretext_random", "configs/pretext/rotation.cfg", PHOTOGRAPHS, flags)


def with_labels() -> Training:
    """Returns the supervised pretraining of the comparison, on images with labels."""
    flags = (f"--image_range=0:{NUM_PRETRAINING}", "--heldout_fraction=0")
    return Training("pretext_supervised", "configs/pretext/supervised.cfg", LABELS, flags)


def detected_by(start: Training, flags: tuple[str, ...] = ()) -> Training:
    """Returns a small detector upon a network of the comparison, all of it fine-tuned.

    Args:
      start: whose backbone it begins with.
      flags: of `train` besides, as a front end.

    Returns:
      A training on photographs with boxes.
    """
    config = "configs/detection_alexnet_small.cfg"
    return Training("pretext_detection", config, BOXES, flags, start)
