from tfcolor.config.command import execute
from tfcolor.studio import COMMAND


def test_help_teaches(capsys):
    assert execute(COMMAND, ["--help"]) == 0
    shown = capsys.readouterr().out
    assert "tfcolor studio --server=grpc://localhost:8500/tfcolor" in shown
    assert "--max_megapixels=" in shown


def test_without_a_model_it_says_what_to_give(capsys):
    assert execute(COMMAND, []) == 2
    assert "--server=grpc://HOST:PORT/NAME or --model=FOLDER" in capsys.readouterr().err


def test_a_taken_port_is_one_line(capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert execute(COMMAND, ["--server=grpc://localhost/a", f"--port={port}"]) == 1
    assert f"cannot listen at 127.0.0.1 port {port}" in capsys.readouterr().err
