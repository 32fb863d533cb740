"""The folder of one run: what was asked, what happened, what came out."""

import datetime
import importlib.metadata
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

import tfcolor
from tfcolor.core.errors import UserError
from tfcolor.core.files import atomic_path, write_json

PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "tensorflow-addons", "keras-cv")


class RunDirectory:
    """Names and writes the files of DESIGN section 5.

    Args:
      path: the folder; created if it is missing.

    Raises:
      UserError: if the folder cannot be created or written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.flagfile = self.path / "flags.cfg"
        self.checkpoints = self.path / "checkpoints"
        self.events = self.path / "events"
        self.unreadable_log = self.path / "unreadable.txt"
        self._metrics = self.path / "metrics.jsonl"
        self._result = self.path / "result.json"
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot create {self.path}: {error.strerror}") from error
        if not os.access(self.path, os.W_OK):
            raise UserError(f"cannot write in {self.path}: choose another --run_dir")

    def record_start(self, strategy: tf.distribute.Strategy, seed: int) -> None:
        """Writes `run.json`: versions, commit, devices, strategy, seed, time and argv."""
        write_json(
            self.path / "run.json",
            {
                "tfcolor": tfcolor.__version__,
                "git_commit": _git_commit(),
                "python": sys.version.split()[0],
                "packages": {name: _version(name) for name in PACKAGES},
                "devices": [device.name for device in tf.config.list_logical_devices()],
                "strategy": type(strategy).__name__,
                "num_replicas": strategy.num_replicas_in_sync,
                "seed": seed,
                "start_time": datetime.datetime.now(datetime.UTC).isoformat(),
                "argv": sys.argv,
            },
        )

    def forget_after(self, step: int) -> None:
        """Drops logged steps that the restored checkpoint does not know of.

        They are made again, and each step must stand in the log once. A line
        that a killed process left half written goes as well.

        Args:
          step: number of updates that the checkpoint holds.
        """
        if not self._metrics.exists():
            return
        kept = [line for line in self._metrics.read_text().splitlines() if _step(line) <= step]
        with atomic_path(self._metrics) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept))

    def log_step(self, figures: Mapping[str, float]) -> None:
        """Appends one object to `metrics.jsonl`.

        Args:
          figures: numbers by name, `step` among them. Those that are not finite
            (the gradient's norm where float16 overflows) become null.
        """
        finite = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        with self._metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(finite) + "\n")

    def write_result(self, figures: Mapping[str, Any]) -> None:
        """Writes `result.json`, which marks the run as finished."""
        write_json(self._result, dict(figures))

    def read_result(self) -> dict[str, Any] | None:
        """Returns the content of `result.json`, or None if the run is not finished."""
        return json.loads(self._result.read_text()) if self._result.exists() else None


def _step(line: str) -> float:
    """Returns the step of a logged line, or infinity for a torn line."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _version(package: str) -> str | None:
    """Returns the installed version of a package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """Returns the commit of the source tree, or None outside a checkout."""
    folder = Path(tfcolor.__file__).parent
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
