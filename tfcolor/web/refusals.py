"""What a page is told when something cannot be done, and how to mend it."""

import dataclasses

import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor_client.errors import ServingError


@dataclasses.dataclass(eq=False)
class StudioError(Exception):
    """A request that is not fulfilled.

    Args:
      status: the HTTP status.
      code: one word for the page to act upon.
      message: what happened, in plain words.
      remedy: what the person can do about it.
    """

    status: int
    code: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """Returns message and remedy."""
        return f"{self.message} {self.remedy}".rstrip()


def forgotten() -> StudioError:
    """Returns the answer for a photograph that is no longer in memory."""
    message = "This photograph is no longer in memory."
    return StudioError(404, "forgotten", message, "Open it again.")


def busy() -> StudioError:
    """Returns the answer where too many requests wait already."""
    return StudioError(503, "busy", "The studio is busy.", "Try again in a moment.")


def too_many_bytes(max_bytes: int) -> StudioError:
    """Returns the answer for a file of more than so many bytes."""
    message = f"The file is larger than {max_bytes / 1e6:.0f} MB."
    remedy = "Save it smaller, or start the studio with a larger --max_upload_mb."
    return StudioError(413, "too_large", message, remedy)


def too_many_pixels(size: tuple[int, int], max_pixels: int) -> StudioError:
    """Returns the answer for a photograph of (width, height) pixels."""
    width, height = size
    limit = f"{max_pixels / 1e6:.0f} million"
    message = f"The photograph has {width} by {height} pixels; the limit is {limit} in all."
    remedy = "Save it smaller, or start the studio with a larger --max_megapixels."
    return StudioError(413, "too_large", message, remedy)


_BY_CODE = {
    "UNAVAILABLE": (
        502,
        "The model server does not answer.",
        "Check that it runs at the address that the studio was started with, then try again.",
    ),
    "DEADLINE_EXCEEDED": (
        504,
        "The model server took too long.",
        "It may be busy: try again in a moment.",
    ),
    "RESOURCE_EXHAUSTED": (503, "The model server is busy.", "Try again in a moment."),
    "NOT_FOUND": (
        502,
        "The model server does not have the model.",
        "Check the model's name in the address that the studio was started with.",
    ),
    "UNAUTHENTICATED": (
        502,
        "The model server wants a token.",
        "Start the studio with the token that the server was started with.",
    ),
}
"""(HTTP status, message, remedy) by gRPC's name of the failure."""


def explain(error: Exception) -> StudioError:
    """Returns what to tell the person about an error.

    Args:
      error: anything that was raised while a request was answered.

    Returns:
      The refusal; for an error of ours one that says that it is.
    """
    if isinstance(error, StudioError):
        return error
    serving = _serving_error(error)
    if serving is not None:
        status, message, remedy = _BY_CODE.get(
            serving.code, (502, f"The model server refused: {serving.message}.", "")
        )
        return StudioError(status, "server", message, remedy)
    if isinstance(error, UnreadableImageError):
        message = f"{error.name} cannot be read: {error.reason}."
        return StudioError(
            415, "unreadable", message, "Open a JPEG, PNG, TIFF, WebP, GIF or BMP file."
        )
    if isinstance(error, UserError):
        return StudioError(400, "refused", f"{error}.")
    if isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)):
        message = "There is not enough memory for this photograph."
        return StudioError(413, "too_large", message, "Save it smaller, then open it again.")
    message = f"The studio failed ({type(error).__name__})."
    return StudioError(500, "failed", message, "Its terminal says more with --verbosity=1.")


def _serving_error(error: BaseException | None) -> ServingError | None:
    """Returns the error of the client that an error is or was raised from."""
    while error is not None and not isinstance(error, ServingError):
        error = error.__cause__
    return error
