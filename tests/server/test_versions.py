import contextlib
from pathlib import Path

import grpc
import pytest

from tfcolor.server.model_settings import ModelSettings, VersionPolicy
from tfcolor.server.servable import Servable
from tfcolor.server.status import RequestError
from tfcolor.server.versions import MAX_ENDED, ModelVersions, VersionState

AVAILABLE, LOADING, UNLOADING, END = (
    VersionState.AVAILABLE,
    VersionState.LOADING,
    VersionState.UNLOADING,
    VersionState.END,
)


class FakeLoader:
    """Loads nothing; fails where told to, and notes the states during a load."""

    def __init__(self):
        self.broken, self.content, self.loads, self.during = set(), {}, [], None
        self.model = None

    def load(self, name, number, path):
        self.loads.append(number)
        self.during = states(self.model)
        if number in self.broken:
            raise RequestError(grpc.StatusCode.DATA_LOSS, f"version {number} is broken")
        return Servable(name, number, {}, None)

    def fingerprint(self, path):
        return self.content.get(int(path.name), 0)

    def build(self, policy=None):
        settings = ModelSettings("m", Path("/models/m"), policy or VersionPolicy())
        self.model = ModelVersions(settings, self.load, self.fingerprint, lambda: None)
        return self.model


def found(*numbers):
    return {number: Path(f"/models/m/{number}") for number in numbers}


def states(model):
    return {version.number: version.state for version in model.statuses()}


@pytest.fixture
def loader():
    return FakeLoader()


def test_the_largest_version_is_served(loader):
    model = loader.build()
    model.reconcile(found(1, 3, 2))
    assert states(model) == {3: AVAILABLE}
    with model.use() as servable:
        assert servable.version == 3


def test_a_new_version_is_loaded_before_the_old_one_goes(loader):
    model = loader.build()
    model.reconcile(found(1))
    model.reconcile(found(1, 2))
    assert loader.during == {1: AVAILABLE, 2: LOADING}
    assert states(model) == {1: END, 2: AVAILABLE}


def test_an_old_version_drains_before_it_ends(loader):
    model = loader.build()
    model.reconcile(found(1))
    with model.use() as servable:
        model.reconcile(found(1, 2))
        assert servable.version == 1
        assert states(model) == {1: UNLOADING, 2: AVAILABLE}
        with pytest.raises(RequestError, match=r"Specific\(m, 1\)"), model.use(1):
            pass
        with model.use() as newer:
            assert newer.version == 2
    assert states(model) == {1: END, 2: AVAILABLE}


def test_a_broken_version_is_told_and_the_old_one_serves_on(loader, caplog):
    model = loader.build()
    model.reconcile(found(1))
    loader.broken = {2}
    for _ in range(3):
        model.reconcile(found(1, 2))
    assert states(model) == {1: AVAILABLE, 2: END}
    assert model.statuses()[0].error.code == grpc.StatusCode.DATA_LOSS
    assert loader.loads == [1, 2]
    assert [line for line in caplog.messages if "broken" in line] == [
        "model m version 2 is not served: version 2 is broken"
    ]


def test_a_mended_version_is_loaded(loader):
    model = loader.build()
    loader.broken = {2}
    model.reconcile(found(1, 2))
    assert states(model) == {1: AVAILABLE, 2: END}
    loader.broken, loader.content[2] = set(), 1
    model.reconcile(found(1, 2))
    assert states(model) == {1: END, 2: AVAILABLE}
    assert model.statuses()[0].error is None


def test_a_broken_version_serves_on_though_its_neighbour_left_the_disk(loader):
    model = loader.build()
    model.reconcile(found(1))
    loader.broken = {2}
    model.reconcile(found(2))
    assert model.available() == [1]


def test_a_removed_version_falls_back_to_the_one_before(loader):
    model = loader.build()
    model.reconcile(found(1, 2))
    model.reconcile(found(1))
    assert loader.during == {1: LOADING, 2: AVAILABLE}
    assert states(model) == {1: AVAILABLE, 2: END}


def test_removing_everything_ends_everything(loader):
    model = loader.build()
    model.reconcile(found(1))
    model.reconcile({})
    assert states(model) == {1: END}
    with pytest.raises(RequestError, match=r"Servable not found for request: Latest\(m\)"):
        contextlib.ExitStack().enter_context(model.use())


def test_a_version_that_comes_back_while_it_drains_is_loaded_later(loader):
    model = loader.build(VersionPolicy("all"))
    model.reconcile(found(1, 2))
    with model.use(1):
        model.reconcile(found(2))
        model.reconcile(found(1, 2))
        assert states(model) == {1: UNLOADING, 2: AVAILABLE}
    model.reconcile(found(1, 2))
    assert states(model) == {1: AVAILABLE, 2: AVAILABLE}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (VersionPolicy("all"), [1, 2, 3]),
        (VersionPolicy("latest", num_versions=2), [2, 3]),
        (VersionPolicy("specific", versions=(1, 3, 9)), [1, 3]),
    ],
)
def test_policies_are_followed(loader, policy, expected):
    model = loader.build(policy)
    model.reconcile(found(1, 2, 3))
    assert model.available() == expected


def test_records_of_ended_versions_do_not_pile_up(loader):
    model = loader.build()
    for number in range(1, MAX_ENDED + 10):
        model.reconcile(found(number))
    assert len(model.statuses()) == MAX_ENDED + 1
