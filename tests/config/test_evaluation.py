import pytest
from absl import flags

from tfcolor.config.evaluation import EVALUATE_OPTIONS, run_evaluation
from tfcolor.config.flags import define_options
from tfcolor.core.errors import UsageError
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.evaluation import PROTOCOLS
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.loading import SavedColorizer


def _evaluate(*arguments):
    flag_values = flags.FlagValues()
    for options_class, prefix in EVALUATE_OPTIONS:
        define_options(options_class, prefix, flag_values)
    flag_values(["evaluate", *arguments])
    return run_evaluation(flag_values)


@pytest.fixture
def asked(monkeypatch):
    """Notes what the protocol is asked to measure, instead of measuring it."""
    calls = []

    def evaluate(self, colorizer, reader, reports):
        calls.append((colorizer, reader))
        return {}

    monkeypatch.setattr(PROTOCOLS["colorization"], "evaluate", evaluate)
    return calls


def test_baseline_is_measured_on_all_images(photos):
    images = f"--images={photos}"
    figures = _evaluate("--baseline=gray", images, "--heldout_fraction=0.5")
    reader = open_readers(DataOptions(images=str(photos), heldout_fraction=0.0))["train"]
    options = PROTOCOLS["colorization"].Options()
    assert figures == PROTOCOLS["colorization"](options).evaluate(None, reader)
    assert figures["num_images"] == 6


def test_options_of_the_protocol_are_passed_on(photos):
    eps = ["--colorization_eps=0.2", "--colorization_num_images=2"]
    figures = _evaluate("--baseline=gray", f"--images={photos}", *eps)
    assert (figures["rmse_alphabeta_eps"], figures["num_images"]) == (0.2, 2)


def test_model_may_be_a_run_or_an_export(asked, tiny_run, tiny_export, photos):
    flags_of_run = ["--network_max_side=48", "--decoding_chroma=mode"]
    _evaluate(f"--model={tiny_run}", f"--images={photos}", *flags_of_run)
    _evaluate(f"--model={tiny_export}", f"--images={photos}")
    (run, reader), (export, _) = asked
    assert type(run) is Colorizer
    assert run.painter.size.max_side == 48
    assert type(export) is SavedColorizer
    assert reader.num_examples == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images=builtin:photos"], "--model is not given"),
        (["--baseline=gray"], "--images is not given"),
        (["--protocol=taste"], "--protocol=taste: expected one of colorization"),
    ],
)
def test_what_is_missing_or_unknown_is_named(arguments, message):
    with pytest.raises(UsageError, match=message):
        _evaluate(*arguments)
