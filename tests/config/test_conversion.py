import json

import h5py
import numpy as np
import pytest

from tfcolor.config import conversion
from tfcolor.config.assembly import load_network
from tfcolor.config.conversion import ConvertOptions, convert_weights, fetch_published
from tfcolor.config.experiment import load_experiment
from tfcolor.core.errors import UsageError, UserError
from tfcolor.models.weights.zoo import ZOO

THIN = (
    "vgg16_width_multiplier=0.0625",
    "colorization_hidden_units=16",
    "colorization_num_bins=8",
)
BLOCKS = {1: (4, 2), 2: (8, 2), 3: (16, 3), 4: (32, 3), 5: (32, 3)}


def _layers(with_head=True):
    """Returns Caffe's arrays of a thin VGG-16 colorizer by tensor."""
    generator = np.random.default_rng(0)
    shapes, channels = {}, 1
    for block, (outputs, count) in BLOCKS.items():
        for index in range(1, count + 1):
            shapes[f"conv{block}_{index}"] = (outputs, channels, 3, 3)
            channels = outputs
    shapes |= {"fc6": (256, 32, 7, 7), "fc7": (256, 256, 1, 1)}
    if with_head:
        columns = 1 + 2 * 4 + 2 * 8 + 3 * 16 + 6 * 32 + 2 * 256
        shapes |= {"h_fc1": (16, columns, 1, 1)}
        shapes |= dict.fromkeys(("prediction_h", "prediction_c"), (8, 16, 1, 1))
    tensors = {}
    for name, shape in shapes.items():
        tensors[f"{name}/0"] = generator.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
        tensors[f"{name}/1"] = generator.normal(0, 0.1, shape[0])
    return tensors


def _write(path, tensors):
    with h5py.File(path, "w") as file:
        for name, array in tensors.items():
            file[f"data/{name}"] = array.astype(np.float32)
    return str(path)


def _options(source, folder, **options):
    return ConvertOptions(source=source, run_dir=str(folder), overrides=THIN, **options)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return _write(tmp_path_factory.mktemp("weights") / "w.caffemodel.h5", _layers())


def test_converted_run_is_loaded_with_the_weights_of_the_file(source, tmp_path):
    convert_weights(_options(source, tmp_path / "run"))
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoints",
        "flags.cfg",
        "result.json",
        "run.json",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    network, origin = load_network(tmp_path / "run")
    assert origin["step"] == 0 and origin["backbone"] == "vgg16"
    tensors = _layers()
    kernel = tensors["conv1_2/0"].transpose(2, 3, 1, 0)
    np.testing.assert_allclose(network.backbone.convolutions["conv1_2"].kernel, kernel, rtol=1e-6)
    hidden = tensors["h_fc1/0"][:, :, 0, 0].T
    np.testing.assert_allclose(network.head.hidden.kernel, hidden, rtol=1e-6)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["matched"] == 36 and result["untouched"] == []


def test_converted_colorizer_takes_raw_gray_at_offset_zero(source, tmp_path):
    convert_weights(_options(source, tmp_path / "run"))
    options = load_experiment(tmp_path / "run").backbone
    assert options.input_mean == (0.0,)
    assert options.tap_alignment == "zero"
    assert not options.use_batch_norm


@pytest.mark.parametrize("how", ["missing", "mis-shaped", "truncated"])
def test_a_file_that_does_not_fit_leaves_nothing(tmp_path, how):
    tensors = _layers()
    if how == "missing":
        del tensors["fc6/1"]
    if how == "mis-shaped":
        tensors["fc6/1"] = tensors["fc6/1"][:-1]
    path = _write(tmp_path / "w.h5", tensors)
    named = "fc6/1"
    if how == "truncated":
        content = (tmp_path / "w.h5").read_bytes()
        (tmp_path / "w.h5").write_bytes(content[:-1000])
        named = "w.h5"
    with pytest.raises(UserError, match=named):
        convert_weights(_options(path, tmp_path / "run"))
    assert [each.name for each in tmp_path.iterdir()] == ["w.h5"]


def test_a_failure_while_writing_leaves_nothing(source, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError("disk full")

    monkeypatch.setattr(conversion.Checkpoints, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        convert_weights(_options(source, tmp_path / "run"))
    assert not list(tmp_path.iterdir())


def test_a_run_is_never_overwritten(source, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something already"):
        convert_weights(_options(source, tmp_path / "run"))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_a_base_network_needs_permission_and_warns(tmp_path, caplog):
    path = _write(tmp_path / "w.h5", _layers(with_head=False))
    options = {"network": "proxy_vgg16"}
    with pytest.raises(UserError, match="missing colorize_fc1/0"):
        convert_weights(_options(path, tmp_path / "run", **options))
    caplog.set_level("INFO")
    convert_weights(_options(path, tmp_path / "run", allow_partial=True, **options))
    assert "WARNING: colorize_fc1, prediction_h4, prediction_c4 got no weights" in caplog.text
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["untouched"] == ["colorize_fc1", "prediction_h4", "prediction_c4"]


def test_balance_keeps_what_a_trained_head_predicts(source, photos, tmp_path):
    convert_weights(_options(source, tmp_path / "plain"))
    convert_weights(_options(source, tmp_path / "balanced", rebalance_images=str(photos)))
    plain, balanced = (load_network(tmp_path / name)[0] for name in ("plain", "balanced"))
    inputs = {
        "image": np.random.default_rng(1).uniform(size=[1, 40, 48, 1]).astype(np.float32),
        "locations": np.float32([[[4, 7], [33, 20]]]),
    }
    for name, logits in plain(inputs).items():
        np.testing.assert_allclose(balanced(inputs)[name], logits, atol=1e-4)
    factors = json.loads((tmp_path / "balanced" / "result.json").read_text())["rebalanced"]
    assert set(factors) == set(plain.backbone.convolutions)


def test_usage_errors_say_what_to_give(source, tmp_path):
    with pytest.raises(UsageError, match="--source and --run_dir"):
        convert_weights(ConvertOptions())
    with pytest.raises(UsageError, match="--overrides=vgg17_width=1"):
        convert_weights(
            ConvertOptions(
                source=source, run_dir=str(tmp_path / "run"), overrides=("vgg17_width=1",)
            )
        )


def test_published_files_are_fetched_by_name(tmp_path, monkeypatch):
    asked = {}

    def fetch(address, path, expected):
        asked.update(address=address, path=path, expected=expected)
        return path

    monkeypatch.setattr(conversion, "download", fetch)
    path = fetch_published("autocolorize", tmp_path)
    assert path == tmp_path / "autocolorize.caffemodel.h5"
    assert asked["address"] == ZOO["autocolorize"].address
    assert asked["expected"].size == 588_203_256
    assert asked["expected"].magic == b"\x89HDF\r\n\x1a\n"
    with pytest.raises(UsageError, match="unknown published file 'nothing'"):
        fetch_published("nothing", tmp_path)
