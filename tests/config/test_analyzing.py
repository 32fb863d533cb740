import pytest
from absl import flags

from tfcolor.config import analyzing
from tfcolor.config.analyzing import ANALYZE_OPTIONS, run_analysis
from tfcolor.config.flags import define_options
from tfcolor.core.errors import UsageError


def analyze(*arguments):
    flag_values = flags.FlagValues()
    for options_class, prefix in ANALYZE_OPTIONS:
        define_options(options_class, prefix, flag_values)
    flag_values(["analyze", *arguments])
    return run_analysis(flag_values)


@pytest.fixture
def networks(monkeypatch, build_tiny_network):
    """Networks that stand in for those of runs, by the run's name."""
    loaded = []

    def load_observed_network(run_dir, checkpoint):
        loaded.append((run_dir, checkpoint))
        backbone = build_tiny_network(len(loaded)).backbone
        return analyzing.ObservedNetwork(run_dir, backbone, analyzing_inputs)

    def analyzing_inputs(rgb):
        return rgb[..., :1]

    monkeypatch.setattr(analyzing, "load_observed_network", load_observed_network)
    return loaded


def test_options_reach_the_analysis(networks, photos, tmp_path):
    findings = analyze(
        "--model=a",
        "--other_model=b",
        "--other_checkpoint=last",
        f"--images={photos}",
        "--num_images=2",
        "--taps=conv3_1",
        "--positions_per_image=7",
        "--network_min_side=32",
        "--network_max_side=48",
        f"--output={tmp_path}",
    )
    assert networks == [("a", "best"), ("b", "last")]
    (layer,) = findings.numbers["layers"]
    assert (layer["layer"], layer["num_positions"]) == ("conv3_1", 14)
    assert (findings.numbers["model"], findings.numbers["other_model"]) == ("a", "b")
    assert (tmp_path / "feature_shift.png").is_file()


def test_images_of_a_run_are_those_it_set_aside(networks, tiny_run, tmp_path):
    findings = analyze(
        "--analysis=top_activations",
        f"--model={tiny_run}",
        "--tap=conv2_1",
        "--num_features=1",
        "--network_max_side=64",
        f"--output={tmp_path}",
    )
    assert findings.numbers["num_images"] == 2  # 30 % of six


def test_run_that_set_nothing_aside_needs_images(networks, tiny_run, tmp_path):
    text = (tiny_run / "flags.cfg").read_text().replace("fraction=0.3", "fraction=0.0")
    (tmp_path / "flags.cfg").write_text(text)
    with pytest.raises(UsageError, match="set no images aside"):
        analyze("--analysis=top_activations", f"--model={tmp_path}", f"--output={tmp_path}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--model is not given"),
        (["--model=a"], "--output is not given"),
        (["--model=a", "--output=b"], "--other_model is not given: feature_shift compares"),
        (
            ["--model=a", "--output=b", "--other_model=c", "--analysis=first_filters"],
            "--other_model=c: first_filters takes one run",
        ),
        (["--output=b", "--analysis=parts"], "--model is not given"),
        (["--output=b", "--model=a", "--analysis=permutations"], "--model=a: .* takes no run"),
        (
            ["--output=b", "--other_model=c", "--analysis=variations"],
            "variations takes no run; feature_shift, top_activations, parts, class_mixtures take",
        ),
        (["--model=a", "--analysis=taste"], "feature_shift, top_activations, first_filters"),
        (
            ["--model=a", "--output=b", "--analysis=top_activations", "--num_patches=0"],
            "at least 1",
        ),
    ],
)
def test_mistake_is_explained(networks, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        analyze(*arguments)


def test_epochs_are_counted_by_the_images_of_the_run(tiny_run, tmp_path):
    arguments = ["--analysis=learning_curve", f"--model={tiny_run}", f"--output={tmp_path}"]
    assert analyze(*arguments).numbers["steps_per_epoch"] == 4 / 4  # six, of which two set aside
    assert analyze(*arguments, "--images_per_epoch=10").numbers["steps_per_epoch"] == 10 / 4


def test_epochs_are_unknown_where_images_are_gone(tiny_run, tmp_path):
    text = (tiny_run / "flags.cfg").read_text().replace("--images=", "--images=/gone")
    (tmp_path / "flags.cfg").write_text(text)
    (tmp_path / "metrics.jsonl").write_text((tiny_run / "metrics.jsonl").read_text())
    arguments = ["--analysis=learning_curve", f"--model={tmp_path}", f"--output={tmp_path}"]
    assert analyze(*arguments).numbers["steps_per_epoch"] is None
