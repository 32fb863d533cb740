"""The versions of one model: loading, serving, draining and what became of them."""

import contextlib
import dataclasses
import enum
import gc
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import grpc

from tfcolor.core.progress import say
from tfcolor.server.model_settings import ModelSettings
from tfcolor.server.servable import Servable
from tfcolor.server.status import RequestError

Load = Callable[[str, int, Path], Servable]
MAX_ENDED = 16
_LOGGER = logging.getLogger(__name__)


class VersionState(enum.IntEnum):
    """Where a version stands; the numbers are those of ModelVersionStatus."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass
class Version:
    """One version of a model.

    Args:
      number: its number.
      path: its folder.
      state: where it stands.
      error: why it could not be loaded.
      servable: what answers requests, from AVAILABLE to UNLOADING.
      num_users: requests that it is answering.
      fingerprint: what its folder held when it was loaded.
    """

    number: int
    path: Path
    state: VersionState = VersionState.START
    error: RequestError | None = None
    servable: Servable | None = None
    num_users: int = 0
    fingerprint: object = None


class ModelVersions:
    """All versions of one model, for any number of threads.

    Availability comes first: a version is retired only when another one that is
    wanted can answer, or when none is wanted.

    Args:
      settings: the model.
      load: loads a version and answers its warm-up requests; raises RequestError.
      take_fingerprint: what a version's folder holds, to load a failed version
        again only when it has changed.
      collect: frees the memory of unloaded versions, whose graphs are cyclic.
    """

    def __init__(
        self,
        settings: ModelSettings,
        load: Load,
        take_fingerprint: Callable[[Path], object],
        collect: Callable[[], object] = gc.collect,
    ) -> None:
        self.settings = settings
        self._load, self._take_fingerprint = load, take_fingerprint
        self._collect = collect
        self._versions: dict[int, Version] = {}
        self._lock = threading.Lock()
        self._reconciling = threading.Lock()
        self._has_garbage = False

    def reconcile(self, found: Mapping[int, Path]) -> None:
        """Loads what is wanted and retires what is not.

        Args:
          found: the folder of each version on disk.
        """
        with self._reconciling:
            if self._has_garbage:
                self._has_garbage = False
                self._collect()
            policy = self.settings.policy
            candidates = policy.candidates(found)
            wanted: list[int] = []
            for number in candidates:
                if policy.limit is not None and len(wanted) >= policy.limit:
                    break
                if self._is_available(number, found[number]):
                    wanted.append(number)
            if wanted or not candidates:
                self.retire_except(wanted)

    def retire_except(self, wanted: list[int]) -> None:
        """Takes every other version out of service; each ends with its last request."""
        with self._lock:
            for version in list(self._versions.values()):
                if version.number not in wanted and version.state == VersionState.AVAILABLE:
                    version.state = VersionState.UNLOADING
                    say(f"{self._name(version)} is unloaded, {version.num_users} requests to go")
                    self._end_if_idle(version)

    @contextlib.contextmanager
    def use(self, number: int | None = None) -> Iterator[Servable]:
        """Keeps a version loaded while a request is answered.

        Args:
          number: the version, None for the largest available.

        Yields:
          The loaded version.

        Raises:
          RequestError: if it is not available.
        """
        version, servable = self._enter(number)
        try:
            yield servable
        finally:
            with self._lock:
                version.num_users -= 1
                self._end_if_idle(version)

    def available(self) -> list[int]:
        """Returns the versions that answer requests, in order."""
        with self._lock:
            return sorted(
                version.number
                for version in self._versions.values()
                if version.state == VersionState.AVAILABLE
            )

    def statuses(self) -> list[Version]:
        """Returns a copy of every version's record, the largest first."""
        with self._lock:
            ordered = sorted(self._versions.values(), key=lambda version: -version.number)
            return [dataclasses.replace(version, servable=None) for version in ordered]

    def _enter(self, number: int | None) -> tuple[Version, Servable]:
        """Counts a request on an available version."""
        with self._lock:
            version = self._find(number)
            if version is None or version.servable is None:
                name = self.settings.name
                asked = f"Latest({name})" if number is None else f"Specific({name}, {number})"
                raise RequestError(
                    grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {asked}"
                )
            version.num_users += 1
            return version, version.servable

    def _find(self, number: int | None) -> Version | None:
        """Returns the available version that a request asks for."""
        available = {
            version.number: version
            for version in self._versions.values()
            if version.state == VersionState.AVAILABLE
        }
        if number is None and available:
            return available[max(available)]
        return available.get(-1 if number is None else number)

    def _is_available(self, number: int, path: Path) -> bool:
        """Loads a version unless it is there, or failed before and is unchanged."""
        known = self._versions.get(number)
        if known is not None and known.state == VersionState.AVAILABLE:
            return True
        if known is not None and known.state != VersionState.END:
            return False  # still draining; the next poll loads it again
        fingerprint = self._take_fingerprint(path)
        if known is not None and known.error and known.fingerprint == fingerprint:
            return False
        version = Version(number, path, fingerprint=fingerprint)
        with self._lock:
            self._versions[number] = version
        return self._try_to_load(version, known.error if known else None)

    def _try_to_load(self, version: Version, last_error: RequestError | None) -> bool:
        """Loads and warms up a version; a failure is logged once, and kept."""
        self._set_state(version, VersionState.LOADING)
        try:
            servable = self._load(self.settings.name, version.number, version.path)
        except RequestError as error:
            with self._lock:
                version.state, version.error = VersionState.END, error
                self._forget_oldest()
            if last_error is None or last_error.message != error.message:
                _LOGGER.error("%s is not served: %s", self._name(version), error.message)
            return False
        with self._lock:
            version.servable, version.state = servable, VersionState.AVAILABLE
        say(f"{self._name(version)} is available")
        return True

    def _set_state(self, version: Version, state: VersionState) -> None:
        with self._lock:
            version.state = state

    def _end_if_idle(self, version: Version) -> None:
        """Unloads a retired version after its last request; the lock is held."""
        if version.state == VersionState.UNLOADING and version.num_users == 0:
            version.servable, version.state = None, VersionState.END
            self._has_garbage = True
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Keeps the records of ended versions from growing; the lock is held."""
        ended = [v.number for v in self._versions.values() if v.state == VersionState.END]
        for number in sorted(ended)[:-MAX_ENDED]:
            del self._versions[number]

    def _name(self, version: Version) -> str:
        """Returns how log lines call a version."""
        return f"model {self.settings.name} version {version.number}"
