"""The collections that need no file of the user's."""

from collections.abc import Callable, Mapping

from tfcolor.core.lookup import lookup
from tfcolor.data.sources.base import Source
from tfcolor.data.sources.builtin_depth import open_depth_scenes
from tfcolor.data.sources.builtin_digits import open_digits
from tfcolor.data.sources.builtin_photos import open_photos

COLLECTIONS: Mapping[str, Callable[[str], Source]] = {
    "depth_scenes": open_depth_scenes,
    "digits": open_digits,
    "digits_rot": open_digits,
    "photos": open_photos,
}
"""What opens each collection, from its name and maybe a colon and more."""


def open_builtin(selection: str) -> Source:
    """Opens a collection that comes with the package or can be drawn.

    Args:
      selection: a name in `COLLECTIONS`, maybe with a colon and a split.

    Returns:
      The images.

    Raises:
      UsageError: if the collection or the split is unknown.
      UserError: if a photograph is not installed.
    """
    return lookup(COLLECTIONS, selection.partition(":")[0], "builtin collection")(selection)
