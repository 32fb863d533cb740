"""The command in a process of its own: start, kill, restart, drain."""

import signal
import socket
import threading
import time

import grpc
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tfcolor.config.command import execute
from tfcolor.serve import COMMAND


class Doubler(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def __call__(self, x):
        return {"y": 2.0 * x}


def free_port():
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def serve(start_command, folder, port):
    flags = [f"--model_base_path={folder}", f"--port={port}", "--rest_api_port=0"]
    process = start_command("serve", flags)
    options = [("grpc.max_reconnect_backoff_ms", 200)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True
        )
    return process


def test_help_teaches(capsys):
    assert execute(COMMAND, ["--help"]) == 0
    shown = capsys.readouterr().out
    assert "TensorFlow Serving" in shown
    assert "--model_config_file_poll_wait_seconds=0" in shown
    assert "--host=127.0.0.1" in shown


@pytest.mark.parametrize(
    ("status", "arguments", "word"),
    [
        (2, [], "--model_base_path"),
        (1, ["--model_base_path={folder}/none", "--port=0", "--rest_api_port=0"], "no folder"),
        (1, ["--model_config_file={folder}/none"], "none"),
        (2, ["--model_base_path={folder}", "--modelname=x"], "modelname"),
    ],
)
def test_mistake_is_one_line(tmp_path, capfd, status, arguments, word):
    given = [argument.format(folder=tmp_path) for argument in arguments]
    assert execute(COMMAND, given) == status
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("tfcolor serve: ")
    assert word in line


def test_clients_survive_a_killed_server_and_a_stopped_one_drains(tmp_path, start_command):
    tf.saved_model.save(Doubler(), str(tmp_path / "1"))
    port, codes, stopped = free_port(), [], threading.Event()
    server = serve(start_command, tmp_path, port)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "default"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))

    def ask():
        options = [("grpc.max_reconnect_backoff_ms", 100), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while not stopped.is_set():
                try:
                    stub.Predict(request, 10)
                    codes.append("OK")
                except grpc.RpcError as error:
                    codes.append(error.code().name)
                time.sleep(0.01)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        while "OK" not in codes:
            time.sleep(0.01)
        server.kill()
        assert server.returncode == -signal.SIGKILL
        server = serve(start_command, tmp_path, port)
        answered = codes.count("OK")
        while codes.count("OK") < answered + 10:
            time.sleep(0.01)
        assert set(codes) == {"OK", "UNAVAILABLE"}
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
        server.send_signal(signal.SIGTERM)
        lines = server.wait(timeout=60).splitlines()
    assert server.returncode == 143
    assert f"tfcolor serve: gRPC on 127.0.0.1:{port}, without TLS" in lines
    assert f"tfcolor serve: model default from {tmp_path}: versions 1" in lines
    assert lines[-1] == "tfcolor serve: stopped"
    assert not [line for line in lines if not line.startswith("tfcolor serve: ")]
