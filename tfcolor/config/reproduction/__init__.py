"""The tables and figures of the dissertation that can be reproduced, by number.

Those of the paper of Doersch and Zisserman (ICCV 2017) begin with S4. Tables and
figures of ours, beside them, have names.
"""

from tfcolor.config.reproduction.autoencoder_table import AUTOENCODER_TABLE
from tfcolor.config.reproduction.comparison_table import COMPARISON_TABLE
from tfcolor.config.reproduction.digit_tables import SAMPLE_SIZES_TABLE, VARIATIONS_TABLE
from tfcolor.config.reproduction.distillation_tables import ADAPTATIONS_TABLE, LOSSES_TABLE
from tfcolor.config.reproduction.multi_task_figures import (
    COMBINATIONS_FIGURE,
    MIXTURES_FIGURE,
    SINGLE_FIGURE,
)
from tfcolor.config.reproduction.multi_task_tables import (
    COMBINATIONS_DEPTH_TABLE,
    COMBINATIONS_TABLE,
    HARMONIZATION_DEPTH_TABLE,
    HARMONIZATION_TABLE,
    LASSO_DEPTH_TABLE,
    LASSO_TABLE,
    SINGLE_DEPTH_TABLE,
    SINGLE_TABLE,
)
from tfcolor.config.reproduction.pretext_figures import FILTERS_FIGURE, INTER_PROXY_FIGURE
from tfcolor.config.reproduction.pretext_tables import MULTI_PROXY_TABLE, PRETEXT_TABLE
from tfcolor.config.reproduction.pretraining_figures import (
    LEARNING_RATE_FIGURE,
    SHIFT_FIGURE,
    TOP_FIGURE,
)
from tfcolor.config.reproduction.representation_tables import (
    ARCHITECTURES_TABLE,
    COLOR_TABLE,
    FROZEN_TABLE,
    LABELS_TABLE,
    LOSS_TABLE,
    SAMPLES_TABLE,
)
from tfcolor.config.reproduction.tables import (
    HISTOGRAM_TABLE,
    METHODS_TABLE,
    TAPS_TABLE,
    VARIANTS_TABLE,
)
from tfcolor.config.reproduction.testbed_figures import GRADIENT_FIGURE, LINES_FIGURE, SHAPES_FIGURE
from tfcolor.config.reproduction.testbed_tables import MULTI_TASK_TABLE, TURNS_TABLE
from tfcolor.config.reproduction.utility_figure import UTILITY_FIGURE

TABLES = {
    "1.1": VARIATIONS_TABLE,
    "1.2": SAMPLE_SIZES_TABLE,
    "1.3": AUTOENCODER_TABLE,
    "2.1": SAMPLES_TABLE,
    "2.2": VARIANTS_TABLE,
    "2.3": TAPS_TABLE,
    "2.4": METHODS_TABLE,
    "2.5": HISTOGRAM_TABLE,
    "3.1": COMPARISON_TABLE,
    "3.2": LOSS_TABLE,
    "3.3": COLOR_TABLE,
    "3.4": ARCHITECTURES_TABLE,
    "3.5": LABELS_TABLE,
    "3.6": FROZEN_TABLE,
    "4.3": LOSSES_TABLE,
    "4.4": ADAPTATIONS_TABLE,
    "4.5": MULTI_TASK_TABLE,
    "4.6": TURNS_TABLE,
    "4.7": MULTI_PROXY_TABLE,
    "S4.1": SINGLE_TABLE,
    "S4.2": COMBINATIONS_TABLE,
    "S4.3": HARMONIZATION_TABLE,
    "S4.4": LASSO_TABLE,
    "S4.5": SINGLE_DEPTH_TABLE,
    "S4.6": COMBINATIONS_DEPTH_TABLE,
    "S4.7": HARMONIZATION_DEPTH_TABLE,
    "S4.8": LASSO_DEPTH_TABLE,
    "pretext": PRETEXT_TABLE,
}
FIGURES = {
    "3.3": SHIFT_FIGURE,
    "3.4": LEARNING_RATE_FIGURE,
    "3.5": TOP_FIGURE,
    "4.2": SHAPES_FIGURE,
    "4.4": GRADIENT_FIGURE,
    "4.6": FILTERS_FIGURE,
    "4.7": INTER_PROXY_FIGURE,
    "S4.5": MIXTURES_FIGURE,
    "utility": UTILITY_FIGURE,
}
CURVES = {"4.5": LINES_FIGURE, "S4.3": SINGLE_FIGURE, "S4.4": COMBINATIONS_FIGURE}
"""Figures that are measured as tables are."""
