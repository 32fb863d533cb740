"""How a group of workers hands in gradients, and how they are applied once."""

import dataclasses
import queue
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfcolor.layers.batch_norm import ParameterFreeBatchNorm, collected_statistics
from tfcolor.tasks.base import Tensors, complete_targets
from tfcolor.training.first_cause import first_cause
from tfcolor.training.members import Member
from tfcolor.training.optimizers import Update
from tfcolor.training.synchronization import Group
from tfcolor.training.worker_server import ask, request

FIRST_SERVER = "/job:ps/replica:0/task:0/device:CPU:0"

Figures = dict[str, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Crew:
    """What the workers of a group need for one of its tasks.

    Args:
      member: the task, with a network of the group's own: the parameters as the
        group last read them.
      master: the network whose parameters are trained.
      update: the task's optimizer, upon `master`.
      specification: inputs and targets of the task, with a leading axis of any
        length.
    """

    member: Member
    master: tf.keras.Model
    update: Update
    specification: Any

    def copied(self) -> list[tuple[tf.Variable, tf.Variable]]:
        """Returns (trained variable, the group's copy of it) for all of them."""
        pairs = zip(
            self.master.trainable_variables, self.member.network.trainable_variables, strict=True
        )
        return list(pairs)

    def statistics(self) -> list[tf.Variable]:
        """Returns the group's own moving statistics."""
        return [variable for _, variable in self.paired_statistics()]

    def paired_statistics(self) -> list[tuple[tf.Variable, tf.Variable]]:
        """Returns (statistic of the trained network, the group's own) for all of them."""
        pairs = zip(
            *(_moving_statistics(network) for network in (self.master, self.member.network)),
            strict=True,
        )
        return list(pairs)


@dataclasses.dataclass(frozen=True, eq=False)
class Link:
    """How a chief's graphs reach the other processes.

    Args:
      flags: fingerprint that workers must share.
      ask: gets a worker's share of a batch, from a graph that runs there.
      server: the device that adds and applies gradients.
    """

    flags: int = 0
    ask: Callable[[tf.Tensor, Sequence[tf.DType]], list[tf.Tensor]] = ask
    server: str = FIRST_SERVER


class _Answer(NamedTuple):
    """What became of a worker's contribution to a step."""

    number: int
    step: int
    figures: Figures
    error: Exception | None = None


class Exchange:
    """Contributions of a group's workers, kept on the parameter servers.

    Each worker writes its contribution, the sum of its examples' gradients, into
    a row of its own, on whatever server the strategy puts it, and stamps the row
    with the number of the step. A worker that does so twice writes the same
    again, since a contribution is a function of the group's copy of the
    parameters and of the batch; and a late one of an earlier step is not
    written. An update adds one row from every worker that was in time, in the
    order of the rows, and counts them. If one of them has not the stamp of the
    step, it changes nothing, and the step is to be computed again. A late worker
    is asked again when it has answered, for the step that is due then; so a row
    has one writer, unless a worker that was taken for dead still writes.

    Args:
      strategy: of the cluster.
      group: whose.
      crews: by task.
      link: how to reach the workers.
      num_backups: workers of each task that are not waited for.

    Attributes:
      steps: int64 [], updates with this group's gradients.
      contributions: int64 [], gradients of its workers that are in an update.
      attempts: int64 [], gradients of its workers that were computed.
      state: what of this a checkpoint holds; it fits any number of workers.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        group: Group,
        crews: Mapping[int, Crew],
        link: Link,
        num_backups: int = 0,
    ) -> None:
        self.group, self._crews = group, crews
        self._strategy, self._link, self._num_backups = strategy, link, num_backups
        self._answers: queue.Queue[_Answer] = queue.Queue()
        self._busy: set[int] = set()
        self._rows: dict[int, list[tf.Variable]] = {}
        self._counts: dict[int, tf.Variable] = {}
        count = len(group.places)
        with strategy.scope():
            self.steps = _zeros([], tf.int64)
            self.contributions = _zeros([], tf.int64)
            self.attempts = _zeros([], tf.int64)
            self._stamps = tf.Variable(tf.fill([count], tf.constant(-1, tf.int64)), trainable=False)
            for task, crew in crews.items():
                size = len(group.places_of(task))
                kept = [*crew.update.variables_of(), *crew.statistics()]
                self._rows[task] = [_zeros([size, *one.shape], one.dtype) for one in kept]
                self._counts[task] = _zeros([size], tf.float32)
        self._graphs = {task: self._build_contribution(task) for task in crews}
        self._names: list[str] = []
        self._apply = tf.function(self._apply_if_whole, autograph=False)
        self._read = tf.function(self._copy, autograph=False)
        self.state = tf.train.Checkpoint(
            steps=self.steps,
            contributions=self.contributions,
            attempts=self.attempts,
            networks=[crew.member.network for crew in crews.values()],
        )

    def read(self) -> None:
        """Makes the group read the parameters as they are now."""
        self._read()

    def contribute(self, coordinator: Any, step: int) -> dict[int, Figures]:
        """Lets the cluster compute contributions of the group's workers.

        Args:
          coordinator: `tf.distribute.coordinator.ClusterCoordinator`; gives each to
            a worker that is free, and again to another if that one dies.
          step: number of updates of this group before.

        Returns:
          `samples` and the summed loss terms by name, of each worker that was in
          time, by its number in the group.
        """
        for number in range(len(self.group.places)):
            if number not in self._busy:
                self._schedule(coordinator, number, step)
        found: dict[int, Figures] = {}
        while not self._is_enough(found) or not self._answers.empty():
            answer = self._answers.get()
            self._busy.remove(answer.number)
            if answer.error is not None:
                raise first_cause(answer.error, self._answers)
            if answer.step == step:
                found[answer.number] = answer.figures
            elif not self._is_enough(found):
                self._schedule(coordinator, answer.number, step)
        return dict(sorted(found.items()))

    def apply(self, is_frozen: bool, numbers: Collection[int]) -> Figures:
        """Updates the parameters by contributions, and makes the group read them.

        Args:
          is_frozen: as `Update.apply` takes it.
          numbers: of the workers whose contributions these are, one of each task
            at least.

        Returns:
          What the updates give, by task's label and name; nothing if a contribution
          is not there, or is of another step. Then nothing has changed.
        """
        is_in_time = [number in numbers for number in range(len(self.group.places))]
        values = self._apply(tf.constant(is_frozen), tf.constant(is_in_time)).numpy()
        return dict(zip(self._names, values.tolist(), strict=True)) if values.size else {}

    def _schedule(self, coordinator: Any, number: int, step: int) -> None:
        """Lets the cluster compute the contribution of one worker."""
        place = self.group.places[number]
        row = self.group.places_of(place.task).index(place)
        numbers = (number, row, place.worker, step)
        arguments = tuple(tf.constant(one, tf.int64) for one in numbers)
        value = coordinator.schedule(self._graphs[place.task], args=arguments)

        def wait() -> None:
            """Hands the answer over, or what went wrong."""
            try:
                figures = {name: float(one) for name, one in value.fetch().items()}
                self._answers.put(_Answer(number, step, figures))
            except Exception as error:  # for the thread of `contribute` to raise
                self._answers.put(_Answer(number, step, {}, error))

        self._busy.add(number)
        threading.Thread(target=wait, daemon=True).start()

    def _is_enough(self, numbers: Collection[int]) -> bool:
        """Tells whether all are there that an update waits for."""
        return all(
            sum(self.group.places[number].task == task for number in numbers)
            >= len(self.group.places_of(task)) - self._num_backups
            for task in self.group.tasks
        )

    def _build_contribution(self, task: int) -> Any:
        """Returns the graph by which a worker makes and hands in its contribution."""
        crew, count = self._crews[task], self.group.places_of(task)[0].num_workers
        specs = tf.nest.flatten(crew.specification)

        def contribute(
            number: tf.Tensor, row: tf.Tensor, index: tf.Tensor, step: tf.Tensor
        ) -> Tensors:
            """Makes one contribution and hands it in; runs in a worker."""
            message = request(self._link.flags, (task, index, count), step)
            flat = self._link.ask(message, [spec.dtype for spec in specs])
            for tensor, spec in zip(flat, specs, strict=True):
                tensor.set_shape(spec.shape)
            batch = tf.nest.pack_sequence_as(crew.specification, flat)
            figures, values = self._strategy.run(self._differentiate, args=(task, *batch))
            self.attempts.assign_add(1)
            with tf.control_dependencies([*values, figures["samples"]]):
                is_due = tf.equal(self.steps, step)
            counted = [*zip(self._rows[task], values, strict=True)]
            counted.append((self._counts[task], figures["samples"]))
            tf.cond(is_due, lambda: self._write(number, row, step, counted), lambda: False)
            return figures

        return tf.function(contribute, autograph=False)

    def _write(
        self,
        number: tf.Tensor,
        row: tf.Tensor,
        step: tf.Tensor,
        values: Sequence[tuple[tf.Variable, tf.Tensor]],
    ) -> tf.Tensor:
        """Writes a contribution; its row has no stamp while it is not whole."""
        stamp = _scatter(self._stamps, number, tf.constant(-1, tf.int64))
        with tf.control_dependencies([stamp]):
            written = [_scatter(rows, row, value) for rows, value in values]
        with tf.control_dependencies(written):
            stamp = _scatter(self._stamps, number, step)
        with tf.control_dependencies([stamp]):
            return tf.constant(True)

    def _differentiate(
        self, task: int, inputs: Tensors, targets: Tensors
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Returns summed losses, and what a worker hands in: gradients and statistics."""
        crew = self._crews[task]
        member, copies = crew.member, {id(one): copy for one, copy in crew.copied()}
        targets = complete_targets(member.task, inputs, targets)
        samples = tf.reduce_sum(member.task.count_samples(targets))
        with tf.GradientTape() as tape, collected_statistics() as collected:
            outputs = member.network(inputs, training=True)
            terms = {
                name: tf.reduce_sum(tf.cast(loss, tf.float32))
                for name, loss in member.task.compute_losses(targets, outputs).items()
            }
            if penalties := member.network.losses:
                # As all terms, it is divided by the samples of all workers.
                terms["penalty"] = tf.add_n(penalties) * samples
            total = tf.add_n(list(terms.values()))
        gradients = tape.gradient(
            total,
            [copies[id(variable)] for variable in crew.update.variables_of()],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        found = {id(variable): value for variable, value in collected}
        if len(found) != len(collected):
            raise ValueError("a batch normalization was called twice; its statistics would clash")
        statistics = [found.get(id(one), one) for one in crew.statistics()]
        terms["samples"] = samples
        return terms, [tf.convert_to_tensor(one) for one in (*gradients, *statistics)]

    def _apply_if_whole(self, is_frozen: tf.Tensor, is_in_time: tf.Tensor) -> tf.Tensor:
        """Makes an update if all of its contributions are whole; returns its figures, or none."""
        with tf.device(self._link.server):
            sums = {task: self._add_contributions(task, is_in_time) for task in self._crews}
            # Who writes a row takes its stamp away first: a stamp that is there after
            # the row was read was there while it was.
            with tf.control_dependencies(tf.nest.flatten(sums)):
                is_whole = is_in_time & tf.equal(self._stamps.read_value(), self.steps)
            return tf.cond(
                tf.reduce_all(tf.equal(is_whole, is_in_time)),
                lambda: self._apply_once(sums, is_frozen, is_whole),
                lambda: tf.zeros([0]),
            )

    def _add_contributions(self, task: int, is_in_time: tf.Tensor) -> list[tf.Tensor]:
        """Returns how many are in time, and the sums of their samples, gradients and statistics."""
        numbers = [n for n, place in enumerate(self.group.places) if place.task == task]
        own = [is_in_time[number] for number in numbers]
        count = tf.reduce_sum(tf.cast(own, tf.int32))
        return [count, *(_add_rows(rows, own) for rows in (self._counts[task], *self._rows[task]))]

    def _apply_once(
        self, sums: Mapping[int, Sequence[tf.Tensor]], is_frozen: tf.Tensor, is_whole: tf.Tensor
    ) -> tf.Tensor:
        """Makes one update of each task, counts it and reads the parameters."""
        figures: dict[str, tf.Tensor] = {}
        for task, crew in self._crews.items():
            count, samples, *totals = sums[task]
            size = len(crew.update.variables_of())
            gradients = [one / tf.maximum(samples, 1.0) for one in totals[:size]]
            found = self._strategy.run(crew.update.apply, args=({0: gradients}, is_frozen))
            figures |= {crew.member.label(name): value for name, value in found.items()}
            for variable, total in zip(crew.statistics(), totals[size:], strict=True):
                is_count = variable.dtype.is_integer
                share = tf.cast(count, variable.dtype)
                variable.assign(total // share if is_count else total / share)
        self.contributions.assign_add(tf.reduce_sum(tf.cast(is_whole, tf.int64)))
        self.steps.assign_add(1)
        self._copy()
        self._names = [*figures]
        return tf.stack([*figures.values()])

    def _copy(self) -> None:
        """Copies the trained parameters into the group's own."""
        for crew in self._crews.values():
            for trained, copy in crew.copied():
                copy.assign(trained)


def merge_statistics(crews: Sequence[Crew]) -> None:
    """Gives the trained networks the mean of the moving statistics of all groups.

    Each task's own statistics become the mean over its groups.

    Args:
      crews: of all groups; those of one backbone share its layers.
    """
    found: dict[int, tuple[tf.Variable, list[tf.Variable]]] = {}
    for crew in crews:
        statistics = getattr(crew.master, "statistics", None)
        of_task = {id(shared): (one,) for shared, one in statistics.pairs()} if statistics else {}
        for trained, own in crew.paired_statistics():
            for target in (trained, *of_task.get(id(trained), ())):
                found.setdefault(id(target), (target, []))[1].append(own)
    for trained, all_own in found.values():
        total = tf.add_n([tf.convert_to_tensor(own) for own in all_own])
        trained.assign(total // len(all_own) if trained.dtype.is_integer else total / len(all_own))


def _moving_statistics(network: tf.keras.Model) -> list[tf.Variable]:
    """Returns the moving statistics of a network that training moves."""
    return [
        variable
        for module in network.submodules
        if isinstance(module, ParameterFreeBatchNorm)
        for variable in module.statistics_variables
    ]


def _zeros(shape: Sequence[int], dtype: tf.DType) -> tf.Variable:
    """Returns a variable that is not trained."""
    return tf.Variable(tf.zeros(shape, dtype), trainable=False)


def _add_rows(rows: tf.Variable, is_added: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the sum of some rows; what others hold, maybe half written, is not touched."""
    kept = [
        tf.where(one, row, tf.zeros_like(row))
        for one, row in zip(is_added, tf.unstack(rows), strict=True)
    ]
    return tf.add_n(kept)


def _scatter(rows: tf.Variable, row: tf.Tensor, value: tf.Tensor) -> tf.Operation:
    """Writes one row of a variable."""
    return tf.raw_ops.ResourceScatterUpdate(
        resource=rows.handle,
        indices=row[tf.newaxis],
        updates=tf.cast(value, rows.dtype)[tf.newaxis],
    )
