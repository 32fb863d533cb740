import pytest
from absl import flags

from tfcolor.config import studio
from tfcolor.config.flags import define_options
from tfcolor.core.errors import UsageError, UserError

ONE_PIXEL = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


@pytest.fixture
def run(monkeypatch):
    """Returns what runs the studio with flags and gives (app, options), not listening."""
    shown = []
    monkeypatch.setattr(studio, "run_studio", lambda *arguments: shown.append(arguments))

    def run_with(*arguments):
        flag_values = flags.FlagValues()
        for options, prefix in studio.STUDIO_OPTIONS:
            define_options(options, prefix, flag_values)
        flag_values(["studio", *arguments])
        studio.run_studio_command(flag_values)
        return shown[-1]

    return run_with


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give either --server=grpc://HOST:PORT/NAME or --model=FOLDER"),
        (("--server=grpc://a/b", "--model=c"), "give either --server"),
        (("--server=localhost:8500",), "--server=localhost:8500: expected grpc://"),
    ],
)
def test_exactly_one_model_is_named(run, arguments, message):
    with pytest.raises(UsageError, match=message):
        run(*arguments)


def test_a_model_of_this_machine_is_loaded_at_once(run):
    with pytest.raises(UserError, match="there is no such folder"):
        run("--model=missing")


def test_a_server_may_come_later(run):
    _, options = run("--server=grpc://127.0.0.1:9/tfcolor", "--port=0", "--max_upload_mb=7")
    assert (options.port, options.max_upload_mb) == (0, 7)


@pytest.mark.parametrize(("flag", "num_at_start"), [("server", 0), ("model", 1)])
def test_the_flags_decide_what_colors(run, monkeypatch, flag, num_at_start):
    from starlette.testclient import TestClient

    asked = []

    def load_colorizer(model, checkpoint, decoding, size):
        asked.append((model, checkpoint, decoding.seed, size.max_side))

    monkeypatch.setattr(studio, "load_colorizer", load_colorizer)
    app, _ = run(
        f"--{flag}=grpc://a/b", "--checkpoint=last", "--decoding_seed=4", "--network_max_side=300"
    )
    assert len(asked) == num_at_start
    client = TestClient(app, base_url="http://127.0.0.1")
    assert client.post("/api/photographs", content=ONE_PIXEL).status_code == 500  # it is None
    assert asked == [("grpc://a/b", "last", 4, 300)]
