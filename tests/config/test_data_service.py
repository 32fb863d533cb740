import signal
import threading

import pytest

from tfcolor.config.command import define_flags
from tfcolor.config.data_service import check_service, open_service, serve_data
from tfcolor.config.experiment import read_experiment
from tfcolor.core.errors import UsageError
from tfcolor.data.service import start_dispatcher
from tfcolor.data_service import COMMAND as DATA_SERVICE
from tfcolor.train import COMMAND as TRAIN
from tfcolor.training.signals import StopRequest


def experiment_of(*arguments):
    flag_values = define_flags(TRAIN)
    flag_values(["train", *arguments])
    return read_experiment(flag_values)


def service_flags(*arguments):
    flag_values = define_flags(DATA_SERVICE)
    flag_values(["data_service", *arguments])
    return flag_values


def test_without_an_address_there_is_no_service():
    experiment = experiment_of("--strategy=parameter_server", "--task=distillation")
    check_service(experiment)
    assert open_service(experiment) is None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--data_service=host",), "--data_service=host: expected HOST:PORT"),
        (("--strategy=parameter_server",), "read their own images: expected another strategy"),
        (("--task=rotation,deep_clustering",), "--task=deep_clustering with --data_service: its"),
        (("--task=distillation",), "--task=distillation with --data_service: its"),
    ],
)
def test_what_a_service_cannot_do_is_refused(flags, message):
    experiment = experiment_of("--data_service=host:1", *flags)
    with pytest.raises(UsageError, match=message):
        check_service(experiment)


def test_the_examples_alone_decide_who_may_share_workers(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "tfcolor.config.data_service.DataService", lambda *arguments: seen.append(arguments)
    )
    address = "--data_service=host:1"
    same = [(), ("--num_steps=9", "--backbone=alexnet", "--data_service_workers=3")]
    other = [("--seed=1",), ("--batch_size=9",), ("--images=x",), ("--colorization_crop_size=224",)]
    for flags in (*same, *other):
        open_service(experiment_of(address, *flags))
    prints = [fingerprint for _, fingerprint, _ in seen]
    assert prints[0] == prints[1]
    assert len(set(prints[1:])) == 5
    assert [(one, count) for one, _, count in seen[:2]] == [("host:1", 1), ("host:1", 3)]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--role=dispatcher", "--dispatcher=a:1"), "--dispatcher=a:1: expected --role=worker"),
        ((), "--dispatcher=: expected HOST:PORT"),
        (("--dispatcher=a:1", "--task=distillation"), "distillation with --role=worker"),
    ],
)
def test_flags_that_do_not_fit_the_role_are_refused(flags, message):
    with pytest.raises(UsageError, match=message):
        serve_data(service_flags(*flags), StopRequest())


def test_a_dispatcher_serves_until_a_signal(monkeypatch):
    started, request = threading.Event(), StopRequest()

    def start(port):
        started.set()
        return start_dispatcher(port)

    def stop():
        started.wait(60)
        request.signal_number = signal.SIGTERM

    monkeypatch.setattr("tfcolor.config.data_service.start_dispatcher", start)
    thread = threading.Thread(target=stop)
    thread.start()
    assert serve_data(service_flags("--role=dispatcher"), request) == 143
    thread.join()
