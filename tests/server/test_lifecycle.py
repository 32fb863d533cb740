"""The whole server: health, reflection, versions that come and go, draining."""

import contextlib
import shutil
import threading
import time

import grpc
import httpx
import numpy as np
import ovmsclient
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tfcolor.core.errors import UserError
from tfcolor.server.addresses import listen
from tfcolor.server.lifecycle import ServerSettings, ServingServer
from tfcolor.server.model_settings import ModelSettings
from tfcolor.server.options import AddressOptions, ModelOptions

X = np.float32([[1, 2]])
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def check(client, service):
    stub = health_pb2_grpc.HealthStub(client.channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), 10).status


def test_health_is_told_for_the_server_and_each_model(tiny):
    for name in ("", "tiny", "tensorflow.serving.PredictionService"):
        assert check(tiny, name) == SERVING
    with pytest.raises(grpc.RpcError) as error:
        check(tiny, "nope")
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


def test_watchers_of_health_hear_of_changes_only(serving, tiny_version, tmp_path):
    shutil.copytree(tiny_version, tmp_path / "tiny/1")
    with serving(tmp_path / "tiny") as client:
        stub = health_pb2_grpc.HealthStub(client.channel)
        heard = []
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="tiny"), timeout=30)

        def listen_on():
            with contextlib.suppress(grpc.RpcError):
                heard.extend(answer.status for answer in watch)

        listener = threading.Thread(target=listen_on)
        listener.start()
        polls = []
        tell = client.server.catalog.on_change
        client.server.catalog.on_change = lambda found: (polls.append(found), tell(found))
        until(lambda: len(polls) > 3)
        shutil.rmtree(tmp_path / "tiny/1")
        until(lambda: check(client, "") == NOT_SERVING)
        client.server.catalog.on_change({})
        assert check(client, "tiny") == SERVICE_UNKNOWN
        watch.cancel()
        listener.join()
        assert heard == [SERVING, NOT_SERVING, SERVICE_UNKNOWN]


def test_reflection_describes_the_services(tiny):
    stub = reflection_pb2_grpc.ServerReflectionStub(tiny.channel)
    questions = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="tensorflow.serving.PredictionService"
        ),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="tensorflow.TensorProto"),
    ]
    listing, service, tensor = stub.ServerReflectionInfo(iter(questions), timeout=10)
    names = {service.name for service in listing.list_services_response.service}
    assert {"tensorflow.serving.PredictionService", "grpc.health.v1.Health"} <= names
    file = FileDescriptorProto.FromString(service.file_descriptor_response.file_descriptor_proto[0])
    assert {method.name for method in file.service[0].method} >= {"Predict", "Classify"}
    assert tensor.file_descriptor_response.file_descriptor_proto


def test_an_independent_client_gets_status_metadata_and_predictions(tiny):
    client = ovmsclient.make_grpc_client(str(tiny.server.grpc_address))
    assert client.get_model_status("tiny")[1]["state"] == "AVAILABLE"
    metadata = client.get_model_metadata("tiny")
    assert metadata["model_version"] == 2
    assert metadata["inputs"] == {"x": {"shape": [-1, -1], "dtype": "DT_FLOAT"}}
    np.testing.assert_array_equal(client.predict({"x": X}, "tiny"), 2 * X)


def test_an_independent_client_gets_the_same_over_http(tiny):
    client = ovmsclient.make_http_client(str(tiny.server.rest_address))
    assert client.get_model_status("tiny")[1]["state"] == "AVAILABLE"
    # It knows only OpenVINO's names of the fields, and passes the official ones on.
    assert client.get_model_metadata("tiny")["model_spec"]["version"] == "2"
    np.testing.assert_array_equal(client.predict({"x": X}, "tiny"), 2 * X)


def test_versions_come_and_go_while_clients_run(serving, tiny_version, tmp_path):
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_version, folder / "1")
    with serving(folder) as client:
        answers, failures, stopped = set(), [], threading.Event()

        def ask():
            while not stopped.is_set():
                try:
                    answers.add(client.predict(x=X).model_spec.version.value)
                except grpc.RpcError as error:
                    failures.append(error.details())

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: 1 in answers)
            corrupt(tiny_version, folder / "2")
            until(lambda: client.states().get(2) == "END")
            assert client.states()[1] == "AVAILABLE"
            shutil.copytree(tiny_version, folder / "3")
            until(lambda: client.states().get(1) == "END")
            until(lambda: 3 in answers)
            shutil.rmtree(folder / "3")
            until(lambda: client.states() == {3: "END", 2: "END", 1: "AVAILABLE"})
            shutil.copy(tiny_version / "saved_model.pb", folder / "2/saved_model.pb")
            until(lambda: 2 in answers)
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
        assert failures == []
        assert answers == {1, 2, 3}


def corrupt(version, folder):
    """A version of which half is written."""
    shutil.copytree(version, folder.parent / ".half")
    data = (version / "saved_model.pb").read_bytes()
    (folder.parent / ".half/saved_model.pb").write_bytes(data[: len(data) // 2])
    (folder.parent / ".half").rename(folder)


def test_a_request_under_way_is_answered_and_new_ones_are_refused(serving, tiny_models):
    with serving(tiny_models) as client:
        client.predict("slow", steps=np.int32([1]))
        running = client.predictions.Predict.future(slow_request(20_000), 30)
        until(lambda: client.server._admission.count == 1)
        results = []
        stopping = threading.Thread(target=lambda: results.append(client.server.stop(20.0)))
        stopping.start()
        until(lambda: check(client, "") == NOT_SERVING)
        with pytest.raises(grpc.RpcError) as error:
            client.predict(x=X)
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE
        assert client.post(":predict", {"instances": [[1]]}).status_code == 503
        assert running.result().outputs["steps"].int_val[0] == 20_000
        stopping.join()
        assert results == [True]
        with pytest.raises(httpx.ConnectError):
            client.rest.get("/v1/models/tiny")


def slow_request(steps):
    from tensorflow.core.framework import tensor_pb2
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "tiny", "slow"
    proto = tensor_pb2.TensorProto(dtype="DT_INT32", int_val=[steps])
    proto.tensor_shape.dim.add(size=1)
    request.inputs["steps"].CopyFrom(proto)
    return request


def settings(base_path, **addresses):
    options = AddressOptions(**{"port": 0, "rest_api_port": 0, **addresses})
    return ServerSettings((ModelSettings("tiny", base_path),), options)


def test_a_port_in_use_is_named_before_anything_is_loaded(tiny_models):
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        for name in ("port", "rest_api_port"):
            server = ServingServer(settings(tiny_models, **{name: port}))
            with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1:{port}"):
                server.start()
            server.stop(0.0)


def test_two_servers_cannot_share_a_port(tiny, tiny_models):
    port = tiny.server.grpc_address.port
    server = ServingServer(settings(tiny_models, port=port))
    with pytest.raises(UserError, match=f"127.0.0.1:{port}: is the port in use"):
        server.start()
    server.stop(0.0)


def test_a_missing_folder_is_named(tmp_path):
    server = ServingServer(settings(tmp_path / "missing"))
    with pytest.raises(UserError, match=r"model tiny: there is no folder .*missing"):
        server.start()
    server.stop(0.0)


def test_a_changed_config_file_is_followed(tiny_models, tmp_path):
    config = tmp_path / "models.config"
    text = (
        "model_config_list {{ config {{ name: 'tiny' base_path: '{}' model_version_policy"
        " {{ specific {{ versions: {} }} }} }} }}"
    )
    config.write_text(text.format(tiny_models, 1))
    options = ModelOptions(model_config_file=str(config), model_config_file_poll_wait_seconds=1)
    start = settings(tiny_models)
    server = ServingServer(ServerSettings(start.models, start.addresses, options, has_rest=False))
    server.start()
    assert server.rest_address is None
    assert server.catalog.models["tiny"].available() == [2]
    until(lambda: server.catalog.models["tiny"].available() == [1])
    config.write_text("nonsense")
    server._repeaters[1].call()
    assert server.catalog.models["tiny"].available() == [1]
    server.stop(0.0)
