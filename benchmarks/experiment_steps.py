"""Training steps of an experiment as its flags describe it."""

from typing import Any, NamedTuple

import tensorflow as tf

from tfcolor.config.command import define_flags
from tfcolor.config.assembly import build_networks, build_task, open_experiment_readers
from tfcolor.config.completion import complete_experiment
from tfcolor.config.experiment import read_experiment
from tfcolor.data.pipeline import BatchPlan
from tfcolor.models.network import Network
from tfcolor.tasks.base import RoundTask
from tfcolor.train import COMMAND
from tfcolor.training.members import Member, shared_network
from tfcolor.training.optimizers import Update
from tfcolor.training.step import TrainStep


class ExperimentSteps(NamedTuple):
    """What a run of one task is made of, without the loop."""

    network: Network
    step: TrainStep
    batches: tf.data.Dataset

    def advance(self, batch: Any) -> float:
        """Makes a step on a batch; returns its loss when it is done."""
        return float(self.step({0: batch}, tf.constant(0.0))["loss"])


def build_steps(flags: list[str], rate: float) -> ExperimentSteps:
    """Builds the network, the update at a rate and the pipeline that flags of `train` name."""
    flag_values = define_flags(COMMAND)
    flag_values(["train", *flags])
    experiment = read_experiment(flag_values)
    (readers,) = open_experiment_readers(experiment)
    experiment = complete_experiment(experiment, (readers,), flag_values)
    task = build_task(experiment, readers)
    (network,) = build_networks(experiment, [task])
    size = experiment.training.batch_size
    members = (Member(task, network, size, seed=0),)
    shared = shared_network(network.backbone, members)
    update = Update(shared, experiment.optimization, experiment.joint, use_loss_scaling=False)
    update.set_rate(rate)
    step = TrainStep(tf.distribute.get_strategy(), members, update)
    if isinstance(task, RoundTask):
        task.begin_round(network, 0, size)
    return ExperimentSteps(network, step, task.make_dataset("train", BatchPlan(size, seed=0)))
