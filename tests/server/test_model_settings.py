import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tfcolor.core.errors import UserError
from tfcolor.server.model_settings import (
    ModelSettings,
    VersionPolicy,
    parse_base_path,
    parse_model_config,
    read_model_config,
)

CONFIG = """
model_config_list {
  config {
    name: 'colorizer'
    base_path: '%s/colorizer'
    model_platform: 'tensorflow'
    model_version_policy { specific { versions: 42 versions: 43 } }
    version_labels { key: 'stable' value: 42 }
    version_labels { key: 'canary' value: 43 }
  }
  config { name: 'second' base_path: '%s/second' }
  config { name: 'third' base_path: '/t' model_version_policy { latest { num_versions: 3 } } }
  config { name: 'fourth' base_path: '/f' model_version_policy { all {} } }
}
"""


def test_a_config_file_gives_every_model(tmp_path):
    path = tmp_path / "models.config"
    path.write_text(CONFIG % (tmp_path, tmp_path))
    first, second, third, fourth = read_model_config(str(path))
    assert first == ModelSettings(
        "colorizer",
        tmp_path / "colorizer",
        VersionPolicy("specific", versions=(42, 43)),
        {"stable": 42, "canary": 43},
    )
    assert second.policy == VersionPolicy("latest", num_versions=1)
    assert third.policy == VersionPolicy("latest", num_versions=3)
    assert fourth.policy.kind == "all"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "model_config_list"),
        ("model_config_list { config { name: 'a' } }", "base_path"),
        ("model_config_list { config { name: '../a' base_path: '/a' } }", r"\.\./a"),
        ("model_config_list { config { base_path: '/a' } }", "name ''"),
        (
            "model_config_list { config { name: 'a' base_path: '/a' model_platform: 'caffe' } }",
            "caffe",
        ),
        (
            "model_config_list { config { name: 'a' base_path: '/a' }"
            " config { name: 'a' base_path: '/b' } }",
            "twice",
        ),
    ],
)
def test_what_cannot_be_served_is_named(text, word):
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    with pytest.raises(UserError, match=word):
        parse_model_config(config)


def test_an_error_names_the_file(tmp_path):
    (tmp_path / "models.config").write_text("model_config_list { config { name: 'a' } }")
    with pytest.raises(UserError, match=r"models\.config: .*base_path"):
        read_model_config(str(tmp_path / "models.config"))


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "a-b", "ü", "a\n", ""])
def test_names_cannot_leave_the_folder(name, tmp_path):
    with pytest.raises(UserError, match="model name"):
        ModelSettings(name, tmp_path)


@pytest.mark.parametrize(
    ("policy", "candidates", "limit"),
    [
        (VersionPolicy(), [5, 3, 1], 1),
        (VersionPolicy("latest", num_versions=2), [5, 3, 1], 2),
        (VersionPolicy("all"), [5, 3, 1], None),
        (VersionPolicy("specific", versions=(3, 4)), [3], None),
    ],
)
def test_policies_choose_among_the_versions_found(policy, candidates, limit):
    assert policy.candidates({1, 5, 3}) == candidates
    assert policy.limit == limit


def test_paths_start_at_the_root(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert parse_base_path("models/a") == tmp_path / "models/a"
