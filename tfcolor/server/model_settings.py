"""Which models and which of their versions are served: ModelServerConfig."""

import dataclasses
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tensorflow_serving.config import model_server_config_pb2

from tfcolor.core.errors import UserError
from tfcolor.server.text_protos import read_text_proto

MODEL_NAME = re.compile(r"[a-zA-Z0-9_]+")
PLATFORM = "tensorflow"


@dataclasses.dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions in a folder are to be served.

    Args:
      kind: "latest", "all" or "specific".
      num_versions: how many, for "latest".
      versions: which, for "specific".
    """

    kind: str = "latest"
    num_versions: int = 1
    versions: tuple[int, ...] = ()

    @property
    def limit(self) -> int | None:
        """The number of versions served at a time, None for any."""
        return self.num_versions if self.kind == "latest" else None

    def candidates(self, found: Collection[int]) -> list[int]:
        """Returns the versions to serve, the first `limit` that can be loaded.

        Args:
          found: the versions in the folder.

        Returns:
          Versions, those to be tried first in front.

        Example:
          >>> VersionPolicy("latest", num_versions=2).candidates([1, 3, 2])
          [3, 2, 1]
        """
        if self.kind == "specific":
            return sorted(set(self.versions).intersection(found), reverse=True)
        return sorted(found, reverse=True)


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """One model that is served.

    Args:
      name: what requests call it.
      base_path: the folder with one folder for each version.
      policy: which versions are served.
      labels: version by label ("stable").
    """

    name: str
    base_path: Path
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses names that mean something in a path."""
        if not MODEL_NAME.fullmatch(self.name):
            raise UserError(f"model name {self.name!r}: expected letters, digits and _ only")


def parse_base_path(path: str) -> Path:
    """Returns the folder that a setting names, from the root on."""
    return Path(path).expanduser().resolve()


def read_model_config(path: str) -> tuple[ModelSettings, ...]:
    """Reads a file with a ModelServerConfig in text format.

    Args:
      path: the file.

    Returns:
      The models in their order.

    Raises:
      UserError: if it cannot be read, or asks for what the server does not have.
    """
    config = read_text_proto(path, model_server_config_pb2.ModelServerConfig())
    try:
        return parse_model_config(config)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def parse_model_config(config: Any) -> tuple[ModelSettings, ...]:
    """Returns the models of a ModelServerConfig message.

    Args:
      config: a `model_server_config_pb2.ModelServerConfig`.

    Returns:
      The models in their order.

    Raises:
      UserError: if it is no list of models, or a name is illegal or twice there.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise UserError("expected a model_config_list")
    models = tuple(_parse_model(model) for model in config.model_config_list.config)
    names = [model.name for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"model {twice[0]!r} occurs twice")
    return models


def _parse_model(model: Any) -> ModelSettings:
    """Returns the settings of one ModelConfig message."""
    if not model.base_path:
        raise UserError(f"model {model.name!r} has no base_path")
    if model.model_platform not in ("", PLATFORM):
        raise UserError(
            f"model {model.name!r}: model_platform {model.model_platform!r}; expected {PLATFORM!r}"
        )
    base_path = parse_base_path(model.base_path)
    policy = _parse_policy(model.model_version_policy)
    return ModelSettings(model.name, base_path, policy, dict(model.version_labels))


def _parse_policy(policy: Any) -> VersionPolicy:
    """Returns the policy of one ServableVersionPolicy message."""
    kind = policy.WhichOneof("policy_choice") or "latest"
    if kind == "latest":
        return VersionPolicy("latest", num_versions=max(policy.latest.num_versions, 1))
    return VersionPolicy(kind, versions=tuple(policy.specific.versions))
