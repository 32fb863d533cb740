"""The studio from the flags of `studio`."""

import dataclasses

from absl import flags

from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import load_colorizer
from tfcolor.config.flags import read_options
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options, option
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.painting import SizeOptions
from tfcolor.web.app import build_app
from tfcolor.web.options import StudioOptions
from tfcolor.web.running import run_studio
from tfcolor_client.address import is_address


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """The model that colors."""

    server: str = option("", "a model at a server: grpc://localhost:8500/tfcolor")
    model: str = option("", "instead of --server, a run's folder or a SavedModel, loaded here")
    checkpoint: str = option("best", "which of a run's checkpoints: best, last or a step")

    def __post_init__(self) -> None:
        """Raises UsageError if a value is not accepted."""
        check_options(self)


STUDIO_OPTIONS: tuple[tuple[type, str], ...] = (
    (ModelOptions, ""),
    (StudioOptions, ""),
    (DecodingOptions, "decoding_"),
    (SizeOptions, "network_"),
)
"""Options dataclasses of `studio` with the prefix of their flags."""


def run_studio_command(flag_values: flags.FlagValues) -> None:
    """Shows the studio until it is interrupted.

    Args:
      flag_values: with the flags of `STUDIO_OPTIONS`.

    Raises:
      UsageError: if not exactly one model is named.
      UserError: if a model of this machine cannot be loaded, or the port is
        taken. A server may come later.
    """
    chosen = read_options(ModelOptions, "", flag_values)
    options = read_options(StudioOptions, "", flag_values)
    decoding = read_options(DecodingOptions, "decoding_", flag_values)
    size = read_options(SizeOptions, "network_", flag_values)
    if bool(chosen.server) == bool(chosen.model):
        raise UsageError("give either --server=grpc://HOST:PORT/NAME or --model=FOLDER")
    if chosen.server and not is_address(chosen.server):
        raise UsageError(f"--server={chosen.server}: expected grpc://HOST:PORT/NAME or http://")

    def open_colorizer() -> GrayToColor:
        return load_colorizer(chosen.server or chosen.model, chosen.checkpoint, decoding, size)

    if chosen.model:
        colorizer = open_colorizer()
        run_studio(build_app(lambda: colorizer, options), options)
    else:
        run_studio(build_app(open_colorizer, options), options)
