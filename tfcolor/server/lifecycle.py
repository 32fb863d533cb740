"""Starting the server, and stopping it without losing a request."""

import dataclasses
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tfcolor.core.errors import UserError
from tfcolor.core.progress import say
from tfcolor.server.addresses import ServingAddress, is_loopback, listen
from tfcolor.server.batching import BatchingParameters
from tfcolor.server.catalog import ModelCatalog
from tfcolor.server.grpc_service import GrpcService
from tfcolor.server.http_server import HttpServer
from tfcolor.server.limits import Admission
from tfcolor.server.model_settings import ModelSettings, read_model_config
from tfcolor.server.monitoring import DEFAULT_PATH, Metrics
from tfcolor.server.options import AddressOptions, LimitOptions, ModelOptions
from tfcolor.server.prediction import PredictionEngine
from tfcolor.server.reflection import MODEL_SERVICE, PREDICTION_SERVICE, build_service_pool
from tfcolor.server.reporting import AccessLog, Reporter
from tfcolor.server.rest import RestService, RestSettings
from tfcolor.server.scheduler import Scheduler
from tfcolor.server.security import Encryption, TokenInterceptor
from tfcolor.server.servable import Servable, load_servable
from tfcolor.server.status import RequestError
from tfcolor.server.warmup import warm_up
from tfcolor.server.watcher import Repeater

# Beyond one thread for each request: health, status, and refusing what is too much.
SPARE_THREADS = 16
# Requests that gRPC itself refuses, before it reads them, beyond those that wait
# for a thread to refuse them.
WAITING_PER_THREAD = 2
LAST_SECS = 1.0
SERVICE_NAMES = (
    PREDICTION_SERVICE,
    MODEL_SERVICE,
    health.SERVICE_NAME,
    reflection.SERVICE_NAME,
)
_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ServerSettings:
    """Everything that a server is started with.

    Args:
      models: what is served.
      addresses: where; the files it names are not read.
      model_options: how models are watched.
      limits: what requests may take.
      batching: how requests are joined; None to compute each alone.
      encryption: what TLS needs; None for none.
      token: what requests must carry; empty for nothing.
      metrics_path: where metrics are shown; empty for nowhere.
      access_log: file of the access log; empty for none, "-" for standard output.
      has_rest: whether there is a REST port at all.
    """

    models: tuple[ModelSettings, ...]
    addresses: AddressOptions = dataclasses.field(default_factory=AddressOptions)
    model_options: ModelOptions = dataclasses.field(default_factory=ModelOptions)
    limits: LimitOptions = dataclasses.field(default_factory=LimitOptions)
    batching: BatchingParameters | None = None
    encryption: Encryption | None = None
    token: str = ""
    metrics_path: str = DEFAULT_PATH
    access_log: str = ""
    has_rest: bool = True


class ServingServer:
    """A server that speaks TensorFlow Serving's protocols, in threads of this process.

    Args:
      settings: what it is started with.

    Attributes:
      grpc_address: where gRPC is served, once started.
      rest_address: where REST is served; None if it is not.
    """

    grpc_address: ServingAddress
    rest_address: ServingAddress | None = None

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        limits = settings.limits
        self.catalog = ModelCatalog(
            self._load,
            allows_early_labels=settings.model_options.allow_version_labels_for_unavailable_models,
        )
        metrics = Metrics(lambda: list(self.catalog.models.values()))
        self._access_log = AccessLog(settings.access_log)
        self._reporter = Reporter(metrics, self._access_log)
        self._admission = Admission(limits.max_concurrent_requests)
        self._scheduler = Scheduler(settings.batching, metrics.observe_batch)
        self._engine = PredictionEngine(
            self.catalog, self._scheduler, self._admission, limits.max_pixels
        )
        self._health = health.HealthServicer()
        self._told_health: dict[str, int] = {}
        self._grpc_server = self._build_grpc_server()
        self._rest: RestService | None = None
        self._http: HttpServer | None = None
        self._config_read = settings.models
        options = settings.model_options
        self._repeaters = (
            Repeater(self.catalog.poll, options.file_system_poll_wait_seconds, "model watcher"),
            Repeater(
                self._reread_config,
                options.model_config_file_poll_wait_seconds if options.model_config_file else 0,
                "model config watcher",
            ),
        )

    def start(self) -> None:
        """Takes the ports, loads the models and answers.

        Raises:
          UserError: if a port is in use, or a model cannot be served.
        """
        self._bind()
        for model in self._settings.models:
            if not model.base_path.is_dir():
                raise UserError(f"model {model.name}: there is no folder {model.base_path}")
        try:
            self.catalog.start(self._settings.models)
        except RequestError as error:
            raise UserError(error.message) from error
        self.catalog.on_change = self._tell_health
        self.catalog.poll()
        self._grpc_server.start()
        if self._http:
            self._http.start()
        for repeater in self._repeaters:
            repeater.start()
        self._announce()

    def stop(self, drain_secs: float | None = None) -> bool:
        """Refuses new requests, waits for those under way, and ends.

        Args:
          drain_secs: how long to wait; None for what the settings say.

        Returns:
          Whether every request was answered.
        """
        seconds = self._settings.limits.drain_secs if drain_secs is None else drain_secs
        self._health.enter_graceful_shutdown()
        self._admission.close()
        if self._admission.count:
            say(f"{self._admission.count} requests get {seconds:g} s to finish")
        is_idle = self._admission.wait_idle(seconds)
        for repeater in self._repeaters:
            repeater.stop()
        self._scheduler.close()
        stopped = self._grpc_server.stop(LAST_SECS)
        if self._http:
            self._http.stop()
        if self._rest:
            self._rest.close()
        stopped.wait(LAST_SECS + 1.0)
        self.catalog.stop()
        self._access_log.close()
        return is_idle

    def _load(self, name: str, version: int, path: Path) -> Servable:
        """Loads a version and answers its warm-up requests."""
        servable = load_servable(name, version, path)
        if self._settings.model_options.enable_model_warmup:
            count = warm_up(servable, path)
            if count:
                say(f"model {name} version {version} answered {count} warm-up requests")
        return servable

    def _build_grpc_server(self) -> grpc.Server:
        """Returns the gRPC server with all its services, not yet bound."""
        settings, limits = self._settings, self._settings.limits
        num_threads = settings.addresses.grpc_max_threads or self._num_threads
        server = grpc.server(
            ThreadPoolExecutor(num_threads, thread_name_prefix="grpc"),
            interceptors=[TokenInterceptor(settings.token)] if settings.token else [],
            options=[
                ("grpc.max_receive_message_length", limits.max_message_bytes),
                ("grpc.max_send_message_length", -1),
                # Two servers on one port would share its connections.
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=num_threads * WAITING_PER_THREAD,
        )
        service = GrpcService(
            self._engine,
            self._reporter,
            max_message_bytes=limits.max_message_bytes,
            timeout_secs=limits.request_timeout_secs or float("inf"),
        )
        service.add_to(server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection(SERVICE_NAMES, server, build_service_pool())
        return server

    @property
    def _num_threads(self) -> int:
        return self._settings.limits.max_concurrent_requests + SPARE_THREADS

    def _bind(self) -> None:
        """Takes both ports, so that one in use is known before models are loaded."""
        settings, addresses = self._settings, self._settings.addresses
        asked = ServingAddress(addresses.host, addresses.port, settings.encryption is not None)
        try:
            if settings.encryption:
                credentials = settings.encryption.grpc_credentials()
                port = self._grpc_server.add_secure_port(str(asked), credentials)
            else:
                port = self._grpc_server.add_insecure_port(str(asked))
        except RuntimeError as error:
            raise UserError(f"cannot listen on {asked}: is the port in use?") from error
        self.grpc_address = dataclasses.replace(asked, port=port)
        if settings.has_rest:
            self._bind_rest()

    def _bind_rest(self) -> None:
        """Takes the port of REST and builds its server."""
        settings, addresses = self._settings, self._settings.addresses
        listening = listen(addresses.host, addresses.rest_api_port)
        self.rest_address = dataclasses.replace(self.grpc_address, port=listening.getsockname()[1])
        rest_settings = RestSettings(
            token=settings.token,
            metrics_path=settings.metrics_path,
            max_body_bytes=settings.limits.max_message_bytes,
            timeout_secs=addresses.rest_api_timeout_in_ms / 1e3,
            num_threads=addresses.rest_api_num_threads or self._num_threads,
        )
        self._rest = RestService(self._engine, self._reporter, rest_settings)
        context = settings.encryption.tls_context() if settings.encryption else None
        self._http = HttpServer(self._rest.application(), listening, context)

    def _tell_health(self, available: Mapping[str, int]) -> None:
        """Tells the health service which models answer."""
        states = health_pb2.HealthCheckResponse
        names = dict.fromkeys(set(self._told_health) - set(available), states.SERVICE_UNKNOWN)
        for name, count in available.items():
            names[name] = states.SERVING if count else states.NOT_SERVING
        is_ready = all(available.values())
        for name in (health.OVERALL_HEALTH, *SERVICE_NAMES):
            names[name] = states.SERVING if is_ready else states.NOT_SERVING
        for name, state in names.items():
            # Each call is a message to everyone who watches, even without a change.
            if self._told_health.get(name) != state:
                self._health.set(name, state)
        self._told_health = names

    def _reread_config(self) -> None:
        """Serves what the model config file names, if it has changed."""
        models = read_model_config(self._settings.model_options.model_config_file)
        if models != self._config_read:
            try:
                self.catalog.reload(models)
            except RequestError as error:
                raise UserError(error.message) from error
            self._config_read = models
            say(f"now serving {', '.join(model.name for model in models)}")

    def _announce(self) -> None:
        """Says where the server listens and what it serves."""
        settings = self._settings
        scheme = "with TLS" if settings.encryption else "without TLS"
        say(f"gRPC on {self.grpc_address}, {scheme}")
        if self.rest_address:
            say(f"REST on {self.rest_address}, {scheme}")
        for name, model in self.catalog.models.items():
            versions = ", ".join(map(str, model.available())) or "none"
            say(f"model {name} from {model.settings.base_path}: versions {versions}")
        if not is_loopback(self.grpc_address.host) and not settings.token:
            _LOGGER.warning("anyone who reaches %s may use it: no --token_file", self.grpc_address)
