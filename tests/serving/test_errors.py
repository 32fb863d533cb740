import pickle

from tfcolor_client.errors import ServingError


def test_message_says_what_would_be_right():
    error = ServingError("NOT_FOUND", "no\n  such model")
    assert str(error).startswith("NOT_FOUND: no such model; expected the name, version or label")
    assert str(ServingError("INTERNAL", "broken")) == "INTERNAL: broken"
    assert str(ServingError("NOT_FOUND", "a", "b")) == "NOT_FOUND: a; expected b"


def test_error_survives_pickling():
    error = pickle.loads(pickle.dumps(ServingError("UNAVAILABLE", "gone", "patience")))
    assert (error.code, error.message, error.expected) == ("UNAVAILABLE", "gone", "patience")
