"""Tests of the table of protocols."""

import subprocess
import sys

from tfcolor.core.options import check_options
from tfcolor.evaluation.protocols import PROTOCOLS


def test_table_names_the_protocols():
    assert all(protocol.name == name for name, protocol in PROTOCOLS.items())
    for protocol in PROTOCOLS.values():
        check_options(protocol.Options())


def test_training_starts_without_what_only_protocols_need():
    program = "import sys, tfcolor.train; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    modules = shown.stdout.split()
    assert "tfcolor.config.training" in modules
    assert not {"tfcolor.evaluation.protocols", "scipy.stats", "sklearn"} & set(modules)
