import numpy as np
import pytest
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.util.tensor_util import make_ndarray

from tfcolor.training.events import Events


@pytest.fixture
def events(tmp_path):
    return Events(tmp_path / "events", is_active=True)


def _read(folder):
    """Returns {(tag, step): value} of all records of a folder."""
    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = Event.FromString(record)
            for value in event.summary.value:
                found[value.tag, event.step] = value
    return found


def test_scalars_land_in_the_folder_of_their_curve(events, tmp_path):
    events.write("train", {"loss": 0.5, "learning_rate": 1e-3}, step=7)
    events.write("eval", {"loss": 0.25}, step=7)
    events.flush()
    train = _read(tmp_path / "events/train")
    assert make_ndarray(train["loss", 7].tensor) == 0.5
    assert ("learning_rate", 7) in train
    assert make_ndarray(_read(tmp_path / "events/eval")["loss", 7].tensor) == 0.25


def test_arrays_become_pictures(events, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    events.write("eval", {"colorized": picture}, step=3)
    events.flush()
    value = _read(tmp_path / "events/eval")["colorized", 3]
    width, height, encoded = make_ndarray(value.tensor)
    assert (width, height) == (b"7", b"5")
    np.testing.assert_array_equal(tf.io.decode_png(encoded), picture)


def test_every_variable_has_a_histogram_of_its_own(events, tmp_path, build_tiny_network):
    network = build_tiny_network(seed=0)
    events.write_weights({"": network}, step=2)
    events.flush()
    tags = {tag for tag, step in _read(tmp_path / "events/train") if step == 2}
    assert len(tags) == len(network.trainable_variables)
    assert {"conv1_1/kernel", "conv1_1/bias", "hidden/kernel", "hue/bias"} <= tags


def test_histogram_of_a_large_variable_is_that_of_a_sample(events, tmp_path):
    network = tf.keras.Sequential([tf.keras.layers.Dense(1000, name="wide")])
    network.build([None, 301])
    network.layers[0].kernel.assign(tf.reshape(tf.linspace(0.0, 1.0, 301_000), [301, 1000]))
    events.write_weights({"": network}, step=2)
    events.flush()
    records = _read(tmp_path / "events/train")
    (kernel,) = [record for (tag, _), record in records.items() if tag.endswith("kernel")]
    buckets = make_ndarray(kernel.tensor)
    assert 50_000 < buckets[:, 2].sum() <= 100_000
    np.testing.assert_allclose(buckets[:, 2], buckets[:, 2].mean(), rtol=0.01)


def test_flags_become_hyperparameters(events, tmp_path):
    events.write_flags({"seed": "3", "backbone": "vgg16"})
    events.flush()
    (value,) = [
        value for (tag, _), value in _read(tmp_path / "events/train").items() if "session" in tag
    ]
    assert b"backbone" in value.metadata.plugin_data.content
    assert b"vgg16" in value.metadata.plugin_data.content


def test_other_workers_write_nothing(tmp_path, build_tiny_network):
    events = Events(tmp_path / "events", is_active=False)
    events.write("train", {"loss": 1.0}, step=0)
    events.write_weights({"": build_tiny_network(seed=0)}, step=0)
    events.write_flags({"seed": "1"})
    events.flush()
    assert not (tmp_path / "events").exists()
