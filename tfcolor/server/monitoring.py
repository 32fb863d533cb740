"""Metrics for Prometheus."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from tfcolor.core.errors import UserError
from tfcolor.server.task_queue import Task
from tfcolor.server.text_protos import new_message, read_text_proto
from tfcolor.server.versions import ModelVersions, VersionState

DEFAULT_PATH = "/monitoring/prometheus/metrics"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def read_metrics_path(path: str) -> str:
    """Reads from a MonitoringConfig at which path the metrics are shown.

    Args:
      path: the file in text format; empty for the default.

    Returns:
      The path of the URL; empty if they are not to be shown.

    Raises:
      UserError: if the file cannot be read or the path has no slash in front.
    """
    if not path:
        return DEFAULT_PATH
    config = read_text_proto(path, new_message("MonitoringConfig")).prometheus_config
    if not config.enable:
        return ""
    shown = config.path or DEFAULT_PATH
    if not shown.startswith("/"):
        raise UserError(f"{path}: the metrics' path {shown!r} must begin with /")
    return shown


class Metrics:
    """The metrics of one server.

    Models are labels only by names that the server has, so that clients cannot
    fill the memory with names they make up.

    Args:
      list_models: returns the models that are served now.
    """

    def __init__(self, list_models: Callable[[], Sequence[ModelVersions]]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "tfcolor_serving_requests",
            "Requests answered.",
            ["model", "method", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "tfcolor_serving_request_seconds",
            "Time from the arrival of a request to its answer.",
            ["model", "method"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._queue_seconds = Histogram(
            "tfcolor_serving_queue_seconds",
            "Time that a request waited to be computed.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._batch_rows = Histogram(
            "tfcolor_serving_batch_rows",
            "Rows that were computed together.",
            buckets=ROWS,
            registry=self._registry,
        )
        self._registry.register(_StateCollector(list_models))

    def observe_request(self, model: str, method: str, status: str, seconds: float) -> None:
        """Counts an answered request.

        Args:
          model: the model that answered; empty if none did.
          method: what was called.
          status: the name of its code ("OK").
          seconds: how long it took.
        """
        self._requests.labels(model, method, status).inc()
        self._seconds.labels(model, method).observe(seconds)

    def observe_batch(self, batch: Sequence[Task]) -> None:
        """Counts a batch that is about to be computed."""
        self._batch_rows.observe(sum(task.rows for task in batch))
        for task in batch:
            self._queue_seconds.observe(task.queue_secs)

    def render(self) -> bytes:
        """Returns all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _StateCollector:
    """Reads the states of all versions when the metrics are asked for."""

    def __init__(self, list_models: Callable[[], Sequence[ModelVersions]]) -> None:
        self._list_models = list_models

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields a gauge that is 1 for the state that each version has."""
        gauge = GaugeMetricFamily(
            "tfcolor_serving_version_state",
            "1 for the state that a version of a model is in.",
            labels=["model", "version", "state"],
        )
        for model in self._list_models():
            for version in model.statuses():
                state = VersionState(version.state).name
                gauge.add_metric([model.settings.name, str(version.number), state], 1)
        yield gauge
