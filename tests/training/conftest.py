"""A task and a network so small that hundreds of steps take a second."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.data.pipeline import BatchPlan
from tfcolor.tasks.base import Tensors, count_examples
from tfcolor.training.distribution import build_strategy
from tfcolor.training.options import DistributionOptions

SLOPES = np.array([[1.0], [-2.0], [0.5]])


class LineTask:
    """Linear regression with two loss terms; example i is a function of (seed, i)."""

    name = "line"
    input_channels = 1
    splits = ("train", "heldout")
    score = "nearness"
    count_samples = staticmethod(count_examples)

    def make_dataset(self, split: str, plan: BatchPlan) -> tf.data.Dataset:
        def batches() -> Iterator[tuple[dict, dict]]:
            for batch in itertools.islice(itertools.count(plan.first_batch), plan.num_batches):
                for begin, end in plan.shards:
                    yield line_examples(
                        split, plan.seed, batch * plan.batch_size + np.arange(begin, end)
                    )

        signature = (
            {"x": tf.TensorSpec([None, 3], tf.float32)},
            {"y": tf.TensorSpec([None, 1], tf.float32)},
        )
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
        return dataset.with_options(options)

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        error = targets["y"] - outputs["y"]
        return {
            "squared": tf.reduce_mean(error**2, axis=-1),
            "bend": 0.1 * tf.reduce_mean(tf.math.softplus(error), axis=-1),
        }

    def build_metrics(
        self, fitted: dict[str, tf.keras.metrics.Metric] | None = None
    ) -> dict[str, tf.keras.metrics.Metric]:
        start = 0.0 if fitted is None else float(fitted["constant_loss"].result())
        return {
            "largest": _LargestError(),
            "constant_loss": _LargestError(start),
            "nearness": _Nearness(),
        }


class _LargestError(tf.keras.metrics.Metric):
    """The largest absolute error seen, or `start` if that is larger."""

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        initializer = tf.keras.initializers.Constant(start)
        self._largest = self.add_weight("largest", initializer=initializer)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        error = tf.reduce_max(tf.abs(targets["y"] - outputs["y"]))
        self._largest.assign(tf.maximum(self._largest, error))

    def result(self) -> tf.Tensor:
        return tf.identity(self._largest)


class _Nearness(tf.keras.metrics.Mean):
    """The mean of exp(-|error|)."""

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        super().update_state(tf.exp(-tf.abs(targets["y"] - outputs["y"])))


class LineNetwork(tf.keras.Model):
    """One dense layer; adds 1 to its output unless it trains."""

    def __init__(self) -> None:
        super().__init__(name="network")
        initializer = tf.keras.initializers.RandomNormal(seed=3)
        self.dense = tf.keras.layers.Dense(1, kernel_initializer=initializer)
        self.dense.build([None, 3])

    def call(self, inputs: Tensors, training: bool = False) -> Tensors:
        return {"y": self.dense(inputs["x"]) + (0.0 if training else 1.0)}


def line_examples(split: str, seed: int, indices: np.ndarray) -> tuple[dict, dict]:
    """Returns the examples of these numbers, as NumPy arrays."""
    rows = [
        np.random.default_rng([len(split), seed, int(index)]).normal(size=4) for index in indices
    ]
    table = np.array(rows, np.float32)
    return {"x": table[:, :3]}, {"y": np.float32(table[:, :3] @ SLOPES + 0.1 * table[:, 3:])}


@pytest.fixture(scope="session")
def line_task() -> LineTask:
    return LineTask()


@pytest.fixture(scope="session")
def build_line_network() -> type[LineNetwork]:
    return LineNetwork


@pytest.fixture
def make_line_examples():
    return line_examples


@pytest.fixture(scope="session")
def two_devices() -> tf.distribute.Strategy:
    """Two replicas on the two logical devices of the tests."""
    return build_strategy(DistributionOptions(strategy="mirrored"))


class StopAfter:
    """A request that arrives during the given step."""

    exit_status = 143

    def __init__(self, step: int) -> None:
        self._left = step

    @property
    def signal_number(self) -> int | None:
        self._left -= 1
        return 15 if self._left <= 0 else None


@pytest.fixture(scope="session")
def stop_after() -> type[StopAfter]:
    return StopAfter
