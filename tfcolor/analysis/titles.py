"""Runs with the titles that they have in a picture."""

from collections.abc import Sequence

from tfcolor.core.errors import UsageError


def read_titles(texts: Sequence[str], flag: str) -> dict[str, str]:
    """Returns the folders of runs by title.

    Args:
      texts: TITLE:FOLDER of each run; the title may be empty.
      flag: that they are the value of, for the error.

    Returns:
      Folders by title, in the order given.

    Raises:
      UsageError: if there is none, one is not TITLE:FOLDER, or two have one title.

    Example:
      >>> read_titles(["RP:runs/a", ":runs/b"], "mixtures")
      {'RP': 'runs/a', '': 'runs/b'}
    """
    if not texts:
        raise UsageError(f"--{flag} is not given: name runs as TITLE:FOLDER,TITLE:FOLDER")
    folders: dict[str, str] = {}
    for text in texts:
        title, separator, folder = text.partition(":")
        if not (separator and folder):
            raise UsageError(f"--{flag}={text}: expected TITLE:FOLDER")
        if title in folders:
            raise UsageError(
                f"--{flag}: {folders[title]} and {folder} are both called {title!r};"
                " expected another title for each run"
            )
        folders[title] = folder
    return folders
