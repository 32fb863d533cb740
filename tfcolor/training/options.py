"""How to train: length, optimization, records and devices."""

import dataclasses

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """Length, seed, precision and records of a run."""

    num_steps: int = option(2_000_000, "optimization steps", minimum=1)
    batch_size: int = option(8, "examples per step, over all replicas", minimum=1)
    seed: int = option(0, "fixes order, views, initial weights and dropout", minimum=0)
    deterministic: bool = option(True, "repeat bit for bit on the same machine")
    precision: str = option(
        "float32",
        "arithmetic of the backbone; heads and losses stay in float32",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    checkpoint_every_steps: int = option(1000, "steps between checkpoints", minimum=1)
    keep_checkpoints: int = option(3, "checkpoints kept besides the best", minimum=2)
    log_every_steps: int = option(50, "steps between logged figures", minimum=1)
    evaluate_every_steps: int = option(1000, "steps between looks at held-out data", minimum=1)
    evaluate_num_examples: int = option(256, "views per look, the same every time", minimum=1)


@dataclasses.dataclass(frozen=True)
class OptimizationOptions:
    """Stochastic gradient descent, and its learning rate."""

    optimizer: str = option(
        "momentum",
        "momentum as published; adam learns small networks from scratch in fewer steps; norm_sgd"
        " is momentum on gradients divided by their mean size, each task by its own; multi_adam"
        " is an adam for each task; rmsprop is one for each task too, on the sum of their losses;"
        " lars is momentum with a rate for each kernel, by its size",
        choices=("momentum", "adam", "norm_sgd", "multi_adam", "rmsprop", "lars"),
    )
    learning_rate: float = option(1e-3, "rate of the first step after warm-up", minimum=0)
    momentum: float = option(0.9, "of the gradient", minimum=0, maximum=0.9999)
    use_nesterov: bool = option(
        False, "takes the gradient where the momentum leads, after Nesterov (optimizer=momentum)"
    )
    weight_decay: float = option(
        5e-4, "c in the loss term c * sum(w^2) / 2; biases have none", minimum=0
    )
    head_weight_decay: float | None = option(
        None, "weight decay above the backbone, as part of each task's loss; none is the same"
    )
    bias_rate_multiplier: float = option(
        2.0, "learning rate of biases, relative; adam has one rate for all", minimum=0
    )
    clip_norm: float = option(0.0, "largest global gradient norm; 0 clips nothing", minimum=0)
    rmsprop_decay: float = option(
        0.9, "of the mean square of the gradient (optimizer=rmsprop)", minimum=0, maximum=0.9999
    )
    rmsprop_epsilon: float = option(
        1e-10,
        "added to that mean square; as long as it is far below, the scale of a loss does not"
        " matter (optimizer=rmsprop)",
        minimum=0,
    )
    trust_coefficient: float = option(
        1e-3, "share of its size by which a kernel moves at a rate of 1 (optimizer=lars)", minimum=0
    )
    norm_freeze_step: int = option(
        -1,
        "step from which norm_sgd divides by a constant: a task's mean so far; -1 is a fifth of"
        " the way to the first rate drop (or to the middle), but 1000 or the drop at least",
        minimum=-1,
    )
    warmup_steps: int = option(0, "steps of linear growth from a tenth of the rate", minimum=0)
    schedule: str = option(
        "steps",
        "when the rate falls: after given steps, when the held-out figure stops improving, or all"
        " the time, along a cosine to 0",
        choices=("steps", "plateau", "cosine"),
    )
    rate_drops: tuple[int, ...] = option(
        (1_000_000, 1_500_000, 1_750_000), "steps after which the rate falls (schedule=steps)"
    )
    drop_factor: float = option(0.1, "what the rate is multiplied by at a drop", minimum=0)
    schedule_from: str = option(
        "",
        "a finished run with schedule=plateau: the same rate drops and steps, without looking, for"
        " training again on all images (--heldout_fraction=0)",
    )
    watch: str = option(
        "loss",
        "held-out figure that decides on drops and on the best checkpoint: the loss, or the task's"
        " score (accuracy, mean IoU, mean average precision)",
        choices=("loss", "score"),
    )
    plateau_patience: int = option(
        3, "looks without a better held-out figure before a drop (schedule=plateau)", minimum=1
    )
    plateau_window: int = option(1, "looks that are averaged into one figure", minimum=1)
    plateau_min_steps: int = option(
        0, "looks before so many steps never count as waiting (schedule=plateau)", minimum=0
    )
    plateau_drops: int = option(
        2, "drops before the next plateau ends training (schedule=plateau)", minimum=0
    )

    def __post_init__(self) -> None:
        """Raises UsageError where Nesterov's momentum has no meaning."""
        if self.use_nesterov and (self.optimizer != "momentum" or not self.momentum):
            raise UsageError(
                f"--use_nesterov with --optimizer={self.optimizer} --momentum={self.momentum}:"
                " expected --optimizer=momentum and a momentum above 0"
            )


@dataclasses.dataclass(frozen=True)
class JointOptions:
    """How several tasks share one network."""

    task_order: str = option(
        "together",
        "every step updates by all tasks, or they take turns",
        choices=("together", "round_robin"),
    )
    task_quantum: int = option(
        1000, "steps of a task before the next one's turn (task_order=round_robin)", minimum=1
    )
    task_weights: tuple[float, ...] = option(
        (), "what each task's loss is multiplied by, in the order of --task; empty for 1"
    )
    share_momentum: bool = option(
        False, "tasks that take turns go on with each other's momentum (task_order=round_robin)"
    )
    split_weights: bool = option(
        False, "each task updates a share of every layer's channels, which the others only read"
    )


@dataclasses.dataclass(frozen=True)
class DistributionOptions:
    """Which devices share the work."""

    strategy: str = option(
        "auto",
        "auto: all GPUs, or one device; multi_worker and parameter_server read TF_CONFIG;"
        " on parameter_server, losses that compare examples compare those of a worker's share",
        choices=("auto", "one_device", "mirrored", "multi_worker", "parameter_server"),
    )
    synchronization: str = option(
        "hybrid",
        "whose gradients an update waits for: those of all workers of a task, of all workers, or"
        " of one worker (strategy=parameter_server)",
        choices=("hybrid", "synchronous", "asynchronous"),
    )
    task_workers: tuple[int, ...] = option(
        (),
        "workers of each task, in the order of --task; the rest of the cluster is spare. Empty"
        " shares all of them out (strategy=parameter_server)",
    )
    num_backups: int = option(
        0,
        "workers of each task that an update does not wait for: what the slowest compute is thrown"
        " away, and who that is decides the result; a checkpoint waits for all"
        " (strategy=parameter_server)",
        minimum=0,
    )
    num_virtual_devices: int = option(
        0, "splits the CPU into this many devices, to try --strategy=mirrored", minimum=0
    )
    data_service: str = option(
        "",
        "HOST:PORT of the dispatcher of `tfcolor data_service`, whose workers make the batches;"
        " empty makes them here. The examples are the same",
    )
    data_service_workers: int = option(
        1, "workers of the service to wait for; all that are there then are used", minimum=1
    )
