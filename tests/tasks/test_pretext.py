import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.tasks.pretext import LabelAccuracy, PretextOptions, PretextTask, label_losses


class Corner(PretextTask):
    """A task that shows two patches of a photograph's corner."""

    name, Options = "corner", PretextOptions

    def make_example(self, rgb, seed):
        patch = self.as_input(tf.image.convert_image_dtype(rgb[:4, :5], tf.float32))
        return {"image": tf.stack([patch, patch])}, {"label": tf.cast(seed[1], tf.int32)}


def test_examples_have_patches_and_seeds(photos):
    reader = ExampleReader(open_images(str(photos)), cache_bytes=10**7)
    task = Corner(PretextOptions(input="gray"), {"train": reader})
    inputs, targets = next(iter(task.make_dataset("train", BatchPlan(3, seed=6, first_batch=2))))
    assert inputs["image"].shape == (3, 2, 4, 5, 1) and task.splits == ("train",)
    np.testing.assert_array_equal(targets["label"], [6, 7, 8])
    np.testing.assert_array_equal(inputs["seed"], [[6, 6], [6, 7], [6, 8]])


def test_the_readout_decides_on_the_mode():
    modes = {name: Corner(PretextOptions(readout=name), {}) for name in ("top", "average")}
    assert {name: one.convolutional for name, one in modes.items()} == {
        "top": False,
        "average": True,
    }


def test_patches_of_any_size_are_averaged_only():
    top, average = (PretextOptions(readout=name) for name in ("top", "average"))
    assert [average.patch_side(asked, 227, "corner_size") for asked in (0, 64)] == [227, 64]
    assert [top.patch_side(asked, 227, "corner_size") for asked in (0, 227)] == [227, 227]
    with pytest.raises(UsageError, match="--corner_size=64: the backbone takes 227"):
        top.patch_side(64, 227, "corner_size")


def test_losses_are_averaged_over_patches():
    random = np.random.default_rng(3)
    logits, labels = random.normal(size=[3, 4, 5]), random.integers(0, 5, [3, 4])
    log_probs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    expected = -np.take_along_axis(log_probs, labels[..., np.newaxis], -1)[..., 0]
    arguments = tf.constant(labels, tf.int32), tf.constant(logits, tf.float32)
    losses = label_losses(*arguments)["cross_entropy"]
    np.testing.assert_allclose(losses, expected.mean(axis=1), rtol=1e-5)
    single = label_losses(arguments[0][:, 0], arguments[1][:, 0])["cross_entropy"]
    np.testing.assert_allclose(single, expected[:, 0], rtol=1e-5)


def test_every_patch_counts_for_the_accuracy():
    metric = LabelAccuracy()
    answers = tf.one_hot([[0, 1, 2], [2, 2, 0]], 3)
    metric.update_state({"label": tf.constant([[0, 1, 1], [2, 0, 1]])}, {"logits": answers})
    assert float(metric.result()) == pytest.approx(3 / 6)
