import re

import pytest

from tfcolor.config.coloring import COLORIZE_OPTIONS, TransferOptions
from tfcolor.config.flags import define_options
from tfcolor.core.errors import UsageError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"reference": "a", "histogram": "b"}, "--reference and --histogram are both given"),
        ({"histogram": "b", "transfer": "quantile"}, "--transfer=quantile needs the pixels"),
        ({"write_histogram": "b"}, "--write_histogram writes the histograms of --reference"),
        ({"transfer": "none"}, "--transfer=none: expected one of energy, quantile"),
    ],
)
def test_contradictions_are_usage_errors(values, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        TransferOptions(**values)


def test_no_two_options_share_a_flag():
    from absl import flags

    flag_values = flags.FlagValues()
    for options, prefix in COLORIZE_OPTIONS:
        define_options(options, prefix, flag_values)
    for name in ("hints", "hint_image", "hint_decay", "num_samples", "transfer_weight"):
        assert name in flag_values
