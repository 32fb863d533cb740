from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tfcolor.core.errors import UserError
from tfcolor.server.model_settings import ModelSettings
from tfcolor.server.monitoring import DEFAULT_PATH, Metrics, read_metrics_path
from tfcolor.server.servable import Servable, ServedSignature
from tfcolor.server.task_queue import Task
from tfcolor.server.versions import ModelVersions


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("prometheus_config { enable: true }", DEFAULT_PATH),
        ('prometheus_config { enable: true, path: "/m" }', "/m"),
        ('prometheus_config { enable: false, path: "/m" }', ""),
        ("", ""),
    ],
)
def test_the_config_says_whether_and_where(tmp_path, text, path):
    (tmp_path / "monitoring").write_text(text)
    assert read_metrics_path(str(tmp_path / "monitoring")) == path


def test_metrics_are_shown_by_default():
    assert read_metrics_path("") == "/monitoring/prometheus/metrics"


def test_a_path_begins_at_the_root(tmp_path):
    (tmp_path / "monitoring").write_text('prometheus_config { enable: true, path: "m" }')
    with pytest.raises(UserError, match="'m' must begin with /"):
        read_metrics_path(str(tmp_path / "monitoring"))


def samples(metrics):
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_requests_batches_and_states_are_counted():
    model = ModelVersions(
        ModelSettings("m", Path("/m")), lambda *a: Servable(*a[:2], {}, None), lambda path: 0
    )
    metrics = Metrics(lambda: [model])
    model.reconcile({4: Path("/m/4")})
    metrics.observe_request("m", "Predict", "OK", 0.02)
    metrics.observe_request("m", "Predict", "OK", 0.2)
    signature = ServedSignature("s", "", {}, {}, dict)
    inputs = {"x": np.zeros((2, 1))}
    metrics.observe_batch([Task(signature, inputs, rows=2, queue_secs=0.5), Task(signature, {})])
    found = samples(metrics)
    assert found["tfcolor_serving_requests_total", "OK", "Predict", "m"] == 2
    assert found["tfcolor_serving_request_seconds_bucket", "0.025", "Predict", "m"] == 1
    assert found["tfcolor_serving_batch_rows_sum",] == 3
    assert found["tfcolor_serving_queue_seconds_count",] == 2
    assert found["tfcolor_serving_version_state", "4", "AVAILABLE", "m"] == 1


def test_two_servers_count_apart():
    first, second = Metrics(list), Metrics(list)
    first.observe_request("m", "Predict", "OK", 0.1)
    assert ("tfcolor_serving_requests_total", "OK", "Predict", "m") not in samples(second)
