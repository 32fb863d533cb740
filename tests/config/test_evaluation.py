import numpy as np
import pytest
from absl import flags

from tfcolor.config.evaluation import (
    EVALUATE_OPTIONS,
    EvaluateOptions,
    load_trained_network,
    run_evaluation,
)
from tfcolor.config.flags import define_options
from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.evaluation.protocols import PROTOCOLS
from tfcolor.evaluation.subjects import COLORIZER, NETWORKS
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


def test_every_protocol_says_what_it_measures():
    assert all(protocol.name == name for name, protocol in PROTOCOLS.items())
    networks = {name: one for name, one in PROTOCOLS.items() if one.subject == NETWORKS}
    assert {name: one.task for name, one in networks.items() if one.takes_several} == {
        "voc_classification": "multilabel",
        "voc_segmentation": "segmentation",
        "depth": "depth",
        "image_classification": "classification",
    }
    assert {one.subject for one in PROTOCOLS.values()} == {NETWORKS, COLORIZER}


def test_network_is_that_of_the_checkpoint_or_as_before_training(tiny_run):
    trained, untrained = (
        load_trained_network(str(tiny_run), EvaluateOptions("few_label", baseline=baseline))
        for baseline in ("none", "random")
    )
    assert trained.origin["step"] > 0 == untrained.origin["step"]
    assert trained.run == untrained.run == str(tiny_run)
    assert trained.options == untrained.options
    pairs = zip(
        trained.network.trainable_variables, untrained.network.trainable_variables, strict=True
    )
    changes = [float(np.abs(one - other).max()) for one, other in pairs]
    assert 0 < np.max(changes) < 1
    again = load_trained_network(str(tiny_run), EvaluateOptions("few_label", baseline="random"))
    pairs = zip(again.network.variables, untrained.network.variables, strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol=few_label"], "--model is not given: name a run's folder"),
        (["--protocol=few_label", "--model={run},{run}"], "expected one, as few_label has no"),
        (["--model={run},{run}"], "expected one, as colorization has no"),
        (
            ["--protocol=few_label", "--model={run}", "--baseline=gray"],
            "--baseline=gray: expected none with --protocol=few_label",
        ),
        (["--model={run}", "--baseline=random"], "expected none with --protocol=colorization"),
        (["--protocol=voc_segmentation", "--model={export}"], "measures runs, not exports"),
        (["--protocol=voc_segmentation", "--model=grpc://a:1/b"], "measures runs, not exports"),
        (["--protocol=voc_segmentation", "--model={run},none"], "--model=none: there is no such"),
        (
            ["--protocol=voc_segmentation", "--model={run}"],
            "is a run of the task colorization; voc_segmentation measures runs of the task "
            "segmentation: train one with --task=segmentation --initial_weights=",
        ),
        (["--protocol=few_label", "--model={run}"], "--few_label_test_images is not given"),
    ],
)
def test_models_that_do_not_fit_the_protocol_are_named(
    tiny_run, tiny_export, photos, arguments, message
):
    filled = [text.format(run=tiny_run, export=tiny_export) for text in arguments]
    with pytest.raises(UserError, match=message):
        _evaluate(f"--images={photos}", *filled)


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
