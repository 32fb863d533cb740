"""The dissertation's tables 3.2 to 3.6 and 2.1, as data: representations."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from tfcolor.config.reproduction.cells import (
    FOV,
    IMAGENET,
    IMAGENET_FOV,
    LABELLING,
    MIU,
    ON_CAMVID,
    ON_CIFAR,
    SEGMENTING,
    VGG_FOV,
    Making,
    make_cell,
)
from tfcolor.config.reproduction.layout import HIERARCHY, LABELS
from tfcolor.config.reproduction.study import FULL, SMALL, Cell, Column, Row, Table, Training
from tfcolor.config.reproduction.tables import PSNR, RMSE, colorization_cells
from tfcolor.config.reproduction.trainings import (
    ALEXNET,
    CIFAR_DEEP,
    CIFAR_SCENES,
    CIFAR_SHALLOW,
    RESNET,
    THIN,
    THIN_ALEXNET,
    VGG,
    Setting,
    Start,
    colorized,
    few_labelled,
    segmented,
    supervised,
)


def _loss(name: str, title: str, path: str, miu: float) -> Row:
    """Returns a row of table 3.2."""
    cell = make_cell(miu, lambda scale: segmented(scale, VGG_FOV, colorized(scale, path, 3)))
    return Row(name, title, {FOV.name: cell})


LOSS_TABLE = Table(
    "Self-supervision loss",
    (
        _loss("regression", "Regression", "table_3_2/vgg16_regression", 48.0),
        _loss(
            "no_hypercolumn",
            "Histograms (no hypercolumn)",
            "table_3_2/vgg16_no_hypercolumn",
            52.7,
        ),
        _loss("histograms", "Histograms", "table_3_4/vgg16_3_epochs", 52.9),
    ),
    (dataclasses.replace(FOV, title="Segmentation, VGG-16 +FoV (% mIU)"),),
    "VOC 2012 val",
    ON_CAMVID,
)


def on_labels(scale: str) -> Training:
    """Returns the pretraining by classification: 76 epochs in color, 4 in gray.

    Args:
      scale: "small" or "full".

    Returns:
      A training that starts from the published network at full scale.
    """
    return supervised(scale, "c1000_80_epochs", 80, start=IMAGENET)


def on_colors(scale: str) -> Training:
    """Returns the pretraining by colorization beside that by classification.

    Args:
      scale: "small" or "full".

    Returns:
      A training of the same network as that of `on_labels`.
    """
    return colorized(scale, "table_3_4/vgg16_10_epochs", 10, CIFAR_SCENES)


def fine_tuned(
    scale: str, start: Start, path: str = VGG_FOV, small_flags: tuple[str, ...] = ()
) -> Training:
    """Returns a training on segmentation of tables 3.3, 3.5 and 3.6.

    Args:
      scale: "small" or "full".
      start: whose backbone it takes over.
      path: of its flagfile below configs/, without suffix.
      small_flags: of `train` besides, at small scale.

    Returns:
      A training with a wider field of view.
    """
    is_unbalanced = scale == FULL and start == on_labels(FULL)
    flags = ("--rebalance=true",) if is_unbalanced else ()
    return segmented(scale, path, start, CIFAR_SCENES, flags=flags, small_flags=small_flags)


def _in_color(scale: str, start: Start) -> Training:
    """Returns a training on segmentation in color."""
    return fine_tuned(scale, start, "table_3_3/vgg16_segmentation_fov_color")


GRAY = Column("gray", "Gray (% mIU)", SEGMENTING, "mean_iou")
COLORED = Column("color", "Color (% mIU)", SEGMENTING, "mean_iou")
COLOR_TABLE = Table(
    "Color vs. grayscale input",
    (
        Row(
            "classification",
            "Classification",
            {
                GRAY.name: make_cell(66.5, lambda scale: fine_tuned(scale, on_labels(scale))),
                COLORED.name: make_cell(
                    69.5,
                    lambda scale: (
                        segmented(scale, IMAGENET_FOV, IMAGENET)
                        if scale == FULL
                        else _in_color(scale, on_labels(scale))
                    ),
                ),
            },
        ),
        Row(
            "colorization",
            "Colorization",
            {
                GRAY.name: make_cell(56.0, lambda scale: fine_tuned(scale, on_colors(scale))),
                COLORED.name: make_cell(55.9, lambda scale: _in_color(scale, on_colors(scale))),
            },
        ),
    ),
    (GRAY, COLORED),
    "VOC 2012 val",
    f"{ON_CIFAR} Its classifier has seen gray images alone, in both columns.",
)

MANY = Column("imnt_100k", "ImNt-100k (% top-5)", LABELLING, "top5_accuracy")
FEW = Column("imnt_10k", "ImNt-10k (% top-5)", LABELLING, "top5_accuracy")
STAND_INS = {ALEXNET: CIFAR_SHALLOW, VGG: CIFAR_DEEP}
"""What learns from CIFAR-100 in the place of a network."""


def _architecture(title: str, network: str, num_epochs: int, numbers: Sequence[float]) -> Row:
    """Returns a row of table 3.4, from random weights for 0 epochs."""
    path, stand_in = f"table_3_4/{network}_{num_epochs}_epochs", STAND_INS.get(network)

    def start(scale: str, setting: Setting = THIN) -> Training | None:
        return colorized(scale, path, num_epochs, setting) if num_epochs else None

    def few(scale: str, sample: str) -> Training | None:
        if scale == SMALL and stand_in is None:
            return None
        setting = stand_in or THIN
        return few_labelled(scale, network, sample, start(scale, setting), setting)

    makings: dict[str, Making] = {
        MIU.name: lambda scale: segmented(scale, f"table_3_4/{network}_segmentation", start(scale)),
        FOV.name: lambda scale: segmented(
            scale, f"table_3_4/{network}_segmentation_fov", start(scale)
        ),
        MANY.name: lambda scale: few(scale, MANY.name),
        FEW.name: lambda scale: few(scale, FEW.name),
    }
    cells = {
        name: make_cell(published, make)
        for published, (name, make) in zip(numbers, makings.items(), strict=True)
    }
    how = f"colorization, {num_epochs} epochs" if num_epochs else "random"
    return Row(f"{network}_{num_epochs or 'random'}", f"{title}, {how}", cells)


ARCHITECTURES_TABLE = Table(
    "Architectures",
    (
        _architecture("AlexNet", ALEXNET, 0, (23.5, 24.6, 39.1, 6.7)),
        _architecture("AlexNet", ALEXNET, 3, (36.2, 40.8, 48.2, 17.4)),
        _architecture("AlexNet", ALEXNET, 10, (38.4, 42.5, 49.7, 18.8)),
        _architecture("VGG-16", VGG, 0, (32.8, 35.1, 43.2, 8.6)),
        _architecture("VGG-16", VGG, 3, (50.7, 52.9, 59.0, 23.3)),
        _architecture("VGG-16", VGG, 10, (55.0, 56.0, 63.1, 28.9)),
        _architecture("ResNet-152", RESNET, 0, (9.9, 10.5, 42.5, 8.1)),
        _architecture("ResNet-152", RESNET, 3, (52.3, 53.9, 63.1, 29.6)),
        _architecture("ResNet-152", RESNET, 10, (57.5, 59.1, 68.1, 32.9)),
        _architecture("ResNet-152", RESNET, 35, (58.7, 60.0, 68.8, 35.0)),
    ),
    (MIU, FOV, MANY, FEW),
    "VOC 2012 val and ImageNet val",
    f"{ON_CAMVID} The few-label columns are CIFAR-100 with 100 and 10 images of each of its 100"
    " classes; there the Shallow and the Deep network of table 4.1 stand for AlexNet and VGG-16,"
    " and nothing stands for ResNet-152. Epochs are not those of the source.",
)


def _labels(
    name: str,
    title: str,
    miu: float,
    num_epochs: int,
    images: str = LABELS,
    flags: tuple[str, ...] = (),
    small_flags: tuple[str, ...] = (),
) -> Row:
    """Returns a row of table 3.5; its flags are for small scale if there are two."""

    def start(scale: str) -> Training:
        return supervised(
            scale, name, num_epochs, images=images, flags=flags, small_flags=small_flags
        )

    return Row(
        name, title, {FOV.name: make_cell(miu, lambda scale: fine_tuned(scale, start(scale)))}
    )


def _per_class(count: int) -> tuple[str, ...]:
    """Returns the flag that samples images of CIFAR-100."""
    return (f"--images_per_class={count}",)


LIVING = "--label_buckets=configs/table_3_5/cifar100_living.txt"
WORDNET = "--label_buckets=wordnet:{}:{{data}}/wordnet.is_a.txt"
LABELS_TABLE = Table(
    "ImageNet pretraining variations",
    (
        Row(
            "none",
            "None",
            {FOV.name: make_cell(35.1, lambda scale: fine_tuned(scale, None))},
        ),
        Row(
            "c1000_80_epochs",
            "C1000, 1.3M, 80 epochs",
            {FOV.name: make_cell(66.5, lambda scale: fine_tuned(scale, on_labels(scale)))},
        ),
        _labels("c1000_20_epochs", "C1000, 1.3M, 20 epochs", 62.0, 20),
        _labels("c1000_100k", "C1000, 100k, 250 epochs", 57.1, 20, small_flags=_per_class(16)),
        _labels("c1000_10k", "C1000, 10k, 250 epochs", 44.4, 2, small_flags=_per_class(2)),
        _labels("e10", "E10, (1.17M) 1.3M, 20 epochs", 61.8, 20),
        _labels("e50", "E50, (0.65M) 1.3M, 20 epochs", 59.4, 20),
        _labels("h16", "H16, 1.3M, 20 epochs", 60.0, 20, HIERARCHY, (WORDNET.format(16),)),
        _labels("h2", "H2, 1.3M, 20 epochs", 46.1, 20, HIERARCHY, (WORDNET.format(2),), (LIVING,)),
        _labels("r50_20_epochs", "R50, 1.3M, 20 epochs", 57.3, 20),
        _labels("r50_40_epochs", "R50, 1.3M, 40 epochs", 59.4, 40),
        _labels("r16_20_epochs", "R16, 1.3M, 20 epochs", 42.6, 20),
        _labels("r16_40_epochs", "R16, 1.3M, 40 epochs", 53.5, 40),
    ),
    (dataclasses.replace(FOV, title="Segmentation, VGG-16 +FoV (% mIU)"),),
    "VOC 2012 val, gray",
    f"{ON_CIFAR} C1000 are its 100 fine classes with 160 images each, 100k and 10k samples of 16"
    " and 2 of each class, H16 its 20 coarse classes and H2 living and other things.",
)

STARTS: dict[str, Callable[[str], Start]] = {
    "random": lambda scale: None,
    "colorization": on_colors,
    "classification": on_labels,
}


def _frozen(
    name: str, title: str, numbers: Mapping[str, float], suffix: str, small_tap: str
) -> Row:
    """Returns a row of table 3.6; `small_tap` is where its freezing ends on CIFAR's network."""
    small_flags = (f"--frozen_through={small_tap}",) if small_tap else ()
    path = f"table_3_6/vgg16_segmentation_fov{suffix}" if suffix else VGG_FOV

    def cell(kind: str) -> Cell:
        return make_cell(
            numbers[kind],
            lambda scale: fine_tuned(scale, STARTS[kind](scale), path, small_flags=small_flags),
        )

    return Row(name, title, {kind: cell(kind) for kind in numbers})


FROZEN_TABLE = Table(
    "End-to-end fine-tuning",
    (
        _frozen(
            "nothing",
            "Fine-tuned: none",
            {"random": 3.6, "colorization": 36.5, "classification": 60.8},
            "_frozen_fc7",
            "conv4b",
        ),
        _frozen(
            "fc6_to_fc7",
            "Fine-tuned: fc6, fc7",
            {"colorization": 42.6, "classification": 63.1},
            "_frozen_conv5_3",
            "conv3b",
        ),
        _frozen(
            "conv4_1_to_fc7",
            "Fine-tuned: conv4_1..fc7",
            {"colorization": 53.6, "classification": 64.2},
            "_frozen_conv3_3",
            "conv2b",
        ),
        _frozen(
            "all",
            "Fine-tuned: conv1_1..fc7",
            {"random": 35.1, "colorization": 56.0, "classification": 66.5},
            "",
            "",
        ),
    ),
    tuple(Column(kind, f"{kind.capitalize()} (% mIU)", SEGMENTING, "mean_iou") for kind in STARTS),
    "VOC 2012 val",
    f"{ON_CIFAR} The layers that are fine-tuned are none of it, conv4 and conv4b, conv3 and those"
    " above, and all. The further blocks and the layers behind the hypercolumn always learn.",
)


def _samples(count: int, miu: float) -> Row:
    """Returns a row of table 2.1."""
    segmentation = make_cell(
        miu,
        lambda scale: segmented(
            scale,
            f"table_2_1/vgg16_segmentation_{count}",
            IMAGENET if scale == FULL else colorized(scale, "table_3_4/alexnet_10_epochs", 10),
            THIN_ALEXNET,
        ),
    )
    colors = colorization_cells(f"configs/table_2_1/locations_{count}.cfg", columns=(PSNR, RMSE))
    return Row(f"locations_{count}", f"{count}", {MIU.name: segmentation, **colors})


SAMPLES_TABLE = Table(
    "Hypercolumn sparsity: sampled locations per image",
    (
        _samples(1, 54.5),
        _samples(4, 63.6),
        _samples(16, 67.6),
        _samples(64, 68.5),
        _samples(256, 69.2),
        _samples(1024, 68.9),
    ),
    (MIU, PSNR, RMSE),
    "VOC 2012 val",
    f"{ON_CAMVID} The first column is AlexNet's, in color. The last columns are networks that"
    " learn colorization from as many locations, which the source does not measure.",
    reading="compare the course of the columns",
)
