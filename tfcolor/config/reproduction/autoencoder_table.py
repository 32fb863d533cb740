"""Table 1.3 of the dissertation, as data: autoencoders for pretraining."""

from tfcolor.config.reproduction.cells import MEAN_AP, MIU, ON_CAMVID, make_cell
from tfcolor.config.reproduction.study import Cell, Row, Table, Training
from tfcolor.config.reproduction.trainings import ALEXNET, Start, autoencoded, classified, segmented

KMEANS = "--initial_weights=kmeans"


def reconstructing_cells(mean_ap: float, miu: float, name: str) -> dict[str, Cell]:
    """Returns the cells of AlexNet pretrained as an autoencoder.

    Args:
      mean_ap: the source's classification, %.
      miu: the source's segmentation, %.
      name: of the pretraining's flagfile in configs/table_1_3, without suffix.

    Returns:
      Cells by name of column.
    """
    return {
        MEAN_AP.name: make_cell(
            mean_ap, lambda scale: _classified(scale, autoencoded(scale, name))
        ),
        MIU.name: make_cell(miu, lambda scale: _segmented(scale, autoencoded(scale, name))),
    }


def _classified(scale: str, start: Start, *flags: str, variant: str = "") -> Training:
    """Returns a training on the classes of VOC 2007 in color."""
    flags = ("--multilabel_input=color", *flags)
    return classified(scale, f"{ALEXNET}_voc2007", start, flags, f"_color{variant}")


def _segmented(scale: str, start: Start, *flags: str, variant: str = "") -> Training:
    """Returns a training on segmentation in color."""
    return segmented(
        scale,
        f"table_3_4/{ALEXNET}_segmentation",
        start,
        flags=("--segmentation_input=color", *flags),
        variant=f"_color{variant}",
    )


AUTOENCODER_TABLE = Table(
    "Autoencoders for pretraining",
    (
        Row(
            "random",
            "No pretraining",
            {
                MEAN_AP.name: make_cell(46.2, lambda scale: _classified(scale, None)),
                MIU.name: make_cell(23.5, lambda scale: _segmented(scale, None)),
            },
        ),
        Row("autoencoder", "Autoencoder", reconstructing_cells(50.8, 26.0, "alexnet_autoencoder")),
        Row(
            "shortcut_autoencoder",
            "Shortcut autoencoder",
            reconstructing_cells(53.3, 28.7, "alexnet_shortcut_autoencoder"),
        ),
        Row(
            "kmeans",
            "Layer-wise k-means",
            {
                MEAN_AP.name: make_cell(
                    56.6, lambda scale: _classified(scale, None, KMEANS, variant="_kmeans")
                ),
                MIU.name: make_cell(
                    32.6, lambda scale: _segmented(scale, None, KMEANS, variant="_kmeans")
                ),
            },
        ),
    ),
    (MEAN_AP, MIU),
    "VOC 2007 test (classification) and VOC 2012 val (segmentation)",
    f"{ON_CAMVID} Here they see colors, in every row. Classification needs VOC2007/ in the folder"
    " of the data. The numbers of k-means are quoted from others in the source.",
)
