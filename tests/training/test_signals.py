import os
import signal

import pytest

from tfcolor.training.signals import StoppedError, StopRequest, listen_for_stop


@pytest.fixture
def received():
    """Installs handlers that note what reaches them, and removes them again."""
    numbers = []
    kinds = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in kinds}
    for number in kinds:
        signal.signal(number, lambda got, frame: numbers.append(got))
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


def test_nothing_is_asked_without_a_signal():
    assert StopRequest().exit_status == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_noted_instead_of_handled(received, number, status):
    with listen_for_stop() as request:
        os.kill(os.getpid(), number)
        assert request.signal_number == number
    assert request.exit_status == status
    assert received == []


def test_a_second_signal_has_its_ordinary_effect(received):
    with listen_for_stop():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert received == [signal.SIGTERM]


def test_handlers_are_restored_also_after_an_error(received):
    with pytest.raises(StoppedError), listen_for_stop():
        raise StoppedError(143, 7)
    os.kill(os.getpid(), signal.SIGINT)
    assert received == [signal.SIGINT]


def test_stopped_says_where():
    error = StoppedError(130, 12)
    assert (str(error), error.exit_status, error.step) == ("stopped at step 12", 130, 12)
