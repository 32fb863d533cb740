import json
import re

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.inference.loading import (
    SavedColorizer,
    is_saved_model,
    latest_version,
    read_metadata,
)


@pytest.fixture(scope="module")
def saved(colorizer_export):
    return SavedColorizer(colorizer_export)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 33, 47), (1, 3, 120)])
def test_export_equals_the_colorizer_in_process(saved, tiny_colorizer, shape):
    gray = np.random.default_rng(0).uniform(0, 1, (*shape, 1)).astype(np.float32)
    for method in ("colorize", "histograms"):
        expected = getattr(tiny_colorizer, method)(gray)
        actual = getattr(saved, method)(gray)
        assert set(actual) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(actual[name], value, atol=1e-5)


def test_any_array_is_taken_for_float32(saved):
    gray = np.full((1, 8, 8, 1), 0.5)
    assert saved.colorize(gray)["rgb"].dtype == tf.float32


def test_geometry_travels_with_the_export(saved, tiny_colorizer):
    assert saved.painter.size == tiny_colorizer.painter.size
    assert saved.painter.grid == tiny_colorizer.painter.grid
    assert saved.decoding == tiny_colorizer.decoding
    assert saved.painter.space.outputs == tiny_colorizer.painter.space.outputs


def test_metadata_is_read(colorizer_export):
    assert read_metadata(colorizer_export / "1")["step"] == 7


def test_largest_version_is_taken_by_number(tmp_path):
    for name in ("9", "10", "2", "11.old", ".exporting_x"):
        (tmp_path / name).mkdir()
    (tmp_path / "12").touch()
    assert latest_version(tmp_path) == tmp_path / "10"
    assert latest_version(tmp_path / "9") == tmp_path / "9"
    assert latest_version(tmp_path / "missing") == tmp_path / "missing"


def test_saved_models_are_told_from_other_folders(colorizer_export, tmp_path, photos):
    assert is_saved_model(colorizer_export)
    assert is_saved_model(colorizer_export / "1")
    assert not is_saved_model(photos)
    assert not is_saved_model(photos / "photo0.png")
    assert not is_saved_model(tmp_path / "missing")


def test_a_folder_without_a_saved_model_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match=f"cannot load the SavedModel {re.escape(str(tmp_path))}"):
        SavedColorizer(tmp_path)


def _save_module(folder, signatures):
    module = tf.Module()
    module.double = tf.function(
        lambda gray: {"rgb": 2 * gray}, input_signature=[tf.TensorSpec([None], name="gray")]
    )
    tf.saved_model.save(module, str(folder), dict.fromkeys(signatures, module.double))


def test_a_foreign_saved_model_is_a_user_error(tmp_path):
    _save_module(tmp_path, ["colorize"])
    with pytest.raises(UserError, match=r"lacks the signatures \['histograms'\]; it has colorize"):
        SavedColorizer(tmp_path)


@pytest.mark.parametrize("text", [None, "{", "{}", '{"size": {"width": 3}, "grid": {}}'])
def test_broken_metadata_is_a_user_error(tmp_path, text):
    _save_module(tmp_path, ["colorize", "histograms"])
    if text is not None:
        (tmp_path / "assets").mkdir(exist_ok=True)
        (tmp_path / "assets/metadata.json").write_text(text)
    with pytest.raises(UserError, match="is not an export of tfcolor"):
        SavedColorizer(tmp_path)


def test_metadata_asset_is_json_that_names_the_signatures(colorizer_export):
    content = json.loads((colorizer_export / "1/assets/metadata.json").read_text())
    assert "colorize" in content["signatures"]
