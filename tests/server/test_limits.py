import threading

import grpc
import pytest

from tfcolor.server.limits import Admission
from tfcolor.server.status import RequestError


def test_requests_above_the_limit_are_refused():
    admission = Admission(2)
    with admission.admit(), admission.admit():
        assert admission.count == 2
        with pytest.raises(RequestError, match="2 requests are under way") as error:
            admission.admit().__enter__()
        assert error.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    with admission.admit():
        assert admission.count == 1


def test_a_failed_request_is_no_longer_counted():
    admission = Admission(1)
    with pytest.raises(ZeroDivisionError), admission.admit():
        raise ZeroDivisionError
    assert admission.count == 0


def test_closing_lets_the_last_ones_finish():
    admission, entered, leave = Admission(2), threading.Event(), threading.Event()

    def request():
        with admission.admit():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=request)
    thread.start()
    assert entered.wait(10)
    admission.close()
    with pytest.raises(RequestError, match="shutting down") as error:
        admission.admit().__enter__()
    assert error.value.code == grpc.StatusCode.UNAVAILABLE
    assert not admission.wait_idle(0.01)
    leave.set()
    assert admission.wait_idle(10)
    thread.join()
