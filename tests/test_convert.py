import h5py
import numpy as np
from PIL import Image

from tfcolor.config.command import execute
from tfcolor import colorize, convert

THIN = "vgg16_width_multiplier=0.0625,colorization_hidden_units=16,colorization_num_bins=8"


def _write_weights(path):
    """Writes the colorizer of 1/16 width as Caffe keeps it."""
    generator = np.random.default_rng(0)
    names = [
        f"conv{b}_{i}" for b, count in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, count + 1)
    ]
    outputs = [4] * 2 + [8] * 2 + [16] * 3 + [32] * 6
    with h5py.File(path, "w") as file:

        def add(name, *shape):
            scale = (2 / np.prod(shape[1:])) ** 0.5
            file[f"data/{name}/0"] = generator.normal(0, scale, shape)
            file[f"data/{name}/1"] = np.zeros(shape[0])

        for name, size, before in zip(names, outputs, [1, *outputs], strict=False):
            add(name, size, before, 3, 3)
        add("fc6", 256, 32 * 7 * 7)
        add("fc7", 256, 256)
        add("h_fc1", 16, 1 + sum(outputs) + 512)
        add("prediction_h", 8, 16)
        add("prediction_c", 8, 16)
    return path


def test_zoo_is_listed(capsys):
    assert execute(convert.COMMAND, ["--zoo"]) == 0
    assert "autocolorize.caffemodel.h5" in capsys.readouterr().out


def test_converted_weights_color_a_photograph(photos, tmp_path):
    weights = _write_weights(tmp_path / "w.caffemodel.h5")
    run = tmp_path / "run"
    arguments = [f"--source={weights}", f"--run_dir={run}", f"--overrides={THIN}"]
    assert execute(convert.COMMAND, arguments) == 0
    out = tmp_path / "out.png"
    options = [
        f"--model={run}",
        f"--output={out}",
        "--network_min_side=32",
        "--network_max_side=64",
    ]
    assert execute(colorize.COMMAND, [str(photos / "photo0.png"), *options]) == 0
    colored = np.asarray(Image.open(out).convert("RGB"), np.int32)
    assert colored.shape[:2] == (48, 64) and np.ptp(colored, axis=-1).max() > 0


def test_a_wrong_file_is_one_line_on_stderr(tmp_path, capsys):
    (tmp_path / "w.caffemodel.h5").write_text("<html>moved</html>")
    arguments = [f"--source={tmp_path}/w.caffemodel.h5", f"--run_dir={tmp_path}/run"]
    assert execute(convert.COMMAND, arguments) == 1
    error = capsys.readouterr().err.strip().splitlines()
    assert error[-1].startswith("tfcolor convert: cannot tell what")
    assert not (tmp_path / "run").exists()
