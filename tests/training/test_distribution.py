import contextlib
import json
import logging
import socket
import types

import numpy as np
import pytest
import tensorflow as tf

from tests.loopback import free_addresses
from tfcolor.core.errors import UserError
from tfcolor.training import distribution
from tfcolor.training.distribution import (
    build_strategy,
    configure_runtime,
    has_workers,
    is_chief,
    plan_batches,
    report_lost_workers,
    wait_for_processes,
)
from tfcolor.training.members import Member
from tfcolor.training.options import DistributionOptions, TrainingOptions


def _plans(batch_size, num_workers, replicas_each, first_step=0):
    replicas = num_workers * replicas_each
    member = Member(None, None, batch_size, seed=3)
    contexts = [tf.distribute.InputContext(num_workers, i, replicas) for i in range(num_workers)]
    return [plan_batches(member, first_step, replicas, context) for context in contexts]


@pytest.mark.parametrize(
    ("batch_size", "num_workers", "replicas_each"), [(8, 1, 1), (7, 1, 2), (10, 2, 2), (7, 7, 1)]
)
def test_replicas_share_every_batch_evenly(batch_size, num_workers, replicas_each):
    plans = _plans(batch_size, num_workers, replicas_each)
    slots = [slot for plan in plans for slot in plan.slots]
    assert slots == list(range(batch_size))
    sizes = [size for plan in plans for size in plan.sizes]
    assert len(sizes) == num_workers * replicas_each
    assert max(sizes) - min(sizes) <= 1


def test_plan_goes_on_from_a_step_and_never_ends():
    (plan,) = _plans(8, 1, 1, first_step=17)
    assert (plan.first_batch, plan.num_batches, plan.seed, plan.batch_size) == (17, None, 3, 8)


def test_more_replicas_than_examples_is_a_user_error():
    with pytest.raises(UserError, match=r"--batch_size=3 cannot be shared by 4 .*at least 4"):
        _plans(3, 2, 2)


@pytest.mark.parametrize(
    ("kind", "name", "num_replicas"),
    [
        ("auto", "OneDeviceStrategy", 1),
        ("one_device", "OneDeviceStrategy", 1),
        ("mirrored", "MirroredStrategy", 2),
    ],
)
def test_strategy_is_the_one_named(kind, name, num_replicas):
    strategy = build_strategy(DistributionOptions(strategy=kind))
    assert type(strategy).__name__ == name
    assert strategy.num_replicas_in_sync == num_replicas
    assert not has_workers(strategy)
    assert is_chief(strategy)


def _sum_of_ones(strategy, size):
    """Returns the sum of vectors of ones over all replicas, as each of them sees it."""

    def replica_sum():
        return tf.distribute.get_replica_context().all_reduce("SUM", tf.ones(size))

    return strategy.experimental_local_results(tf.function(strategy.run)(replica_sum))


def test_strategies_of_one_process_do_not_mix():
    for size in (3, 5):
        strategy = build_strategy(DistributionOptions(strategy="mirrored"))
        np.testing.assert_array_equal(_sum_of_ones(strategy, size), np.full((2, size), 2.0))


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{",
        "[]",
        '{"cluster": {}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
    ],
)
def test_multi_worker_needs_a_place_in_a_cluster(monkeypatch, text):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="needs TF_CONFIG, for example") as caught:
        build_strategy(DistributionOptions(strategy="multi_worker"))
    assert str(caught.value).endswith(text or "it is not set")


def stand_in_as_chief(monkeypatch, chief, servers=("localhost:1",), workers=("localhost:1",)):
    cluster = {"chief": [chief], "ps": list(servers), "worker": list(workers)}
    place = {"cluster": cluster, "task": {"type": "chief", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(place))


def test_a_taken_address_of_the_chief_is_a_user_error(monkeypatch):
    with socket.create_server(("", 0)) as listener:
        address = f"localhost:{listener.getsockname()[1]}"
        stand_in_as_chief(monkeypatch, address)
        message = f"the chief's address {address} in TF_CONFIG cannot be listened on: .*in use"
        with pytest.raises(UserError, match=message):
            build_strategy(DistributionOptions(strategy="parameter_server"))


def test_processes_that_do_not_answer_are_named_until_they_do(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    late, early = free_addresses(2)
    ports = [int(address.rpartition(":")[2]) for address in (late, early)]
    rounds, listeners = [], []

    def sleep(seconds):
        rounds.append(seconds)
        if len(rounds) == 3:
            listeners.append(socket.create_server(("localhost", ports[0])))

    monkeypatch.setattr(distribution.time, "sleep", sleep)
    monkeypatch.setattr(distribution, "REMIND_SECS", 0.0)
    listeners.append(socket.create_server(("localhost", ports[1])))
    wait_for_processes({"ps 0": late, "worker 0": early})
    for listener in listeners:
        listener.close()
    assert caplog.messages == [
        f"waiting for 2 processes of the cluster: ps 0 at {late}, worker 0 at {early}",
        *[f"still waiting: nothing answers as ps 0 at {late}; start what is missing"] * 3,
    ]


@pytest.mark.parametrize("address", ["no.such.host.invalid:1", f"{'a' * 70}.invalid:1"])
def test_a_host_without_an_address_is_waited_for_until_interrupted(monkeypatch, address):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(distribution.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        wait_for_processes({"worker 0": address})


def test_only_addresses_are_waited_for():
    with pytest.raises(UserError, match="address 'here' in TF_CONFIG: expected HOST:PORT"):
        wait_for_processes({"ps 0": free_addresses(1)[0], "worker 0": "here"})


def replicas_of_one_worker(count):
    def connect(resolver):
        if count is None:  # as TensorFlow does, where one worker has one GPU and another two
            raise ValueError("Mismatched number of GPUs per worker")
        return types.SimpleNamespace(num_replicas_in_sync=count)

    return connect


@pytest.mark.parametrize("count", [2, None])
def test_a_worker_with_several_gpus_is_refused(monkeypatch, count):
    distribute = tf.distribute.experimental
    monkeypatch.setattr(distribute, "ParameterServerStrategy", replicas_of_one_worker(count))
    chief, *others = free_addresses(3)
    with contextlib.ExitStack() as stack:
        for address in others:
            port = int(address.rpartition(":")[2])
            stack.enter_context(socket.create_server(("localhost", port)))
        stand_in_as_chief(monkeypatch, chief, others[:1], others[1:])
        with pytest.raises(UserError, match=r"expected one process for each GPU.*CUDA_VISIBLE"):
            build_strategy(DistributionOptions(strategy="parameter_server"))


@pytest.mark.parametrize("address", ["localhost", "localhost:", ":2222", "a:b", "a:70000", "a:0"])
def test_what_is_no_address_of_a_cluster_is_refused(monkeypatch, address):
    stand_in_as_chief(monkeypatch, address)
    with pytest.raises(UserError, match=f"address '{address}' in TF_CONFIG: expected HOST:PORT"):
        build_strategy(DistributionOptions(strategy="parameter_server"))


@pytest.mark.parametrize(
    ("jobs", "place", "expected"),
    [
        (("worker",), ("worker", 0), True),
        (("worker",), ("worker", 1), False),
        (("chief", "worker"), ("chief", 0), True),
        (("chief", "worker"), ("worker", 0), False),
    ],
)
def test_one_worker_is_the_chief(monkeypatch, jobs, place, expected):
    cluster = {job: [f"{job}{number}:2222" for number in range(2)] for job in jobs}
    task = {"type": place[0], "index": place[1]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    strategy = types.SimpleNamespace(cluster_resolver=resolver)
    assert has_workers(strategy)
    assert is_chief(strategy) is expected


@pytest.fixture
def determinism(monkeypatch):
    """Notes whether determinism was asked for, which cannot be undone."""
    asked = []
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: asked.append(True))
    yield asked
    tf.keras.mixed_precision.set_global_policy("float32")


def test_seed_precision_and_determinism_are_set(determinism):
    drawn = []
    for seed in (1, 1, 2):
        configure_runtime(
            TrainingOptions(seed=seed, precision="mixed_bfloat16"), DistributionOptions()
        )
        drawn.append((np.random.uniform(), float(tf.random.uniform([]))))
    assert drawn[0] == drawn[1] != drawn[2]
    assert tf.keras.mixed_precision.global_policy().name == "mixed_bfloat16"
    assert determinism == [True] * 3


def test_determinism_can_be_off(determinism):
    configure_runtime(TrainingOptions(deterministic=False), DistributionOptions())
    assert determinism == []


def test_devices_cannot_change_once_tensorflow_runs(determinism):
    assert len(tf.config.list_logical_devices("CPU")) == 2  # see conftest.py
    configure_runtime(TrainingOptions(), DistributionOptions(num_virtual_devices=2))
    with pytest.raises(UserError, match="--num_virtual_devices=3: TensorFlow already runs with"):
        configure_runtime(TrainingOptions(), DistributionOptions(num_virtual_devices=3))


@pytest.mark.parametrize("kind", [tf.errors.UnavailableError, tf.errors.AbortedError])
def test_lost_worker_is_reported_with_what_to_do(kind):
    with pytest.raises(UserError, match="start all workers again"), report_lost_workers():
        raise kind(None, None, "heartbeat timeout")
