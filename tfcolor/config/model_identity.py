"""Which model made a result: a hash of what it has learned."""

import hashlib
from pathlib import Path

from tfcolor.inference.loading import is_saved_model, latest_version
from tfcolor.training.checkpoints import find_checkpoints
from tfcolor_client.address import is_address

_CHUNK = 2**20


def hash_model(model: str, checkpoint: str) -> str:
    """Returns what two models share that color alike.

    Args:
      model: a run's folder, a SavedModel (or the folder of its versions), or the
        address of a model server.
      checkpoint: for a run, "best", "last" or a step.

    Returns:
      The SHA-256 of the variables in 64 hexadecimal digits, of a SavedModel also of
      its graph; empty for a server, which does not tell it.

    Raises:
      UserError: if the run has no such checkpoint.
    """
    if is_address(model):
        return ""
    if is_saved_model(model):
        folder = latest_version(Path(model))
        files = [folder / "saved_model.pb", *sorted((folder / "variables").glob("variables.*"))]
    else:
        prefixes = find_checkpoints(Path(model), checkpoint)
        first = Path(prefixes[0][1]) if prefixes else Path(model)
        files = sorted(first.parent.glob(f"{first.name}.*"))
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
