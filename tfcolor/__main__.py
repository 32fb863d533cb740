"""The `tfcolor` program: `tfcolor NAME ...` runs the main NAME."""

import importlib
import sys
from collections.abc import Sequence

from tfcolor import __version__
from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup

COMMANDS = {
    "train": ("tfcolor.train", "learn one task or several jointly, or resume a run"),
    "fit_parts": ("tfcolor.fit_parts", "fit a network of parts by EM, without gradients"),
    "evaluate": ("tfcolor.evaluate", "measure a trained network by a protocol"),
    "colorize": ("tfcolor.colorize", "color photographs, one or many"),
    "export": ("tfcolor.export", "turn a run into a SavedModel for TF-Serving"),
    "studio": ("tfcolor.studio", "color photographs on a page in the browser"),
    "serve": ("tfcolor.serve", "answer requests for SavedModels as TF-Serving does"),
    "convert": ("tfcolor.convert", "turn published Caffe or Keras weights into a run"),
    "analyze": ("tfcolor.analyze", "show what a network learned: features, filters, curves"),
    "shard": ("tfcolor.shard", "write images into TFRecord shards, on one machine or many"),
    "data_service": ("tfcolor.data_service", "make the batches of training in other processes"),
    "reproduce": ("tfcolor.reproduce", "make a table of the dissertation with one command"),
}
"""Each command's module, whose `run()` reads `sys.argv`, and what it is for."""


def format_commands() -> str:
    """Returns the list of commands that `tfcolor --help` shows."""
    lines = [f"  {name:<14}{purpose}" for name, (_, purpose) in COMMANDS.items()]
    head = ["Usage: tfcolor COMMAND [--FLAG=VALUE ...]", "", "Commands:"]
    tail = ["", "tfcolor COMMAND --help explains a command; tfcolor --version shows the version."]
    return "\n".join([*head, *lines, *tail]) + "\n"


def dispatch(arguments: Sequence[str]) -> int:
    """Runs the command named by the first argument.

    Args:
      arguments: the command line after `tfcolor`.

    Returns:
      The exit status. A command itself ends the process by SystemExit.
    """
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        sys.stdout.write(format_commands())
        return 0
    if arguments[0] == "--version":
        sys.stdout.write(f"tfcolor {__version__}\n")
        return 0
    try:
        module, _ = lookup(COMMANDS, arguments[0], "command")
    except UsageError as error:
        sys.stderr.write(f"tfcolor: {error}\n")
        return error.exit_status
    sys.argv = [f"tfcolor {arguments[0]}", *arguments[1:]]
    importlib.import_module(module).run()
    return 0


def main() -> None:
    """Runs the command line of this process and ends it."""
    sys.exit(dispatch(sys.argv[1:]))


if __name__ == "__main__":
    main()
