import json

import pytest
import tensorflow as tf
from absl import flags

from tfcolor.config.exporting import EXPORT_OPTIONS, ExportOptions, run_export
from tfcolor.config.flags import define_options
from tfcolor.core.errors import UsageError


@pytest.fixture
def run(tiny_run, tmp_path, monkeypatch):
    """Exports with flags; notes the colorizer and its metadata instead of tracing it."""

    def note(colorizer, export_dir, metadata, *options):
        noted.append((colorizer, metadata, options))
        return tmp_path / "1"

    noted = []
    monkeypatch.setattr("tfcolor.config.exporting.export_colorizer", note)
    monkeypatch.setattr("tfcolor.config.exporting.export_portable", note)

    def export(*arguments):
        flag_values = flags.FlagValues()
        for options_class, prefix in EXPORT_OPTIONS:
            define_options(options_class, prefix, flag_values)
        flag_values(["export", f"--run_dir={tiny_run}", f"--export_dir={tmp_path}", *arguments])
        assert run_export(flag_values) == tmp_path / "1"
        return noted.pop()

    yield export
    tf.keras.mixed_precision.set_global_policy("float32")


def test_plain_export_says_where_it_comes_from(run, tiny_run):
    colorizer, metadata, (serving,) = run("--serving_max_pixels=99", "--network_max_side=48")
    assert (metadata["run"], metadata["backbone"]) == (str(tiny_run), "alexnet")
    recorded = json.loads((tiny_run / "run.json").read_text())
    assert metadata["git_commit"] == recorded["git_commit"]
    assert (metadata["precision"], metadata["compact"]) == ("trained", None)
    assert (serving.max_pixels, colorizer.painter.size.max_side) == (99, 48)


def test_compact_export_has_its_measured_loss(run, photos, capfd):
    flags_of_size = ["--network_min_side=24", "--network_max_side=32"]
    images = [f"--compact_images={photos}", "--compact_num_images=2"]
    colorizer, metadata, _ = run("--compact", *images, *flags_of_size)
    assert colorizer.network.head.hidden.kernel.dtype == tf.float16
    assert tf.keras.mixed_precision.global_policy().variable_dtype == "float32"
    loss = metadata["compact"]
    assert (loss["num_images"], loss["images"]) == (2, str(photos))
    assert loss["weights"] == "float16"
    assert loss["loss_db"] == pytest.approx(0, abs=0.05)
    assert loss["agreement_db"] > 50


def test_precision_is_chosen(run):
    colorizer, metadata, _ = run("--precision=bfloat16")
    assert colorizer.network.backbone.compute_dtype == "bfloat16"
    assert metadata["precision"] == "bfloat16"
    colorizer, _, (file_format, portable) = run("--format=tflite", "--portable_size=32x40")
    assert colorizer.network.backbone.compute_dtype == "float32"
    assert (file_format, portable.size) == ("tflite", "32x40")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "coreml"}, "--format=coreml: expected one of saved_model, tflite, onnx"),
        ({"format": "tflite", "precision": "bfloat16"}, "--precision=bfloat16: expected float32"),
        ({"format": "onnx", "compact": True}, "--compact: expected --format=saved_model"),
        ({"precision": "float16"}, "--precision=float16: expected one of trained"),
    ],
)
def test_contradictions_are_usage_errors(values, message):
    with pytest.raises(UsageError, match=message):
        ExportOptions(**values)
