"""The `tfcolor-client` program: photographs to a model server and back.

Examples:
  tfcolor-client colorize grpc://localhost:8500/tfcolor grandmother.jpg
  tfcolor-client colorize grpc://localhost/tfcolor album/ --output=colored
  tfcolor-client sample grpc://localhost/tfcolor a.jpg --seeds=1,2,3
  tfcolor-client status http://localhost:8501/v1/models/tfcolor
  tfcolor-client metadata grpcs://color.example.org:8500/tfcolor/labels/stable

An address is grpc://HOST[:PORT]/MODEL or http://HOST[:PORT]/v1/models/MODEL; with
grpcs:// or https:// the connection is encrypted. /versions/2 or /labels/stable at
its end names a version. Results are PNG files as large as the originals, upright,
with their EXIF block and color profile. Folders are searched recursively.

The variables TFCOLOR_TOKEN and TFCOLOR_CA_FILE give a bearer token and a PEM file
with the certificates to trust.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
import warnings
from collections.abc import Sequence

from tfcolor_client.address import Address, parse_address
from tfcolor_client.client import Client
from tfcolor_client.coloring import ColoringOptions, color_all, find_work
from tfcolor_client.connection import options_from_environment
from tfcolor_client.errors import ServingError

EXIT_FAILURE, EXIT_INTERRUPTED = 1, 130
PROGRAM = "tfcolor-client"


def main() -> None:
    """Runs the command line of this process and ends it."""
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Runs a command line and turns every error into one line on stderr.

    Args:
      arguments: without the program's name.

    Returns:
      The exit status: 0 on success, 1 if something could not be done, 2 if the
      command line is wrong, 130 if interrupted.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        parsed = build_parser().parse_args(arguments)
        options = options_from_environment(os.environ, parsed.timeout)
        with Client(parsed.address, options) as client:
            return parsed.run(client, parsed)
    except SystemExit as ending:  # argparse ends by itself after --help and mistakes
        return int(ending.code or 0)
    except KeyboardInterrupt:
        return _complain("interrupted", EXIT_INTERRUPTED)
    except ServingError as error:
        return _complain(str(error), EXIT_FAILURE)


def build_parser() -> argparse.ArgumentParser:
    """Returns what reads the command line."""
    description, _, examples = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "address", metavar="ADDRESS", type=_address, help="grpc://HOST[:PORT]/MODEL, for example"
    )
    shared.add_argument(
        "--timeout",
        type=_positive,
        default=120.0,
        metavar="SECS",
        help="for one request with its retries (%(default)g)",
    )
    photographs = argparse.ArgumentParser(add_help=False)
    photographs.add_argument("photographs", metavar="PHOTO", nargs="+", help="files and folders")
    photographs.add_argument(
        "--output", default="", metavar="DIR", help="folder for the results; else beside each PHOTO"
    )
    photographs.add_argument(
        "--max_side",
        type=_pixels,
        default=0,
        metavar="PX",
        help="send photographs no larger; results keep the size of the originals (0: no limit)",
    )
    for name, run, help_text, parents in (
        ("colorize", _run_coloring, "color photographs", [shared, photographs]),
        ("sample", _run_coloring, "draw several colorings of photographs", [shared, photographs]),
        ("status", _run_status, "show the versions of a model", [shared]),
        ("metadata", _run_metadata, "show what a model can be asked for", [shared]),
    ):
        command = commands.add_parser(
            name, help=help_text, description=help_text, parents=parents, allow_abbrev=False
        )
        command.set_defaults(run=run, seeds=(), temperature=0.0)
        if name == "sample":
            command.add_argument(
                "--seeds", type=_seeds, default=(0, 1, 2), metavar="N,N", help="one each (0,1,2)"
            )
            command.add_argument(
                "--temperature",
                type=_at_least_zero,
                default=0.0,
                help="below 1 for likelier colors; 0 takes the export's own (%(default)g)",
            )
    return parser


def _run_coloring(client: Client, parsed: argparse.Namespace) -> int:
    """Colors photographs and shows how far it is."""
    work = find_work(parsed.photographs, parsed.output)
    options = ColoringOptions(parsed.max_side, parsed.seeds, parsed.temperature)
    num_done = num_failed = 0
    start = time.monotonic()
    for item, error in color_all(client, work, options):
        num_done += 1
        if error is not None:
            num_failed += 1
            _tell(f"skipped {error}")
        speed = num_done / max(time.monotonic() - start, 1e-9)
        line = f"{num_done} of {len(work)}, {speed:.1f}/s: {item.source}"
        _tell(line, is_passing=True)
    _tell(f"colored {num_done - num_failed} of {len(work)} photographs")
    if num_failed:
        failed = f"{num_failed} of {len(work)} photographs could not be colored"
        return _complain(failed, EXIT_FAILURE)
    return 0


def _run_status(client: Client, parsed: argparse.Namespace) -> int:
    """Writes the versions of a model, one a line."""
    versions = client.status()
    for version in sorted(versions, key=lambda found: found.version):
        problem = "" if version.code == "OK" else f" {version.code}: {version.message}"
        sys.stdout.write(f"{parsed.address} version {version.version}: {version.state}{problem}\n")
    return 0 if any(version.state == "AVAILABLE" for version in versions) else EXIT_FAILURE


def _run_metadata(client: Client, parsed: argparse.Namespace) -> int:
    """Writes version, signatures and the export's own metadata as JSON."""
    metadata = client.metadata()
    content = dataclasses.asdict(metadata)
    if "describe" in metadata.signatures:
        content["export"] = client.describe()
    sys.stdout.write(json.dumps(content, indent=2) + "\n")
    return 0


def _tell(text: str, *, is_passing: bool = False) -> None:
    """Shows a line; on a terminal, one that passes is written over by the next."""
    if not sys.stderr.isatty():
        sys.stderr.write(f"{PROGRAM}: {text}\n")
        return
    sys.stderr.write(f"\r\x1b[K{PROGRAM}: {text}" + ("" if is_passing else "\n"))
    sys.stderr.flush()


def _complain(text: str, status: int) -> int:
    _tell(text)
    return status


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ServingError as error:
        raise argparse.ArgumentTypeError(f"{error.message}; expected {error.expected}") from error


def _pixels(text: str) -> int:
    if int(text) < 0:
        raise argparse.ArgumentTypeError(f"{text}: expected 0 or more pixels")
    return int(text)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: expected a positive number")
    return value


def _at_least_zero(text: str) -> float:
    return 0.0 if float(text) == 0 else _positive(text)


def _seeds(text: str) -> tuple[int, ...]:
    """Reads "1,2,3"."""
    try:
        seeds = tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: expected whole numbers, as 1,2,3") from error
    if any(abs(seed) >= 2**31 for seed in seeds):
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers below 2147483648")
    return tuple(dict.fromkeys(seeds))


if __name__ == "__main__":
    main()
