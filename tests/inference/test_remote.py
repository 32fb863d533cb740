import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.config.command import execute
from tests.serving.model_servicer import (
    Model,
    RefusalError,
    load_model,
    sepia_model,
    serve_grpc,
    serve_rest,
)
from tfcolor.colorize import COMMAND
from tfcolor.core.errors import UsageError, UserError
from tfcolor.inference.loading import SavedColorizer
from tfcolor.inference.remote import RefusedError, RemoteColorizer, ServerError
from tfcolor_client.connection import ConnectionOptions

NOW = ConnectionOptions(timeout_secs=5)
DESCRIPTION = {
    "output_space": "hue_chroma",
    "num_bins": 8,
    "decoding": {},
    "size": {"min_side": 24, "max_side": 48},
    "grid": {"stride": 4, "offset": [1.5, 1.5]},
}


@pytest.fixture(scope="module")
def exported(colorizer_export) -> Model:
    """The export, loaded once for the server and for this process."""
    return load_model(colorizer_export)


@pytest.fixture
def local_export(exported, colorizer_export, monkeypatch) -> Path:
    """The folder of the export, which is not loaded again."""
    monkeypatch.setattr(tf.saved_model, "load", lambda path: exported.loaded)
    return colorizer_export


@pytest.fixture(scope="module")
def exported_address(exported):
    """Where the export is served."""
    with serve_grpc(exported) as port:
        yield f"grpc://127.0.0.1:{port}/tfcolor"


@pytest.fixture
def gray_model():
    """A colorizer whose histograms say nothing, so that it is fast."""
    model = sepia_model()
    say(model, DESCRIPTION)
    return model


@pytest.fixture
def gray_address(gray_model):
    """Where it is served."""
    with serve_grpc(gray_model) as port:
        yield f"grpc://127.0.0.1:{port}/tfcolor"


def say(model: Model, description: object) -> None:
    """Makes a model describe itself otherwise."""
    text = json.dumps(description).encode()
    model.functions["describe"] = lambda inputs: {"metadata": np.array([text], object)}


def colorize(*arguments: object) -> int:
    return execute(COMMAND, [str(argument) for argument in arguments])


def test_answers_equal_those_of_the_export_in_this_process(exported_address, local_export):
    local, remote = SavedColorizer(local_export), RemoteColorizer(exported_address)
    assert remote.painter.size == local.painter.size
    assert remote.painter.grid == local.painter.grid
    assert remote.painter.space.outputs == local.painter.space.outputs
    assert remote.decoding == local.decoding
    gray = np.random.default_rng(0).uniform(0, 1, (2, 33, 47, 1)).astype(np.float32)
    for method in ("histograms", "colorize"):
        expected, actual = getattr(local, method)(gray), getattr(remote, method)(gray)
        assert set(actual) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(actual[name], value, atol=1e-5)


def test_colorize_does_with_a_server_what_it_does_with_the_export(
    exported_address, local_export, photos, tmp_path
):
    pictures = {}
    for place, model in (("local", local_export), ("remote", exported_address)):
        output = tmp_path / place
        wishes = [f"--reference={photos / 'photo1.jpg'}", "--num_samples=2", "--uncertainty"]
        for name, flags in {
            "plain": [f"--sheet={output}/sheet.png"],
            "wishes": wishes,
        }.items():
            arguments = [f"--model={model}", *flags, f"--output={output}/{name}"]
            assert colorize(*arguments, photos / "photo0.png") == 0
        paths = sorted(output.rglob("*.png"))
        pictures[place] = {
            path.relative_to(output): np.array(Image.open(path), int) for path in paths
        }
    assert list(pictures["local"]) == list(pictures["remote"])
    assert len(pictures["local"]) == 6
    for name, local in pictures["local"].items():
        # One step where rounding falls on another side of a half.
        assert np.abs(local - pictures["remote"][name]).max() <= 1


def test_rest_gives_the_same(gray_model):
    gray = np.random.default_rng(0).uniform(0, 1, (1, 24, 36, 1)).astype(np.float32)
    with serve_grpc(gray_model) as grpc_port, serve_rest(gray_model) as rest_port:
        by_grpc, by_rest = (
            RemoteColorizer(address, NOW).histograms(gray)
            for address in (
                f"grpc://127.0.0.1:{grpc_port}/tfcolor",
                f"http://127.0.0.1:{rest_port}/v1/models/tfcolor",
            )
        )
    for name, value in by_grpc.items():
        np.testing.assert_array_equal(by_rest[name], value)


def test_only_a_shrunk_photograph_travels(gray_address, gray_model, monkeypatch):
    shapes = []
    answer = gray_model.functions["histograms"]

    def spy(inputs):
        shapes.append(inputs["gray"].shape)
        return answer(inputs)

    monkeypatch.setitem(gray_model.functions, "histograms", spy)
    colored = RemoteColorizer(gray_address, NOW).colorize(np.full((1, 100, 200, 1), 0.5))
    assert shapes == [(1, 24, 48, 1)]
    assert colored["rgb"].shape == (1, 100, 200, 3)


def test_a_text_that_is_no_address_is_a_mistake_of_the_command_line():
    with pytest.raises(UsageError, match="expected grpc://HOST"):
        RemoteColorizer("grpc://localhost")


def test_a_missing_server_model_or_token_is_told(gray_address, gray_model, monkeypatch):
    with pytest.raises(ServerError, match=r"UNAVAILABLE.*expected a model server that runs"):
        RemoteColorizer("grpc://127.0.0.1:9/tfcolor", NOW)
    with pytest.raises(ServerError, match=r"NOT_FOUND.*expected the name"):
        RemoteColorizer(f"{gray_address}x", NOW)
    monkeypatch.setattr(gray_model, "token", "secret")
    with pytest.raises(ServerError, match="UNAUTHENTICATED"):
        RemoteColorizer(gray_address)
    monkeypatch.setenv("TFCOLOR_TOKEN", "secret")
    RemoteColorizer(gray_address)


@pytest.mark.parametrize(
    "description", [{}, {**DESCRIPTION, "output_space": "smell"}, {**DESCRIPTION, "size": {"a": 1}}]
)
def test_another_description_is_no_export_of_tfcolor(gray_address, gray_model, description):
    say(gray_model, description)
    with pytest.raises(UserError, match="not an export of tfcolor"):
        RemoteColorizer(gray_address, NOW)


def test_another_model_is_no_export_of_tfcolor(gray_address, gray_model):
    del gray_model.signature_def.signature_def["describe"]
    with pytest.raises(ServerError, match=r"lacks the signatures .*describe.*; it has colorize"):
        RemoteColorizer(gray_address, NOW)


def test_other_histograms_are_noticed(gray_address, gray_model):
    gray_model.functions["histograms"] = lambda inputs: {"ab": inputs["gray"]}
    with pytest.raises(ServerError, match="answers"):
        RemoteColorizer(gray_address, NOW).histograms(np.zeros((1, 8, 8, 1)))


@pytest.mark.parametrize(
    ("code", "kind"), [("INVALID_ARGUMENT", RefusedError), ("NOT_FOUND", ServerError)]
)
def test_refused_photographs_and_lost_models_are_told_apart(gray_address, gray_model, code, kind):
    remote = RemoteColorizer(gray_address, NOW)
    gray_model.refusals[:] = [RefusalError(code, "no")]
    with pytest.raises(kind, match=code):
        remote.histograms(np.zeros((1, 8, 8, 1)))


def test_a_connection_that_is_lost_keeps_the_finished_photographs(
    gray_address, gray_model, photos, tmp_path, capfd
):
    answer = gray_model.functions["histograms"]

    def lose_the_third(inputs):
        if gray_model.asked.count("histograms") == 3:
            raise RefusalError("NOT_FOUND", "unloaded")
        return answer(inputs)

    gray_model.functions["histograms"] = lose_the_third
    assert colorize(f"--model={gray_address}", photos, f"--output={tmp_path}") == 1
    lines = capfd.readouterr().err.splitlines()
    assert "NOT_FOUND" in lines[-1] and "what is finished stays" in lines[-1]
    finished = {path.name for path in tmp_path.glob("*.png")}
    assert len(finished) == 2 and finished < {f"photo{index}.png" for index in range(6)}


def test_a_refused_photograph_stops_no_other(gray_address, gray_model, photos, tmp_path, capfd):
    answer = gray_model.functions["histograms"]

    def refuse_the_third(inputs):
        if gray_model.asked.count("histograms") == 3:
            raise RefusalError("RESOURCE_EXHAUSTED", "too busy")
        return answer(inputs)

    gray_model.functions["histograms"] = refuse_the_third
    assert colorize(f"--model={gray_address}", photos, f"--output={tmp_path}") == 1
    assert len(list(tmp_path.glob("*.png"))) == 5
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "skipped" in line]
    assert re.search(r"photo\d\.(png|jpg): RESOURCE_EXHAUSTED", line)
