import pytest

from tfcolor_client.address import is_address, parse_address
from tfcolor_client.errors import ServingError


@pytest.mark.parametrize(
    ("text", "written", "target", "path"),
    [
        ("grpc://h/m", "grpc://h:8500/m", "h:8500", "/v1/models/m"),
        ("grpcs://H:1/m.a-b_c/", "grpcs://h:1/m.a-b_c", "h:1", "/v1/models/m.a-b_c"),
        ("grpc://[::1]:5/m/versions/12", "grpc://[::1]:5/m/versions/12", "[::1]:5", "/versions/12"),
        ("http://h/v1/models/m", "http://h:80/v1/models/m", "h:80", "/v1/models/m"),
        ("http://h:8501/m", "http://h:8501/v1/models/m", "h:8501", "/v1/models/m"),
        ("https://h/m/labels/s", "https://h:443/v1/models/m/labels/s", "h:443", "/labels/s"),
        ("https://h/a/b/v1/models/m", "https://h:443/a/b/v1/models/m", "h:443", "/a/b/v1/models/m"),
    ],
)
def test_addresses_are_read(text, written, target, path):
    address = parse_address(text)
    assert str(address) == written
    assert str(parse_address(written)) == written
    assert address.target == target
    assert address.path.endswith(path)
    assert address.is_rest == text.startswith("http")
    assert address.is_secure == (text.split(":")[0][-1] == "s")
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "runs/first",
        "h:8500/m",
        "ftp://h/m",
        "grpc:///m",
        "grpc://h",
        "grpc://h/",
        "grpc://h:x/m",
        "grpc://h:99999/m",
        "grpc://user@h/m",
        "grpc://h/m?x=1",
        "grpc://h/m#x",
        "grpc://h/a/m",
        "grpc://h/m/versions/x",
        "grpc://h/m/versions/9999999999999999999",
        "grpc://h/m/labels/",
        "grpc://h/m/versions/1/labels/a",
        "http://h/v1/models/",
        "http://h/v1/models/m:predict",
        "http://h/v1/models/../../secret",
        "http://h/m%2f..",
        "http://[::1/m",
    ],
)
def test_anything_else_is_refused_with_the_forms(text):
    with pytest.raises(ServingError, match="is no address of a model") as caught:
        parse_address(text)
    assert "grpc://HOST[:PORT]/MODEL" in str(caught.value)


@pytest.mark.parametrize("text", ["runs/first", "C:\\model", "/a://b", "s3://bucket/model"])
def test_paths_are_no_addresses(text):
    assert not is_address(text)


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("localhost", True), ("127.0.0.9", True), ("[::1]", True), ("10.0.0.1", False), ("h", False)],
)
def test_loopback_is_known(host, is_loopback):
    assert parse_address(f"grpc://{host}/m").is_loopback == is_loopback
