import functools

import numpy as np
import pytest

from tfcolor.core.seeds import derive_seed
from tfcolor.training.heldout import SplitMeasurement, build_forward, build_measurements
from tfcolor.training.members import Member


@pytest.fixture
def measure(line_task, build_line_network):
    network = build_line_network()
    network.dense.bias.assign([0.3])

    def build(split="heldout", num_examples=6, seed=5):
        member = Member(line_task, network, batch_size=4, seed=seed)
        return network, SplitMeasurement(member, split, num_examples, build_forward(member))

    return build


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_figures_agree_with_numpy(measure, make_line_examples, split):
    network, measurement = measure(split)
    figures, metrics = measurement.measure()
    # Six views are rounded up to two batches of four.
    seed = derive_seed(5, f"measure/{split}")
    inputs, targets = make_line_examples(split, seed, np.arange(8))
    kernel, bias = (value.numpy() for value in network.trainable_variables)
    error = targets["y"] - (inputs["x"] @ kernel + bias + 1)  # 1 is added outside of training
    expected = {"squared": np.mean(error**2), "bend": 0.1 * np.mean(np.logaddexp(0, error))}
    assert figures["loss"] == pytest.approx(sum(expected.values()), rel=1e-5)
    for name, value in expected.items():
        assert figures[f"loss_{name}"] == pytest.approx(value, rel=1e-5)
    assert figures["largest"] == pytest.approx(np.abs(error).max(), rel=1e-5)
    assert {name: float(metric.result()) for name, metric in metrics.items()} == {
        name: figures[name] for name in ("largest", "constant_loss", "nearness")
    }


def test_the_same_examples_are_measured_every_time(measure):
    _, measurement = measure()
    assert measurement.measure()[0] == measurement.measure()[0]


def test_metrics_may_be_fitted_to_another_split(measure):
    fitted = measure("train")[1].measure()[1]
    fitted["constant_loss"].update_state({"y": 99.0}, {"y": 0.0})
    figures, _ = measure("heldout")[1].measure(fitted)
    assert figures["constant_loss"] == 99.0
    assert figures["largest"] < 99.0


def test_current_weights_are_measured(measure):
    network, measurement = measure()
    before = measurement.measure()[0]["loss"]
    network.dense.bias.assign([30.0])
    assert measurement.measure()[0]["loss"] > before + 100


def test_split_and_seed_choose_the_examples(measure):
    losses = [
        measure(split, seed=seed)[1].measure()[0]["loss"]
        for split, seed in (("train", 5), ("heldout", 5), ("heldout", 6))
    ]
    assert len(set(losses)) == 3


def test_all_splits_are_measured_by_one_graph(line_task, build_line_network):
    member = Member(line_task, build_line_network(), batch_size=4, seed=5)
    train, heldout = build_measurements(member, 6)
    assert (train.split, heldout.split) == ("train", "heldout")
    assert train._forward is heldout._forward
    assert train.measure()[0]["loss"] != heldout.measure()[0]["loss"]
    assert train._forward.experimental_get_tracing_count() == 1


def test_the_first_batch_can_be_looked_at(measure, make_line_examples):
    network, measurement = measure()
    assert measurement.sample is None
    measurement.measure()
    inputs, targets, outputs = measurement.sample
    seed = derive_seed(5, "measure/heldout")
    expected_inputs, expected_targets = make_line_examples("heldout", seed, np.arange(4))
    np.testing.assert_allclose(inputs["x"], expected_inputs["x"], rtol=1e-6)
    np.testing.assert_allclose(targets["y"], expected_targets["y"], rtol=1e-6)
    np.testing.assert_allclose(outputs["y"], network(inputs)["y"], rtol=1e-5)


def test_examples_are_asked_for_again_where_they_changed(measure, monkeypatch):
    _, measurement = measure()
    before = measurement.measure()[0]["loss"]
    task = measurement.member.task
    changed = functools.partial(task.make_dataset, "train")
    monkeypatch.setattr(task, "make_dataset", lambda split, plan: changed(plan))
    assert measurement.measure()[0]["loss"] == before
    measurement.forget_examples()
    assert measurement.measure()[0]["loss"] != before
