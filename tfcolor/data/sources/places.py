"""Parts of the text that names a source."""

import os
from pathlib import Path

from tfcolor.core.errors import UserError


def split_place(place: str, default_split: str) -> tuple[Path, str]:
    """Returns the folder and the split that `FOLDER[:SPLIT]` names.

    Args:
      place: a folder, maybe with a colon and the name of a split after it.
      default_split: what is meant without.

    Returns:
      (folder, split); a folder that exists may have colons in its name.

    Raises:
      UserError: if there is no such folder.

    Example:
      >>> split_place(".:val", "train")
      (PosixPath('.'), 'val')
    """
    before, colon, after = place.rpartition(":")
    choices = [(place, default_split), (before, after)] if colon else [(place, default_split)]
    for name, split in choices:
        folder = Path(os.path.expanduser(name))  # Path's own would raise on "~:"
        if name and split and folder.is_dir():
            return folder, split
    raise UserError(f"no such folder: {before or place}")
