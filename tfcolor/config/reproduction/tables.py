"""The dissertation's tables on colorization, 2.2 to 2.5, as data."""

from collections.abc import Sequence

from tfcolor.config.reproduction.layout import COLORIZATION
from tfcolor.config.reproduction.study import (
    SCALES,
    SMALL,
    Cell,
    Column,
    Measure,
    Row,
    Subject,
    Table,
    Training,
)

SMALL_ROWS = "--flagfile=configs/base/reproduction_small.cfg"
COLORING = Measure("colorization", "colorization", COLORIZATION)
RMSE = Column("rmse", "RMSE", COLORING, "rmse_alphabeta", 3, 1.0, lower_is_better=True)
SECOND_RMSE = Column(
    "rmse_eps", "RMSE, eps 0.05", COLORING, "rmse_alphabeta_eps_0.05", 3, 1.0, lower_is_better=True
)
PSNR = Column("psnr", "PSNR (dB)", COLORING, "psnr_db", 2, 1.0)
COLUMNS = (RMSE, SECOND_RMSE, PSNR)

HUE_CHROMA = "configs/table_2_2/hue_chroma.cfg"
NO_FADING = ("--nodecoding_use_fading",)
READING = "compare the order of the rows and their distance to gray"


def colorizer(config: str, scale: str) -> Training:
    """Returns the training of a colorizer.

    Args:
      config: its flagfile.
      scale: "small" or "full".

    Returns:
      A training on the photographs of chapter 2.
    """
    name = config.rsplit("/", 1)[-1].removesuffix(".cfg")
    return Training(name, config, COLORIZATION, (SMALL_ROWS,) if scale == SMALL else ())


def colorization_cells(
    config: str,
    rmse: float | None = None,
    psnr: float | None = None,
    flags: Sequence[str] = (),
    columns: Sequence[Column] = COLUMNS,
) -> dict[str, Cell]:
    """Returns the cells of a colorizer, or of the gray baseline.

    Args:
      config: its flagfile; empty for the baseline.
      rmse: published.
      psnr: published.
      flags: of `evaluate`.
      columns: those of the table that colorization is measured by.

    Returns:
      Cells by column, all of one measurement.
    """
    subjects = {
        scale: Subject((colorizer(config, scale),) if config else (), tuple(flags))
        for scale in SCALES
    }
    published = {RMSE.name: rmse, PSNR.name: psnr}
    return {column.name: Cell(published.get(column.name), subjects) for column in columns}


def _quoted(name: str, title: str, rmse: float) -> Row:
    """Returns the row of somebody else's method."""
    return Row(name, title, {RMSE.name: Cell(rmse)})


def _ablation(name: str, title: str, rmse: float, psnr: float) -> Row:
    """Returns a row of table 2.3."""
    return Row(name, title, colorization_cells(f"configs/table_2_3/{name}.cfg", rmse, psnr))


def _variant(name: str, title: str, rmse: float, psnr: float) -> Row:
    """Returns a row of table 2.2."""
    return Row(name, title, colorization_cells(f"configs/table_2_2/{name}.cfg", rmse, psnr))


VARIANTS_TABLE = Table(
    "Output spaces and losses",
    (
        Row("gray", "No colorization", colorization_cells("", 0.343, 22.98)),
        _variant("lab_values", "Lab, L2", 0.318, 24.25),
        _variant("lab_marginals", "Lab, K = 32", 0.321, 24.33),
        _variant("lab_joint", "Lab, K = 16 x 16", 0.328, 24.30),
        Row(
            "hue_chroma",
            "Hue/chroma, K = 32",
            colorization_cells(HUE_CHROMA, 0.342, 23.77, NO_FADING),
            NO_FADING,
        ),
        Row("fading", "+ chromatic fading", colorization_cells(HUE_CHROMA, 0.299, 24.45)),
    ),
    COLUMNS,
    "cval1k",
    subset=("--colorization_subset=cval1k",),
    reading=READING,
)
TAPS_TABLE = Table(
    "Ablation of hypercolumn components",
    (
        Row("data_to_fc7", "data..fc7", colorization_cells(HUE_CHROMA, 0.299, 24.45)),
        _ablation("data_to_conv5_3", "data..conv5_3", 0.306, 24.13),
        _ablation("conv4_1_to_fc7", "conv4_1..fc7", 0.302, 24.45),
        _ablation("conv5_1_to_fc7", "conv5_1..fc7", 0.307, 24.38),
        _ablation("fc6_to_fc7", "fc6..fc7", 0.323, 24.22),
        _ablation("fc7", "fc7", 0.324, 24.19),
    ),
    COLUMNS,
    "cval1k",
    subset=("--colorization_subset=cval1k",),
    reading=READING,
)
METHODS_TABLE = Table(
    "Comparison with competing methods",
    (
        Row("gray", "Grayscale (no colorization)", colorization_cells("", 0.285)),
        _quoted("welsh", "Welsh et al.", 0.353),
        _quoted("deshpande", "Deshpande et al.", 0.262),
        _quoted("deshpande_scene", "Deshpande et al. + GT scene", 0.254),
        Row("ours", "Larsson et al.", colorization_cells(HUE_CHROMA, 0.211)),
    ),
    COLUMNS,
    "sun_6",
    subset=("--colorization_subset=sun_6",),
    reading=READING,
)
HISTOGRAM_TABLE = Table(
    "Ground-truth color histograms",
    (
        Row("ours", "Larsson et al., unaided", colorization_cells(HUE_CHROMA)),
        _quoted("deshpande_c", "Deshpande et al. (C)", 0.236),
        _quoted("deshpande_q", "Deshpande et al. (Q)", 0.211),
        Row(
            "quantile",
            "Larsson et al. (Q)",
            colorization_cells(HUE_CHROMA, 0.178, flags=("--colorization_histogram=quantile",)),
            ("--transfer=quantile", "--reference={photo}"),
        ),
        Row(
            "energy",
            "Larsson et al. (E)",
            colorization_cells(HUE_CHROMA, 0.165, flags=("--colorization_histogram=energy",)),
            ("--transfer=energy", "--reference={photo}"),
        ),
    ),
    COLUMNS,
    "sun_6",
    subset=("--colorization_subset=sun_6",),
    reading=READING,
)
