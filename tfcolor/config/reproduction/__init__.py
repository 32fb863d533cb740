"""The tables of the dissertation that can be reproduced, by number."""

from tfcolor.config.reproduction.tables import (
    HISTOGRAM_TABLE,
    METHODS_TABLE,
    SAMPLES_TABLE,
    TAPS_TABLE,
    VARIANTS_TABLE,
)

TABLES = {
    "2.1": SAMPLES_TABLE,
    "2.2": VARIANTS_TABLE,
    "2.3": TAPS_TABLE,
    "2.4": METHODS_TABLE,
    "2.5": HISTOGRAM_TABLE,
}
