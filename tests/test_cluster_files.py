"""The files for real clusters say what `tfcolor train` takes, and the same to every process."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tfcolor.config.command import define_flags
from tfcolor.config.experiment import read_experiment
from tfcolor.train import COMMAND

FOLDER = Path(__file__).parents[1] / "configs" / "cluster"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
KUBERNETES = {
    (one["kind"], one["metadata"]["name"]): one
    for one in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
}


def check_flags(arguments, num_workers):
    """Reads flags as the command does."""
    flag_values = define_flags(COMMAND)
    assert flag_values(["train", *arguments]) == ["train"]
    experiment = read_experiment(flag_values)
    assert experiment.distribution.strategy == "parameter_server"
    assert sum(experiment.distribution.task_workers) <= num_workers
    assert len(experiment.distribution.task_workers) == len(experiment.members)


@pytest.mark.parametrize("name", COMPOSE)
def test_every_container_has_its_place_and_the_same_flags(name):
    service = COMPOSE[name]
    place = json.loads(service["environment"]["TF_CONFIG"])
    jobs, task = place["cluster"], place["task"]
    assert jobs[task["type"]][task["index"]] == f"{name}:2222"
    assert {address for own in jobs.values() for address in own} == {
        f"{other}:2222" for other in COMPOSE
    }
    assert service["command"][:2] == ["tfcolor", "train"]
    assert service["command"] == COMPOSE["chief"]["command"]
    check_flags(service["command"][2:], len(jobs["worker"]))
    assert service["restart"] == "on-failure"
    assert "ports" not in service
    assert service["user"].startswith("${RUN_AS:?")  # without a default that may not write
    assert all(volume.startswith(("${PHOTOS:?", "${RUNS:?")) for volume in service["volumes"])


def test_the_chief_is_stopped_before_those_that_it_needs_to_save():
    assert set(COMPOSE["chief"]["depends_on"]) == COMPOSE.keys() - {"chief"}
    assert all(one["init"] and one["stop_grace_period"] == "2m" for one in COMPOSE.values())
    for kind, job in (("StatefulSet", "ps"), ("StatefulSet", "worker"), ("Job", "chief")):
        pod = KUBERNETES[kind, f"tfcolor-{job}"]["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] == 120
        assert pod["containers"][0]["imagePullPolicy"] == "IfNotPresent"


@pytest.mark.parametrize(
    ("kind", "job"), [("StatefulSet", "ps"), ("StatefulSet", "worker"), ("Job", "chief")]
)
def test_every_pod_finds_its_place(kind, job):
    data = KUBERNETES["ConfigMap", "tfcolor-training"]["data"]
    jobs = json.loads(data["TF_CLUSTER"])
    spec = KUBERNETES[kind, f"tfcolor-{job}"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    shell, dash, script = container["command"]
    assert (shell, dash) == ("bash", "-c")
    setting, start = script.split("; exec ")
    assert start == "tfcolor train --flagfile=/etc/tfcolor/train.cfg"
    assert len(jobs[job]) == spec.get("replicas", 1)
    for index, address in enumerate(jobs[job]):
        host = address.removesuffix(".tfcolor:2222")
        assert host == pod.get("hostname", f"tfcolor-{job}-{index}")
        environment = {"TF_CLUSTER": data["TF_CLUSTER"], "HOSTNAME": host, "PATH": "/usr/bin:/bin"}
        shown = subprocess.run(
            ["bash", "-c", f'{setting}; printf %s "$TF_CONFIG"'],
            env=environment,
            capture_output=True,
            check=True,
        )
        assert json.loads(shown.stdout) == {
            "cluster": jobs,
            "task": {"type": job, "index": index},
        }
    mounted = {one["name"] for one in container["volumeMounts"]}
    assert mounted == {one["name"] for one in pod["volumes"]}


def test_flags_of_the_pods_are_real():
    data = KUBERNETES["ConfigMap", "tfcolor-training"]["data"]
    check_flags(data["train.cfg"].split(), len(json.loads(data["TF_CLUSTER"])["worker"]))
