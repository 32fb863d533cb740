import json
import logging

import grpc
import pytest

from tfcolor.core.errors import UserError
from tfcolor.server.monitoring import Metrics
from tfcolor.server.reporting import AccessLog, Reporter, RequestRecord
from tfcolor.server.status import RequestError, invalid


@pytest.fixture
def log(tmp_path):
    return tmp_path / "access.log"


@pytest.fixture
def reporter(log):
    return Reporter(Metrics(list), AccessLog(str(log)))


def lines(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_each_request_is_a_line_without_its_content(reporter, log):
    record = RequestRecord("grpc", "Predict", "ipv4:127.0.0.1:5", 100)
    with reporter.report(record):
        record.note_model("m", 3, "serving_default")
        record.note_queue(0.25, 4)
        record.response_bytes = 50
    (line,) = lines(log)
    assert line.pop("time").endswith("+00:00")
    assert line.pop("milliseconds") >= 0
    assert line == {
        "protocol": "grpc",
        "method": "Predict",
        "peer": "ipv4:127.0.0.1:5",
        "model": "m",
        "version": 3,
        "signature": "serving_default",
        "code": "OK",
        "queue_milliseconds": 250.0,
        "batch_rows": 4,
        "request_bytes": 100,
        "response_bytes": 50,
    }


def test_what_clients_write_cannot_break_the_log(reporter, log):
    record = RequestRecord("grpc", "Predict", "peer")
    with reporter.report(record):
        record.note_model("m", 1, 'a"\n{"code": "OK"}')
    assert len(lines(log)) == 1


def test_errors_are_told_and_passed_on(reporter, log):
    with pytest.raises(RequestError, match="no"), reporter.report(RequestRecord("rest", "P", "p")):
        raise invalid("no")
    assert lines(log)[0]["code"] == "INVALID_ARGUMENT"
    assert b'status="INVALID_ARGUMENT"' in reporter.metrics.render()


def test_an_error_of_ours_is_internal_and_says_little(reporter, log, caplog):
    caplog.set_level(logging.ERROR)
    with (
        pytest.raises(RequestError, match="internal error: KeyError") as error,
        reporter.report(RequestRecord("rest", "Predict", "p")),
    ):
        {}["secret"]
    assert error.value.code == grpc.StatusCode.INTERNAL
    assert "secret" not in error.value.message
    assert "secret" in caplog.text
    assert lines(log)[0]["code"] == "INTERNAL"


def test_the_log_goes_to_standard_output_or_nowhere(capsys):
    for path in ("-", ""):
        log = AccessLog(path)
        log.write({"path": path})
        log.close()
    assert capsys.readouterr().out == '{"path": "-"}\n'


def test_a_log_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*missing"):
        AccessLog(str(tmp_path / "missing/access.log"))
