"""The stock server's configuration: every file and every command of the README."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tfcolor.config.command import define_flags
from tests.serving.model_servicer import sepia_bytes, serve_rest
from tfcolor_client.__main__ import build_parser
from tfcolor_client.address import parse_address
from tfcolor_client.signatures import colorizer_signatures
from tfcolor_client.wire import build_messages

SERVING = Path(__file__).resolve().parents[2] / "serving"
README = (SERVING / "README.md").read_text()
# Of tensorflow_serving/model_servers/main.cc, release 2.15.
FLAG_NAMES = """
allow_version_labels_for_unavailable_models batching_parameters_file enable_batching
enable_model_warmup enable_per_model_batching_parameters enable_profiler
enable_signature_method_name_check file_system_poll_wait_seconds flush_filesystem_caches
grpc_channel_arguments grpc_max_threads grpc_socket_path load_retry_interval_micros
max_num_load_retries model_base_path model_config_file model_config_file_poll_wait_seconds
model_name monitoring_config_file num_load_threads num_request_iterations_for_warmup
num_unload_threads per_process_gpu_memory_fraction platform_config_file port
rest_api_enable_cors_support rest_api_num_threads rest_api_port rest_api_timeout_in_ms
saved_model_tags ssl_config_file tensorflow_inter_op_parallelism tensorflow_intra_op_parallelism
tensorflow_session_config_file tensorflow_session_parallelism thread_pool_factory_config_file
use_alts_credentials
"""
FLAGS = set(FLAG_NAMES.split())
# Of session_bundle_config.proto and monitoring_config.proto, which the wheel lacks.
DOCUMENTED = build_messages(
    {
        "Int64Value": ("int64 value = 1",),
        "StringValue": ("string value = 1",),
        "BatchingParameters": (
            "Int64Value max_batch_size = 1",
            "Int64Value batch_timeout_micros = 2",
            "Int64Value max_enqueued_batches = 3",
            "Int64Value num_batch_threads = 4",
            "StringValue thread_pool_name = 5",
            "repeated int64 allowed_batch_sizes = 6",
            "bool pad_variable_length_inputs = 7",
        ),
        "PrometheusConfig": ("bool enable = 1", "string path = 2"),
        "MonitoringConfig": ("PrometheusConfig prometheus_config = 1",),
    }
)


def blocks(language: str) -> list[str]:
    """Returns the README's fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands(program: str) -> list[list[str]]:
    """Returns the README's shell commands that call a program."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [words for words in map(shlex.split, lines) if program in words[:2]]


def models_of(text: str):
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return config.model_config_list.config


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((SERVING / "compose.yaml").read_text())


def test_models_config_is_of_the_official_message():
    (model,) = models_of((SERVING / "models.config").read_text())
    assert re.fullmatch(r"\w+", model.name)
    assert model.model_platform == "tensorflow"
    assert model.base_path == f"/models/{model.name}"
    assert model.model_version_policy.WhichOneof("policy_choice") == "latest"


def test_labels_of_the_readme_stand_for_versions_that_are_served():
    (model,) = models_of(*blocks("proto"))
    served = set(model.model_version_policy.specific.versions)
    assert set(model.version_labels.values()) <= served and len(model.version_labels) == 2


def test_batching_config_is_of_the_documented_message():
    text = (SERVING / "batching.config").read_text()
    batching = text_format.Parse(text, DOCUMENTED["BatchingParameters"]())
    assert 1 < batching.max_batch_size.value <= 64
    assert batching.num_batch_threads.value >= 1
    assert 0 < batching.batch_timeout_micros.value < 100_000
    assert batching.max_enqueued_batches.value > batching.num_batch_threads.value
    assert not batching.pad_variable_length_inputs


def test_monitoring_config_is_of_the_documented_message():
    text = (SERVING / "monitoring.config").read_text()
    prometheus = text_format.Parse(text, DOCUMENTED["MonitoringConfig"]()).prometheus_config
    assert prometheus.enable and prometheus.path == "/monitoring/prometheus/metrics"


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_compose_runs_the_stock_image_within_limits(compose, profile):
    service = compose["services"][profile]
    assert service["profiles"] == [profile]
    expected = "tensorflow/serving:2.15.1" + ("-gpu" if profile == "gpu" else "")
    assert service["image"] == expected
    limits = service["deploy"]["resources"]
    assert re.fullmatch(r"\d+g", limits["limits"]["memory"])
    assert ("reservations" in limits) == (profile == "gpu")
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_compose_names_flags_that_exist_and_files_that_are_mounted(compose, profile):
    service = compose["services"][profile]
    mounted = {}
    for volume in service["volumes"]:
        source, target, mode = re.fullmatch(r"(\$\{.+\}|[^:]+):([^:]+):(\w+)", volume).groups()
        assert mode == "ro"
        mounted[target] = source
    for argument in service["command"]:
        name, value = re.fullmatch(r"--(\w+)=(.+)", argument).groups()
        assert name in FLAGS
        if name.endswith("_file"):
            assert (SERVING / mounted[value]).is_file()
    (model,) = models_of((SERVING / "models.config").read_text())
    assert str(Path(model.base_path).parent) in mounted


def test_health_check_tells_a_loaded_model_from_none(compose, sepia):
    program, flag, script = compose["services"]["cpu"]["healthcheck"]["test"][1:]
    sepia.refusals.clear()
    with serve_rest(sepia) as port:
        here = script.replace("8501", str(port))
        command = [program, flag, here]
        assert subprocess.run(command, timeout=20, check=False).returncode == 0
        other = [program, flag, here.replace("/tfcolor", "/other")]
        assert subprocess.run(other, timeout=20, check=False).returncode == 1
    gone = subprocess.run(command, capture_output=True, timeout=20, check=False)
    assert gone.returncode == 1


def test_readme_names_flags_of_the_model_server():
    table = README.partition("| flag | what for |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`--(\w+)`", table))
    assert len(named) > 8 and named <= FLAGS
    assert "allow_version_labels_for_unavailable_models=true" in README
    (run,) = commands("run")
    assert {
        word.split("=")[0][2:] for word in run[run.index("tensorflow/serving:2.15.1") + 1 :]
    } <= FLAGS


def test_readme_names_commands_and_flags_of_tfcolor():
    from tfcolor.colorize import COMMAND as COLORIZE
    from tfcolor.export import COMMAND as EXPORT

    (export,) = commands("export")
    known = define_flags(EXPORT)
    assert {word.split("=")[0][2:] for word in export if word.startswith("--")} <= set(known)
    assert "tfcolor colorize --model=grpc://localhost:8500/tfcolor" in README
    assert "model" in define_flags(COLORIZE)


def test_readme_calls_the_client_as_it_is():
    calls = commands("tfcolor-client")
    assert {call[1] for call in calls} == {"status", "colorize", "sample"}
    for call in calls:
        build_parser().parse_args(call[1:])


def test_addresses_of_the_readme_are_such():
    found = re.findall(r"(?<!curl )(?:grpc|http)://localhost[^`\s:]*:\d+/[\w/.]*\w", README)
    assert len(found) > 5
    for text in found:
        parse_address(text.removesuffix("/metadata"))


def test_readme_and_declaration_have_the_same_signatures():
    table = README.partition("## Signatures")[2].partition("They are declared")[0]
    rows = [line.split("|")[1:4] for line in table.splitlines() if line.startswith("| `")]
    declared = colorizer_signatures((), ())
    assert [row[0].strip(" `") for row in rows] == list(declared)
    for (_, inputs, outputs), signature in zip(rows, declared.values(), strict=True):
        for cell, tensors in ((inputs, signature.inputs), (outputs, signature.outputs)):
            assert re.findall(r"`(\w+)` (\w+)", cell) == [
                (name, tensor.dtype) for name, tensor in tensors.items()
            ]


def test_rest_example_of_the_readme_colors_a_photograph(sepia, photos, tmp_path):
    for program in ("bash", "curl", "base64", "python3"):
        if not shutil.which(program):
            pytest.skip(f"{program} is missing")
    (script,) = [block for block in blocks("sh") if "curl" in block]
    shutil.copy(photos / "photo1.jpg", tmp_path / "photo.jpg")
    with serve_rest(sepia) as port:
        here = script.replace("localhost:8501", f"127.0.0.1:{port}").replace(
            "curl", "curl --noproxy '*'"
        )
        subprocess.run(["bash", "-euc", here], cwd=tmp_path, check=True, timeout=60)
    expected = sepia_bytes((photos / "photo1.jpg").read_bytes())
    assert (tmp_path / "photo_colorized.png").read_bytes() == expected
