import queue
import threading
from typing import NamedTuple

import pytest
import tensorflow as tf

from tfcolor.training.first_cause import first_cause

CANCELLED = tf.errors.CancelledError(None, None, "ClusterCoordinator")
REASON = tf.errors.UnknownError(None, None, "UserError: no image could be read")


class Report(NamedTuple):
    error: BaseException | None = None


def filled(*errors):
    reports = queue.Queue()
    for error in errors:
        reports.put(Report(error))
    return reports


def test_reason_is_found_behind_what_was_cancelled_for_it():
    assert first_cause(CANCELLED, filled(CANCELLED, None, REASON), 0.0) is REASON


def test_reason_may_come_late():
    reports = filled(None)
    threading.Timer(0.1, reports.put, [Report(REASON)]).start()
    assert first_cause(CANCELLED, reports, 60.0) is REASON


def test_what_was_cancelled_is_told_if_there_is_nothing_else():
    assert first_cause(CANCELLED, filled(), 0.0) is CANCELLED


@pytest.mark.parametrize("error", [REASON, ValueError("mended code")])
def test_another_error_is_told_at_once(error):
    reports = filled(CANCELLED)
    assert first_cause(error, reports, 60.0) is error
    assert reports.qsize() == 1
