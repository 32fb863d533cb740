import os
import re
import signal
from pathlib import Path

import httpx
import pytest

from tfcolor.config.command import Command, define_flags
from tfcolor.config.serving import (
    SERVE_OPTIONS,
    read_settings,
    serve_until_stopped,
    studio_beside,
)
from tfcolor.core.errors import UsageError, UserError
from tfcolor.server.batching import BatchingParameters
from tfcolor.server.lifecycle import ServingServer
from tfcolor.server.model_settings import ModelSettings
from tfcolor.training.signals import listen_for_stop


def parse(*arguments):
    flag_values = define_flags(Command("serve", "", SERVE_OPTIONS, lambda *unused: None))
    flag_values(["serve", *arguments])
    return flag_values


def read(*arguments):
    return read_settings(parse(*arguments))


def test_two_flags_are_enough(tmp_path):
    settings = read(f"--model_base_path={tmp_path}", "--model_name=m")
    assert settings.models == (ModelSettings("m", tmp_path),)
    assert (settings.addresses.port, settings.addresses.rest_api_port) == (8500, 8501)
    assert settings.batching is None
    assert settings.encryption is None
    assert settings.has_rest


def test_files_named_by_flags_are_read(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    config = "model_config_list { config { name: 'a' base_path: '/a' } }"
    settings = read(
        f"--model_config_file={write('models', config)}",
        "--enable_batching",
        f"--batching_parameters_file={write('batching', 'max_batch_size { value: 5 }')}",
        f"--monitoring_config_file={write('monitoring', 'prometheus_config { enable: false }')}",
        f"--token_file={write('token', 'secret')}",
        "--rest_api_port=0",
    )
    assert settings.models == (ModelSettings("a", Path("/a")),)
    assert settings.batching == BatchingParameters(max_batch_size=5)
    assert settings.token == "secret"
    assert settings.metrics_path == ""
    assert not settings.has_rest


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--model_base_path or --model_config_file"),
        (["--model_base_path=/a", "--port=7", "--rest_api_port=7"], "both 7"),
        (["--model_base_path=/a", "--batching_parameters_file=/b"], "needs --enable_batching"),
        (["--model_base_path=/a", "--port=70000"], "at most 65535"),
        (["--model_base_path=/a", "--studio", "--ssl_config_file=/b"], "tfcolor studio"),
    ],
)
def test_flags_that_do_not_fit_together_are_named(arguments, words):
    with pytest.raises(UsageError, match=words):
        read(*arguments)


def test_an_illegal_model_name_is_refused():
    with pytest.raises(UserError, match=r"model name '\.\./m'"):
        read("--model_base_path=/a", "--model_name=../m")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_the_server_and_gives_the_exit_status(number, status):
    class FakeServer:
        stops = 0

        def stop(self):
            self.stops += 1
            return True

    server = FakeServer()
    with listen_for_stop() as request:
        os.kill(os.getpid(), number)
        assert serve_until_stopped(server, request) == status
    assert server.stops == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_studio_beside_the_server_colors_with_its_first_model(
    host, colorizer_export, photos, tmp_path, caplog
):
    (tmp_path / "token").write_text("secret")
    flag_values = parse(
        f"--model_base_path={colorizer_export}",
        "--model_name=m",
        f"--host={host}",
        "--port=0",
        "--rest_api_port=0",
        f"--token_file={tmp_path / 'token'}",
        "--studio",
        "--studio_port=0",
    )
    settings = read_settings(flag_values)
    server = ServingServer(settings)
    server.start()
    try:
        with caplog.at_level("INFO"), studio_beside(server, settings, flag_values):
            page = re.search(r"studio is at (\S+/)", caplog.text)[1]
            photograph = sorted(photos.iterdir())[0].read_bytes()
            answer = httpx.post(f"{page}api/photographs?name=a.png", content=photograph)
            assert answer.status_code == 201, answer.text
        with pytest.raises(httpx.ConnectError):
            httpx.get(page)
    finally:
        server.stop()


def test_no_studio_unless_asked_for(tmp_path, caplog):
    flag_values = parse(f"--model_base_path={tmp_path}")
    settings = read_settings(flag_values)
    with caplog.at_level("INFO"), studio_beside(ServingServer(settings), settings, flag_values):
        assert "studio" not in caplog.text
