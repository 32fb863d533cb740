"""Tables of the dissertation as data: rows, flags and published numbers."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
      name: short name, for files and `--rows`.
      title: as the report shows it.
      published: the source's numbers by metric.
      config: flagfile that trains the row, relative to the project; empty for a
        baseline or a number that is only quoted.
      evaluate: flags of `evaluate` besides the common ones.
      colorize: flags of `colorize` for the report's pictures; {photo} stands for
        the photograph itself.
      is_quoted: whether the row is somebody else's method, which is not run.
    """

    name: str
    title: str
    published: Mapping[str, float]
    config: str = ""
    evaluate: tuple[str, ...] = ()
    colorize: tuple[str, ...] = ()
    is_quoted: bool = False


@dataclasses.dataclass(frozen=True)
class Metric:
    """One column of a table.

    Args:
      key: name of the figure in the JSON of `evaluate`.
      title: as the report shows it.
      digits: decimals in the report.
    """

    key: str
    title: str
    digits: int


@dataclasses.dataclass(frozen=True)
class Table:
    """One table of the dissertation.

    Args:
      title: what it shows.
      rows: in the order of the source.
      metrics: its columns, those without published numbers too.
      dataset: what the source measures on; the folder or list of that name under
        `--data` at full scale.
      note: how the small scale differs in kind, for the report.
      subset: flags of `evaluate` at full scale.
      has_full_scale: False where the published measure needs a protocol that
        does not exist yet.
    """

    title: str
    rows: tuple[Row, ...]
    metrics: tuple[Metric, ...]
    dataset: str
    note: str = ""
    subset: tuple[str, ...] = ()
    has_full_scale: bool = True


RMSE = Metric("rmse_alphabeta", "RMSE", 3)
SECOND_RMSE = Metric("rmse_alphabeta_eps_0.05", "RMSE, eps 0.05", 3)
PSNR = Metric("psnr_db", "PSNR (dB)", 2)
COLORIZATION = (RMSE, SECOND_RMSE, PSNR)

HUE_CHROMA = "configs/table_2_2/hue_chroma.cfg"
NO_FADING = ("--nodecoding_use_fading",)


def _scores(rmse: float, psnr: float | None = None) -> dict[str, float]:
    """Returns published numbers by metric."""
    return {RMSE.key: rmse} | ({} if psnr is None else {PSNR.key: psnr})


def _ablation(name: str, title: str, rmse: float, psnr: float) -> Row:
    """Returns a row of table 2.3."""
    return Row(name, title, _scores(rmse, psnr), f"configs/table_2_3/{name}.cfg")


def _samples(count: int, miu: float) -> Row:
    """Returns a row of table 2.1."""
    name = f"locations_{count}"
    return Row(name, f"{count}", {"miu": miu}, f"configs/table_2_1/{name}.cfg")


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
    (Metric("miu", "VOC 2012 segmentation mIU (%)", 1), PSNR, RMSE),
    "voc2012",
    "The dissertation measures segmentation. Here the same networks learn colorization from as many"
    " locations, so compare the course of the columns and not their values.",
    has_full_scale=False,
)
VARIANTS_TABLE = Table(
    "Output spaces and losses",
    (
        Row("gray", "No colorization", _scores(0.343, 22.98)),
        Row(
            "lab_values",
            "Lab, L2",
            _scores(0.318, 24.25),
            "configs/table_2_2/lab_values.cfg",
        ),
        Row(
            "lab_marginals",
            "Lab, K = 32",
            _scores(0.321, 24.33),
            "configs/table_2_2/lab_marginals.cfg",
        ),
        Row(
            "lab_joint",
            "Lab, K = 16 x 16",
            _scores(0.328, 24.30),
            "configs/table_2_2/lab_joint.cfg",
        ),
        Row(
            "hue_chroma",
            "Hue/chroma, K = 32",
            _scores(0.342, 23.77),
            HUE_CHROMA,
            NO_FADING,
            NO_FADING,
        ),
        Row("fading", "+ chromatic fading", _scores(0.299, 24.45), HUE_CHROMA),
    ),
    COLORIZATION,
    "cval1k",
    subset=("--colorization_subset=cval1k",),
)
TAPS_TABLE = Table(
    "Ablation of hypercolumn components",
    (
        Row("data_to_fc7", "data..fc7", _scores(0.299, 24.45), HUE_CHROMA),
        _ablation("data_to_conv5_3", "data..conv5_3", 0.306, 24.13),
        _ablation("conv4_1_to_fc7", "conv4_1..fc7", 0.302, 24.45),
        _ablation("conv5_1_to_fc7", "conv5_1..fc7", 0.307, 24.38),
        _ablation("fc6_to_fc7", "fc6..fc7", 0.323, 24.22),
        _ablation("fc7", "fc7", 0.324, 24.19),
    ),
    COLORIZATION,
    "cval1k",
    subset=("--colorization_subset=cval1k",),
)
METHODS_TABLE = Table(
    "Comparison with competing methods",
    (
        Row("gray", "Grayscale (no colorization)", _scores(0.285)),
        Row("welsh", "Welsh et al.", _scores(0.353), is_quoted=True),
        Row("deshpande", "Deshpande et al.", _scores(0.262), is_quoted=True),
        Row("deshpande_scene", "Deshpande et al. + GT scene", _scores(0.254), is_quoted=True),
        Row("ours", "Larsson et al.", _scores(0.211), HUE_CHROMA),
    ),
    COLORIZATION,
    "sun_6",
    subset=("--colorization_subset=sun_6",),
)
HISTOGRAM_TABLE = Table(
    "Ground-truth color histograms",
    (
        Row("ours", "Larsson et al., unaided", {}, HUE_CHROMA),
        Row("deshpande_c", "Deshpande et al. (C)", _scores(0.236), is_quoted=True),
        Row("deshpande_q", "Deshpande et al. (Q)", _scores(0.211), is_quoted=True),
        Row(
            "quantile",
            "Larsson et al. (Q)",
            _scores(0.178),
            HUE_CHROMA,
            ("--colorization_histogram=quantile",),
            ("--transfer=quantile", "--reference={photo}"),
        ),
        Row(
            "energy",
            "Larsson et al. (E)",
            _scores(0.165),
            HUE_CHROMA,
            ("--colorization_histogram=energy",),
            ("--transfer=energy", "--reference={photo}"),
        ),
    ),
    COLORIZATION,
    "sun_6",
    subset=("--colorization_subset=sun_6",),
)
