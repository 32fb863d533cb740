"""The trainings of chapters 1 and 3 at either scale: pretraining and what follows it.

At small scale flagfiles of configs/base are laid over the published ones: that of
the task, that of the network, that of the length. Images with labels are those of
CIFAR-100 there, which CIFAR's own networks learn from.
"""

from typing import NamedTuple

from tfcolor.config.reproduction.layout import (
    LABELS,
    OBJECTS,
    PHOTOGRAPHS,
    SCENES,
    WHOLE_SCENES,
)
from tfcolor.config.reproduction.study import FULL, SMALL, Training, Weights

ALEXNET, VGG, RESNET = "alexnet", "vgg16", "resnet152"
Start = Training | Weights | None


class Setting(NamedTuple):
    """What stands in for a network and its unlabelled images at small scale.

    Attributes:
      network: what the names of its runs begin with; empty for the published
        one's name.
      images: kind of the images of pretraining.
      thin: flagfile of the network.
      pretraining: flagfile of pretraining.
    """

    network: str
    images: str
    thin: str
    pretraining: str


THIN = Setting("", PHOTOGRAPHS, "small_networks", "small_pretraining")
"""The published network with fewer channels, on photographs."""
THIN_ALEXNET = Setting("alexnet", PHOTOGRAPHS, "small_alexnet", "small_pretraining")
"""A network on photographs in the place of a slower one."""
CIFAR_SCENES = Setting("cifar_scenes", PHOTOGRAPHS, "small_cifar_scenes", "small_pretraining")
"""A network that can learn from CIFAR-100 too, on photographs."""
CIFAR_DEEP = Setting("cifar_deep", LABELS, "small_cifar_deep", "small_cifar_pretraining")
CIFAR_SHALLOW = Setting("cifar_shallow", LABELS, "small_cifar_shallow", "small_cifar_pretraining")
"""Networks for CIFAR-100, on its images without their labels."""


def laid(*names: str) -> tuple[str, ...]:
    """Returns the flags that lay flagfiles of configs/base over another."""
    return tuple(f"--flagfile=configs/base/{name}.cfg" for name in names)


def colorized(
    scale: str, path: str, num_epochs: int, setting: Setting = THIN, flags: tuple[str, ...] = ()
) -> Training:
    """Returns a pretraining by colorization.

    Args:
      scale: "small" or "full".
      path: of its flagfile below configs/, without suffix.
      num_epochs: how long, as published.
      setting: what stands in for it at small scale.
      flags: of `train` besides, at small scale.

    Returns:
      A training from random weights.
    """
    name = path.rsplit("/", 1)[-1]
    if scale == FULL:
        return Training(name, f"configs/{path}.cfg", PHOTOGRAPHS)
    if setting.network:
        name = f"{setting.network}_{name.partition('_')[2]}"
    files = laid(setting.pretraining, setting.thin, f"small_{num_epochs}_epochs")
    return Training(name, f"configs/{path}.cfg", setting.images, (*files, *flags))


def autoencoded(scale: str, name: str) -> Training:
    """Returns a pretraining of table 1.3 by reconstruction.

    Args:
      scale: "small" or "full".
      name: of its flagfile in configs/table_1_3, without suffix.

    Returns:
      A training on images in color from random weights.
    """
    files = laid("small_autoencoder", THIN.thin) if scale == SMALL else ()
    return Training(name, f"configs/table_1_3/{name}.cfg", PHOTOGRAPHS, files)


def supervised(
    scale: str,
    name: str,
    num_epochs: int,
    *,
    start: Start = None,
    images: str = LABELS,
    flags: tuple[str, ...] = (),
    small_flags: tuple[str, ...] = (),
) -> Training:
    """Returns a pretraining of table 3.5 by labels.

    Args:
      scale: "small" or "full".
      name: of its flagfile in configs/table_3_5, without suffix.
      num_epochs: length at small scale, in epochs of all images.
      start: at full scale.
      images: kind of the images.
      flags: of `train` besides, at full scale.
      small_flags: of `train` besides, at small scale.

    Returns:
      A training on gray images with one label each.
    """
    config = f"configs/table_3_5/{name}.cfg"
    if scale == FULL:
        return Training(name, config, images, flags, start)
    files = laid("small_supervised", CIFAR_SCENES.thin, f"small_{num_epochs}_epochs")
    return Training(f"cifar_{name}", config, images, (*files, *small_flags))


def segmented(
    scale: str,
    path: str,
    start: Start,
    setting: Setting = THIN,
    *,
    flags: tuple[str, ...] = (),
    small_flags: tuple[str, ...] = (),
    variant: str = "",
) -> Training:
    """Returns a training on segmentation.

    Args:
      scale: "small" or "full".
      path: of its flagfile below configs/, without suffix.
      start: whose backbone it takes over.
      setting: what stands in for the network at small scale.
      flags: of `train` besides, at both scales.
      small_flags: of `train` besides, at small scale.
      variant: what its name ends with.

    Returns:
      A training with early stopping (full) or of fixed length (small).
    """
    name = path.rsplit("/", 1)[-1] + variant
    if scale == FULL:
        return Training(name, f"configs/{path}.cfg", SCENES, flags, start)
    if setting.network:
        name = f"{setting.network}_{name.partition('_')[2]}"
    files = laid("small_segmentation", setting.thin)
    return Training(name, f"configs/{path}.cfg", SCENES, (*files, *flags, *small_flags), start)


def retrained(scale: str, network: str, start: Start) -> Training:
    """Returns a training on all scenes by the schedule that early stopping finds.

    Args:
      scale: "small" or "full".
      network: name of the published network, with "_fov" for a wider one.
      start: whose backbone both trainings take over.

    Returns:
      The second training; the first is its schedule.
    """
    base, _, wide = network.partition("_")
    path = f"table_3_4/{base}_segmentation{'_' * bool(wide)}{wide}"
    name = path.rsplit("/", 1)[-1]
    config = f"configs/table_3_1/{name}_again.cfg"
    if scale == FULL:
        found = segmented(scale, path, start)
        return Training(f"{name}_again", config, WHOLE_SCENES, (), start, found)
    files = laid("small_segmentation", THIN.thin)
    first = (*files, *laid("small_early_stopping"))
    found = Training(f"{name}_early", f"configs/{path}.cfg", WHOLE_SCENES, first, start)
    second = (*files, *laid("small_retraining"))
    return Training(f"{name}_again", config, WHOLE_SCENES, second, start, found)


def classified(
    scale: str, name: str, start: Start, flags: tuple[str, ...] = (), variant: str = ""
) -> Training:
    """Returns a training on the classes of VOC 2007.

    Args:
      scale: "small" or "full".
      name: of its flagfile in configs/table_3_1, without suffix.
      start: whose backbone it takes over.
      flags: of `train` besides.
      variant: what its name ends with.

    Returns:
      A training of fixed length on all images.
    """
    files = laid("small_classification", THIN.thin) if scale == SMALL else ()
    config = f"configs/table_3_1/{name}.cfg"
    return Training(name + variant, config, OBJECTS, (*files, *flags), start)


def few_labelled(scale: str, network: str, sample: str, start: Start, setting: Setting) -> Training:
    """Returns a training on a few images of each class.

    Args:
      scale: "small" or "full".
      network: name of the published network.
      sample: "imnt_100k" or "imnt_10k".
      start: whose backbone it takes over.
      setting: what stands in for the network at small scale.

    Returns:
      A training with early stopping (full) or of fixed length (small).
    """
    config = f"configs/table_3_4/{network}_{sample}.cfg"
    if scale == FULL:
        return Training(f"{network}_{sample}", config, LABELS, start=start)
    files = laid("small_few_label", setting.thin)
    return Training(f"{setting.network}_{sample}", config, LABELS, files, start)
