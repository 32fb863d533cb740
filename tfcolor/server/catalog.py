"""All models that are served, and which version a request means."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc

from tfcolor.core.progress import say
from tfcolor.server.model_settings import ModelSettings
from tfcolor.server.servable import Servable
from tfcolor.server.status import RequestError, invalid
from tfcolor.server.versions import Load, ModelVersions, Version
from tfcolor.server.watcher import describe_missing_versions, find_versions, fingerprint


class ModelCatalog:
    """The models that are served, by name.

    Args:
      load: loads a version; see `ModelVersions`.
      allows_early_labels: whether a new label may stand for a version that is
        not loaded yet.
      on_change: called with the number of available versions by model after
        every look at the disk.
    """

    def __init__(
        self,
        load: Load,
        *,
        allows_early_labels: bool = False,
        on_change: Callable[[Mapping[str, int]], None] = lambda available: None,
    ) -> None:
        self._load, self._allows_early_labels = load, allows_early_labels
        self.on_change = on_change
        self._models: dict[str, ModelVersions] = {}
        self._labels: Mapping[str, Mapping[str, int]] = {}
        self._roots: set[Path] = set()
        self._applying = threading.RLock()

    @property
    def models(self) -> dict[str, ModelVersions]:
        """The models by name, as they are now."""
        return dict(self._models)

    def start(self, settings: Sequence[ModelSettings]) -> None:
        """Loads the first models; later ones must lie beside them.

        Args:
          settings: the models.

        Raises:
          RequestError: if a model has versions and none of them can be loaded,
            or a label stands for one that cannot.
        """
        self._roots = {model.base_path.parent for model in settings}
        self._replace(settings)
        for name, model in self._models.items():
            records = model.statuses()
            failed = [version.error.message for version in records if version.error]
            if failed and not model.available():
                raise RequestError(
                    grpc.StatusCode.UNKNOWN, f"model {name} cannot be served: {failed[0]}"
                )
            if not records:
                say(f"model {name}: {describe_missing_versions(model.settings.base_path)}")
        self._check_labels(settings)
        self._labels = {model.name: model.labels for model in settings}

    def reload(self, settings: Sequence[ModelSettings], *, is_remote: bool = False) -> None:
        """Serves other models from now on, and only these.

        Args:
          settings: the models.
          is_remote: whether a client asks for it; then every model must lie in
            a folder that held one at the start.

        Raises:
          RequestError: if a label stands for a version that is not available,
            or a client asks for a model elsewhere. Nothing has changed then.
        """
        with self._applying:
            if is_remote:
                self._check_places(settings)
            self._check_labels(settings)
            self._replace(settings)
            self._labels = {model.name: model.labels for model in settings}

    def poll(self) -> None:
        """Looks for new and removed versions of every model."""
        with self._applying:
            for model in self._models.values():
                model.reconcile(find_versions(model.settings.base_path))
            self.on_change({name: len(m.available()) for name, m in self._models.items()})

    @contextlib.contextmanager
    def use(self, spec: Any) -> Iterator[Servable]:
        """Keeps the version that a request means loaded while it is answered.

        Args:
          spec: the request's `ModelSpec` message.

        Yields:
          The loaded version.

        Raises:
          RequestError: if there is no such model, version or label.
        """
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        number = self._number(spec)
        model = self._models.get(spec.name)
        if model is None:
            asked = f"Latest({spec.name})"
            if number is not None:
                asked = f"Specific({spec.name}, {number})"
            raise RequestError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {asked}"
            )
        with model.use(number) as servable:
            yield servable

    def statuses(self, spec: Any) -> list[Version]:
        """Returns the records of the versions that a status request means.

        Args:
          spec: the request's `ModelSpec` message.

        Returns:
          One record, or those of all versions if none is named.

        Raises:
          RequestError: if there is no such model or version.
        """
        if not spec.name:
            raise invalid("Missing model name in request.")
        number = self._number(spec)
        model = self._models.get(spec.name)
        records = model.statuses() if model else []
        if number is None and not records:
            message = f"Could not find any versions of model {spec.name}"
            raise RequestError(grpc.StatusCode.NOT_FOUND, message)
        if number is None:
            return records
        for record in records:
            if record.number == number:
                return [record]
        message = f"Could not find version {number} of model {spec.name}"
        raise RequestError(grpc.StatusCode.NOT_FOUND, message)

    def stop(self) -> None:
        """Unloads every model once its requests are answered."""
        for model in self._models.values():
            model.retire_except([])

    def _replace(self, settings: Sequence[ModelSettings]) -> None:
        """Loads models, then unloads those that are no longer named."""
        before = self._models
        models = {}
        for model in settings:
            known = before.get(model.name)
            if known is None or known.settings.base_path != model.base_path:
                known = ModelVersions(model, self._load, fingerprint)
            known.settings = model
            known.reconcile(find_versions(model.base_path))
            models[model.name] = known
        self._models = models
        for name, known in before.items():
            if models.get(name) is not known:
                known.retire_except([])
        self.poll()

    def _number(self, spec: Any) -> int | None:
        """Returns the version number that a ModelSpec names, None for the latest."""
        if spec.HasField("version"):
            number = spec.version.value
            # ovmsclient writes 0 where its caller named no version.
            model = self._models.get(spec.name)
            has_zero = model is not None and any(v.number == 0 for v in model.statuses())
            return None if number == 0 and not has_zero else number
        if spec.version_label:
            labels = self._labels.get(spec.name, {})
            if spec.version_label not in labels:
                raise invalid(f"Unrecognized servable version label: {spec.version_label}")
            return labels[spec.version_label]
        return None

    def _check_labels(self, settings: Sequence[ModelSettings]) -> None:
        """Refuses labels of versions that cannot answer, as TensorFlow Serving does."""
        for model in settings:
            known = self._models.get(model.name)
            available = known.available() if known else []
            used = self._labels.get(model.name, {})
            for label, number in model.labels.items():
                is_early = self._allows_early_labels and used.get(label, number) == number
                if number not in available and not is_early:
                    raise RequestError(
                        grpc.StatusCode.FAILED_PRECONDITION,
                        f"Request to assign label to version {number} of model {model.name},"
                        " which is not currently available for inference",
                    )

    def _check_places(self, settings: Sequence[ModelSettings]) -> None:
        """Refuses models outside the folders that the server was started with."""
        for model in settings:
            if model.base_path.parent not in self._roots:
                places = ", ".join(sorted(map(str, self._roots)))
                raise RequestError(
                    grpc.StatusCode.PERMISSION_DENIED,
                    f"model {model.name}: {model.base_path} is not directly in {places}",
                )
