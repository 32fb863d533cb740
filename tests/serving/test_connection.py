import pytest

from tfcolor_client.address import parse_address
from tfcolor_client.connection import ConnectionOptions, Stopwatch, options_from_environment
from tfcolor_client.errors import ServingError


@pytest.mark.parametrize(
    "limits", [{"timeout_secs": 0}, {"timeout_secs": -1}, {"total_timeout_secs": -1}]
)
def test_limits_are_positive(limits):
    with pytest.raises(ServingError, match="timeouts of"):
        ConnectionOptions(**limits)


@pytest.mark.parametrize(
    ("address", "is_accepted"),
    [("grpc://h/m", False), ("http://h/m", False), ("grpcs://h/m", True), ("grpc://[::1]/m", True)],
)
def test_a_token_is_not_sent_where_others_can_read_it(address, is_accepted):
    options = ConnectionOptions(token="secret")
    if is_accepted:
        options.check(parse_address(address))
        return
    with pytest.raises(ServingError, match="readable on its way") as caught:
        options.check(parse_address(address))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["a b", "a\nb: c", "ü"])
def test_a_token_cannot_carry_another_header(token):
    with pytest.raises(ServingError, match="not one word of ASCII"):
        ConnectionOptions(token=token).check(parse_address("grpcs://h/m"))


def test_a_token_is_not_shown():
    assert "secret" not in repr(ConnectionOptions(token="secret"))


def test_missing_certificates_are_named(tmp_path):
    with pytest.raises(ServingError, match=r"cannot read .*ca\.pem"):
        _ = ConnectionOptions(ca_file=str(tmp_path / "ca.pem")).certificates
    assert ConnectionOptions().certificates is None


def test_credentials_come_from_the_environment():
    options = options_from_environment({"TFCOLOR_TOKEN": "t\n", "TFCOLOR_CA_FILE": "c"}, 3)
    assert options == ConnectionOptions(timeout_secs=3, token="t", ca_file="c")
    assert options_from_environment({}) == ConnectionOptions()


def test_time_for_all_requests_runs_from_the_first_one(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("tfcolor_client.connection.time.monotonic", lambda: now[0])
    stopwatch = Stopwatch(ConnectionOptions(timeout_secs=5, total_timeout_secs=8))
    now[0] = 200.0
    timeouts = []
    for _ in range(3):
        timeouts.append(stopwatch.next_timeout())
        now[0] += 3
    assert timeouts == [5, 5, 2]
    with pytest.raises(ServingError, match="longer than 8 s") as caught:
        stopwatch.next_timeout()
    assert caught.value.code == "DEADLINE_EXCEEDED"
    assert Stopwatch(ConnectionOptions(timeout_secs=5)).next_timeout() == 5
