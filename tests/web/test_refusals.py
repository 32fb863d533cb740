import pytest

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.web import refusals
from tfcolor_client.errors import ServingError


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (UnreadableImageError("a.jpg", "not an image"), 415, "a.jpg cannot be read: not an image"),
        (UserError("there is no reference"), 400, "there is no reference"),
        (MemoryError(), 413, "not enough memory"),
        (ServingError("UNAVAILABLE", "refused"), 502, "model server does not answer"),
        (ServingError("NOT_FOUND", "no servable"), 502, "does not have the model"),
        (ServingError("DEADLINE_EXCEEDED", "5 s"), 504, "too long"),
        (ServingError("RESOURCE_EXHAUSTED", "queue"), 503, "model server is busy"),
        (ServingError("INTERNAL", "it broke"), 502, "it broke"),
        (ZeroDivisionError("secret"), 500, "ZeroDivisionError"),
        (refusals.busy(), 503, "busy"),
        (refusals.forgotten(), 404, "no longer in memory"),
        (refusals.too_many_bytes(5_000_000), 413, "larger than 5 MB"),
        (refusals.too_many_pixels((9000, 7000), 40_000_000), 413, "9000 by 7000 pixels"),
    ],
)
def test_every_error_has_a_status_and_plain_words(error, status, words):
    refusal = refusals.explain(error)
    assert refusal.status == status
    assert words in refusal.message
    assert "secret" not in str(refusal)


def test_an_error_of_the_client_is_found_below_another():
    try:
        raise UserError("cannot color") from ServingError("UNAVAILABLE", "refused")
    except UserError as error:
        refusal = refusals.explain(error)
    assert (refusal.status, refusal.code) == (502, "server")
    assert "try again" in refusal.remedy
