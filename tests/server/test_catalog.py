import grpc
import pytest
from tensorflow_serving.apis import model_pb2

from tfcolor.server.catalog import ModelCatalog
from tfcolor.server.model_settings import ModelSettings, VersionPolicy
from tfcolor.server.servable import Servable
from tfcolor.server.status import RequestError


def load(name, number, path):
    if (path / "broken").exists():
        raise RequestError(grpc.StatusCode.DATA_LOSS, "broken")
    return Servable(name, number, {}, None)


@pytest.fixture
def folder(tmp_path):
    for name in ("a/1", "a/2", "b/5", "elsewhere/c/1"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def settings(folder, name="a", labels=None, policy=None):
    policy = policy or VersionPolicy("all")
    return ModelSettings(name.rpartition("/")[2], folder / name, policy, labels or {})


def spec(name, version=None, label=""):
    message = model_pb2.ModelSpec(name=name)
    if version is not None:
        message.version.value = version
    if label:
        message.version_label = label
    return message


def answered_by(catalog, *arguments):
    with catalog.use(spec(*arguments)) as servable:
        return servable.name, servable.version


@pytest.fixture
def catalog(folder):
    catalog = ModelCatalog(load)
    catalog.start([settings(folder, labels={"stable": 1})])
    return catalog


def test_requests_name_the_latest_a_number_or_a_label(catalog):
    assert answered_by(catalog, "a") == ("a", 2)
    assert answered_by(catalog, "a", 1) == ("a", 1)
    assert answered_by(catalog, "a", None, "stable") == ("a", 1)


def test_version_zero_is_the_latest_unless_there_is_one(catalog, folder):
    assert answered_by(catalog, "a", 0) == ("a", 2)
    (folder / "a/0").mkdir()
    catalog.poll()
    assert answered_by(catalog, "a", 0) == ("a", 0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("b",), "NOT_FOUND", "Servable not found for request: Latest(b)"),
        (("b", 3), "NOT_FOUND", "Servable not found for request: Specific(b, 3)"),
        (("a", 9), "NOT_FOUND", "Servable not found for request: Specific(a, 9)"),
        (("a", None, "x"), "INVALID_ARGUMENT", "Unrecognized servable version label: x"),
        (("",), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (("../a",), "NOT_FOUND", "Latest(../a)"),
    ],
)
def test_what_is_not_served_is_said_as_officially(catalog, arguments, code, words):
    with pytest.raises(RequestError) as error:
        answered_by(catalog, *arguments)
    assert error.value.code.name == code
    assert words in error.value.message


def test_status_is_of_all_versions_or_of_one(catalog):
    assert [version.number for version in catalog.statuses(spec("a"))] == [2, 1]
    assert [version.number for version in catalog.statuses(spec("a", 1))] == [1]
    with pytest.raises(RequestError, match="Could not find version 9 of model a"):
        catalog.statuses(spec("a", 9))
    with pytest.raises(RequestError, match="Could not find any versions of model b"):
        catalog.statuses(spec("b"))


def test_reloading_serves_the_new_models_and_only_these(catalog, folder):
    with catalog.use(spec("a")) as servable:
        catalog.reload([settings(folder, "b")])
        assert servable.version == 2
        assert answered_by(catalog, "b") == ("b", 5)
        with pytest.raises(RequestError, match=r"Latest\(a\)"):
            answered_by(catalog, "a")


def test_reloading_changes_policy_and_labels_without_loading_again(catalog, folder):
    kept = catalog.models["a"]
    labels = {"stable": 2}
    catalog.reload([settings(folder, labels=labels, policy=VersionPolicy("specific", 1, (2,)))])
    assert catalog.models["a"] is kept
    assert kept.available() == [2]
    assert answered_by(catalog, "a", None, "stable") == ("a", 2)


def test_a_label_must_stand_for_an_available_version(catalog, folder):
    with pytest.raises(RequestError, match="assign label to version 7 of model a") as error:
        catalog.reload([settings(folder, labels={"stable": 7}), settings(folder, "b")])
    assert error.value.code == grpc.StatusCode.FAILED_PRECONDITION
    assert set(catalog.models) == {"a"}
    assert answered_by(catalog, "a", None, "stable") == ("a", 1)


def test_new_labels_may_come_early_but_used_ones_may_not_move_early(folder):
    catalog = ModelCatalog(load, allows_early_labels=True)
    catalog.start([settings(folder, labels={"stable": 1, "next": 3})])
    with pytest.raises(RequestError, match=r"Specific\(a, 3\)"):
        answered_by(catalog, "a", None, "next")
    with pytest.raises(RequestError, match="version 4"):
        catalog.reload([settings(folder, labels={"stable": 4})])


def test_clients_cannot_have_models_of_other_folders_loaded(catalog, folder):
    with pytest.raises(RequestError, match="elsewhere/c is not directly in") as error:
        catalog.reload([settings(folder, "elsewhere/c")], is_remote=True)
    assert error.value.code == grpc.StatusCode.PERMISSION_DENIED
    catalog.reload([settings(folder, "b")], is_remote=True)
    assert set(catalog.models) == {"b"}


def test_new_versions_are_found_and_told(catalog, folder):
    told = []
    catalog.on_change = told.append
    catalog.poll()
    (folder / "a/3").mkdir()
    catalog.poll()
    assert told == [{"a": 2}, {"a": 3}]
    assert answered_by(catalog, "a") == ("a", 3)


def test_a_model_without_a_whole_version_does_not_start(folder):
    (folder / "b/5/broken").touch()
    with pytest.raises(RequestError, match="model b cannot be served: broken"):
        ModelCatalog(load).start([settings(folder, "b")])


def test_a_model_may_wait_for_its_first_version(folder):
    (folder / "empty").mkdir()
    catalog = ModelCatalog(load)
    catalog.start([settings(folder, "empty")])
    (folder / "empty/1").mkdir()
    catalog.poll()
    assert answered_by(catalog, "empty") == ("empty", 1)


def test_stopping_unloads_everything(catalog):
    catalog.stop()
    assert catalog.models["a"].available() == []
