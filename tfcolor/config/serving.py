"""The server of `tfcolor serve`, from its flags to its exit status."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator

from absl import flags

from tfcolor.config.flags import read_options
from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.progress import say
from tfcolor.inference.remote import RemoteColorizer
from tfcolor.server.batching import read_batching_parameters
from tfcolor.server.lifecycle import ServerSettings, ServingServer
from tfcolor.server.model_settings import ModelSettings, parse_base_path, read_model_config
from tfcolor.server.monitoring import read_metrics_path
from tfcolor.server.options import (
    AddressOptions,
    BatchingOptions,
    LimitOptions,
    ModelOptions,
    ReportOptions,
)
from tfcolor.server.security import read_encryption, read_token
from tfcolor.training.signals import StopRequest
from tfcolor.web.app import build_app
from tfcolor.web.options import StudioOptions
from tfcolor.web.running import studio_in_background
from tfcolor_client.connection import ConnectionOptions

POLL_SECS = 0.1
ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where this machine itself reaches a server that listens at all addresses."""


@dataclasses.dataclass(frozen=True)
class PageOptions:
    """A page for people, beside the interfaces for programs."""

    studio: bool = option(
        False, "whether to show `tfcolor studio` for the first model, at --studio_port"
    )


SERVE_OPTIONS = (
    *(
        (options, "")
        for options in (
            ModelOptions,
            AddressOptions,
            BatchingOptions,
            LimitOptions,
            ReportOptions,
            PageOptions,
        )
    ),
    (StudioOptions, "studio_"),
)


def read_settings(flag_values: flags.FlagValues) -> ServerSettings:
    """Reads what the flags say, and every file that they name.

    Args:
      flag_values: the parsed flags of `SERVE_OPTIONS`.

    Returns:
      What a server is started with.

    Raises:
      UsageError: if no model is named, or both ports are one.
      UserError: if a file cannot be read, or holds something else.
    """
    addresses = read_options(AddressOptions, "", flag_values)
    models = read_options(ModelOptions, "", flag_values)
    batching = read_options(BatchingOptions, "", flag_values)
    reports = read_options(ReportOptions, "", flag_values)
    if addresses.port == addresses.rest_api_port != 0:
        raise UsageError(f"--port and --rest_api_port are both {addresses.port}")
    if read_options(PageOptions, "", flag_values).studio and addresses.ssl_config_file:
        raise UsageError(
            "--studio needs a server without TLS; with one, start `tfcolor studio"
            " --server=grpcs://HOST:PORT/NAME` under the name in its certificate"
        )
    if batching.batching_parameters_file and not batching.enable_batching:
        raise UsageError("--batching_parameters_file needs --enable_batching")
    parameters = None
    if batching.enable_batching:
        parameters = read_batching_parameters(batching.batching_parameters_file)
    return ServerSettings(
        models=_read_models(models),
        addresses=addresses,
        model_options=models,
        limits=read_options(LimitOptions, "", flag_values),
        batching=parameters,
        encryption=read_encryption(addresses.ssl_config_file),
        token=read_token(addresses.token_file),
        metrics_path=read_metrics_path(reports.monitoring_config_file),
        access_log=reports.access_log,
        has_rest=addresses.rest_api_port != 0,
    )


@contextlib.contextmanager
def studio_beside(
    server: ServingServer, settings: ServerSettings, flag_values: flags.FlagValues
) -> Iterator[None]:
    """Shows the studio for the first model while the context lasts, if asked to.

    Args:
      server: the started server, to which the studio talks as any client.
      settings: what it was started with.
      flag_values: the parsed flags of `SERVE_OPTIONS`.

    Yields:
      Nothing.

    Raises:
      UserError: if the studio's port is taken.
    """
    if not read_options(PageOptions, "", flag_values).studio:
        yield
        return
    options = read_options(StudioOptions, "studio_", flag_values)
    host = ANY_HOST.get(server.grpc_address.host, server.grpc_address.host)
    place = f"[{host}]" if ":" in host else host
    address = f"grpc://{place}:{server.grpc_address.port}/{settings.models[0].name}"
    connection = ConnectionOptions(token=settings.token)
    app = build_app(lambda: RemoteColorizer(address, connection), options)
    with studio_in_background(app, options):
        yield


def serve_until_stopped(server: ServingServer, request: StopRequest) -> int:
    """Waits for a signal, then lets the running requests finish.

    Args:
      server: the started server.
      request: notes the signal.

    Returns:
      The exit status: 143 after SIGTERM, 130 after SIGINT.
    """
    while request.signal_number is None:
        time.sleep(POLL_SECS)
    say("stopping")
    is_idle = server.stop()
    say("stopped" if is_idle else "stopped; some requests did not finish in time")
    return request.exit_status


def _read_models(models: ModelOptions) -> tuple[ModelSettings, ...]:
    """Returns the models that the flags name."""
    if models.model_config_file:
        return read_model_config(models.model_config_file)
    if not models.model_base_path:
        raise UsageError("--model_base_path or --model_config_file must be given")
    return (ModelSettings(models.model_name, parse_base_path(models.model_base_path)),)
