import pytest

from tfcolor.core.errors import UsageError
from tfcolor.web.options import StudioOptions


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("nas", False)],
)
def test_only_loopback_stays_on_this_machine(host, is_loopback):
    assert StudioOptions(host=host).is_loopback is is_loopback


def test_by_default_only_this_machine_is_served():
    assert StudioOptions().is_loopback


def test_values_are_checked():
    with pytest.raises(UsageError, match="--port=70000: expected at most 65535"):
        StudioOptions(port=70000)
    with pytest.raises(UsageError, match="--max_requests=0: expected at least 1"):
        StudioOptions(max_requests=0)
