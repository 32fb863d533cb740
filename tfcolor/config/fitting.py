"""A fit of parts from its flags to its result."""

import contextlib
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import tensorflow as tf
from absl import flags

from tfcolor.analysis.figures import rasterize
from tfcolor.analysis.part_pictures import NamedParts, PartPicturesOptions, show_parts
from tfcolor.config.experiment import UNRECORDED, check_same_flags, choose_run_dir
from tfcolor.config.flags import write_flagfile
from tfcolor.config.parts_runs import (
    NETWORK_FILE,
    PARTS_FILE,
    FitExperiment,
    build_parts_network,
    load_arrays,
    read_fit_experiment,
    save_arrays,
)
from tfcolor.core.files import write_json
from tfcolor.core.progress import ProgressReport, say, track
from tfcolor.data.arrays import gather_images
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.data.reading import ExampleReader
from tfcolor.mixtures.expectation_maximization import FitState
from tfcolor.parts.canonical import roll_rotations, upright_rotations
from tfcolor.parts.class_mixtures import fit_class_mixtures
from tfcolor.parts.class_pictures import mean_class_pictures
from tfcolor.parts.learning import Parts, draw_patches, learn_parts
from tfcolor.parts.linear_svm import fit_svm
from tfcolor.parts.network import PartsNetwork
from tfcolor.parts.pooling import pooled_matrix
from tfcolor.parts.scorer import ClassScorer
from tfcolor.parts.turning import turned_matrix
from tfcolor.training.events import Events
from tfcolor.training.run_directory import RunDirectory
from tfcolor.training.signals import StoppedError, StopRequest, listen_for_stop

STATE_FILE, SECONDS_FILE = "em.npz", "seconds.json"
CODES_FOLDER = "codes"
IMAGES_PER_BATCH = 500


class Fitting:
    """One fit, stage by stage; what is there already is not made again.

    Args:
      experiment: its options.
      directory: the run's folder.
      request: tells when to stop.
    """

    def __init__(
        self, experiment: FitExperiment, directory: RunDirectory, request: StopRequest
    ) -> None:
        self._experiment, self._directory, self._request = experiment, directory, request
        self._events = Events(directory.events, is_active=True)
        self._watch = Stopwatch(directory.checkpoints / SECONDS_FILE)
        self._step = 0

    def run(self, readers: dict[str, ExampleReader]) -> dict[str, Any]:
        """Fits both layers, measures and writes the network.

        Args:
          readers: images by split.

        Returns:
          What `result.json` holds.

        Raises:
          UserError: if the images do not fit the layers.
          StoppedError: after a signal, once everything is saved.
        """
        fit = self._experiment.fit
        names = None if fit.classifier == "none" else readers["train"].class_names
        images, labels = self._read(readers["train"], names)
        kept = "the parts are saved, run again to go on"
        parts = self._timed("parts", lambda: self._find_parts(images), kept)
        network = build_parts_network(self._experiment, parts, images.shape[1])
        arrays = {**parts.arrays(), "side": np.array(images.shape[1])}
        figures: dict[str, Any] = {
            "num_images": len(images),
            "num_parts": parts.layout.num_parts,
            "log_likelihood": parts.log_likelihood,
        }
        if names is not None:
            scorer, more = self._fit_classifier(network, images, labels, names, figures)
            arrays |= {"weights": scorer.weights, "biases": scorer.biases, **more}
            arrays["num_rotations"] = np.array(scorer.num_rotations)
            if "heldout" in readers:
                figures |= self._measure(network, scorer, self._read(readers["heldout"], names))
        save_arrays(self._directory.path / NETWORK_FILE, arrays)
        seconds = self._watch.seconds
        return {**figures, "seconds": seconds, "wall_seconds": round(sum(seconds.values()), 2)}

    def _timed(self, stage: str, work: Callable[[], Any], kept: str = "") -> Any:
        """Does some work, notes how long it took, and stops after it if asked to."""
        with self._watch.measure(stage):
            done = work()
            self._stop_if_asked(kept or f"run again, and the stage {stage!r} begins again")
        return done

    def _stop_if_asked(self, hint: str) -> None:
        """Raises StoppedError after a signal."""
        if self._request.signal_number is not None:
            say(f"stopped by a signal; {hint}")
            raise StoppedError(self._request.exit_status, self._step)

    def _read(
        self, reader: ExampleReader, class_names: Sequence[str] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns uint8 [N, S, S, C] and int64 [N], the middle square of each image."""
        channels = 3 if self._experiment.fit.input == "color" else 1
        images, labels = gather_images(reader, channels=channels, class_names=class_names)
        return middle_squares(images), labels

    def _find_parts(self, images: np.ndarray) -> Parts:
        """Returns the parts: of another run, of this one, or new ones."""
        fit, path = self._experiment.fit, self._directory.path / PARTS_FILE
        if fit.parts_from:
            parts = Parts.from_arrays(load_arrays(Path(fit.parts_from) / PARTS_FILE))
            save_arrays(path, parts.arrays())
            return parts
        if path.exists():
            return Parts.from_arrays(load_arrays(path))
        experiment = self._experiment
        say("drawing patches")
        sample = draw_patches(
            images, experiment.first, experiment.patches, experiment.parts, seed=fit.seed
        )
        self._stop_if_asked("run again, and the patches are drawn again")
        state_path = self._directory.checkpoints / STATE_FILE
        start = FitState.from_arrays(load_arrays(state_path)) if state_path.exists() else None
        if experiment.parts.kind == "kmeans":
            say("clustering patches")
        total = experiment.parts.num_iterations * experiment.parts.num_restarts
        done = sum(map(len, start.histories)) if start else 0
        self._step = done
        self._directory.forget_after(done)
        with ProgressReport("fitting parts", total, "iterations", done) as progress:
            parts = learn_parts(
                sample,
                experiment.parts,
                experiment.pixels,
                seed=fit.seed,
                start=start,
                on_iteration=lambda state: self._keep(state, len(sample.pixels), progress),
            )
        save_arrays(path, parts.arrays())
        state_path.unlink(missing_ok=True)
        shown = show_parts([NamedParts(path.parent.name, parts)], PartPicturesOptions())
        self._events.write("parts", {"parts": rasterize(shown.figure)}, total)
        self._events.flush()
        return parts

    def _keep(self, state: FitState, num_patches: int, progress: ProgressReport) -> None:
        """Saves the state of EM, and stops after it if that was asked for."""
        step = sum(map(len, state.histories))
        value = state.histories[-1][-1] / num_patches
        # Before the state: a line too many is forgotten when the fit goes on, and computed again.
        self._directory.log_step({"step": step, "log_likelihood_per_patch": value})
        save_arrays(self._directory.checkpoints / STATE_FILE, state.to_arrays())
        self._watch.save()
        self._step = step
        self._events.write("parts", {"log_likelihood_per_patch": value}, step)
        progress.advance(note=f"log-likelihood {value:.4f} per patch")
        self._stop_if_asked(f"iteration {step} is saved, run again to go on")

    def _fit_classifier(
        self,
        network: PartsNetwork,
        images: np.ndarray,
        labels: np.ndarray,
        class_names: Sequence[str],
        figures: dict[str, Any],
    ) -> tuple[ClassScorer, dict[str, np.ndarray]]:
        """Fits the last layer; returns it, and its pictures by name."""
        experiment, fit = self._experiment, self._experiment.fit
        if fit.classifier == "svm":
            features = self._timed("coding", lambda: self._pool(network, images))
            scorer, strength = self._timed(
                "classifier", lambda: fit_svm(features, labels, experiment.svm, seed=fit.seed)
            )
            figures["svm_strength"] = strength
            return scorer, {}
        turns = experiment.classes.num_rotations
        features = self._timed("coding", lambda: self._pool(network, images, turns))
        classes = self._timed(
            "classifier",
            lambda: fit_class_mixtures(features, labels, experiment.classes, seed=fit.seed),
        )
        scorer, rotations = classes.scorer, classes.rotations
        pictures = {"class_pictures": mean_class_pictures(images, labels, classes, turns)}
        if fit.upright_images:
            starts = self._find_upright(network, scorer, class_names)
            scorer = roll_rotations(scorer, starts)
            rotations = (rotations + starts[labels, classes.components]) % turns
            upright = dataclasses.replace(classes, rotations=rotations)
            pictures["upright_class_pictures"] = mean_class_pictures(images, labels, upright, turns)
        return scorer, pictures

    def _find_upright(
        self, network: PartsNetwork, scorer: ClassScorer, class_names: Sequence[str]
    ) -> np.ndarray:
        """Returns the rotation of every component that a few upright images say is zero."""
        fit = self._experiment.fit
        reader = open_readers(DataOptions(images=fit.upright_images, heldout_fraction=0.0))["train"]
        images, labels = self._read(reader, class_names)
        first = [
            np.flatnonzero(labels == label)[: fit.num_upright] for label in range(labels.max() + 1)
        ]
        chosen = np.concatenate(first)
        features = self._pool(network, images[chosen])
        return upright_rotations(scorer, features, labels[chosen])

    def _measure(
        self, network: PartsNetwork, scorer: ClassScorer, heldout: tuple[np.ndarray, np.ndarray]
    ) -> dict[str, Any]:
        """Returns the error rate on held-out images uint8 [N, S, S, C] and labels [N]."""
        images, labels = heldout
        features = self._timed("heldout_coding", lambda: self._pool(network, images))
        predicted = self._timed("heldout_classification", lambda: scorer.classify(features))
        is_wrong = predicted != labels
        return {
            "heldout_num_images": len(labels),
            "heldout_num_errors": int(is_wrong.sum()),
            "heldout_error_rate": float(is_wrong.mean()),
        }

    def _pool(
        self, network: PartsNetwork, images: np.ndarray, num_turns: int = 1
    ) -> np.ndarray | scipy.sparse.csr_matrix:
        """Returns the pooled parts of images, in `num_turns` rotations each."""
        if not network.is_hard:
            pooled = self._by_batch(lambda batch: network.pool(batch).numpy(), images)
            return np.concatenate([batch.reshape(len(batch), -1) for batch in pooled])
        codes = self._code(network, images, for_pooling=num_turns == 1)
        if num_turns == 1:
            return pooled_matrix(codes, network.layout, self._experiment.pool)
        return turned_matrix(codes, network.layout, num_turns, self._experiment.pool)

    def _code(self, network: PartsNetwork, images: np.ndarray, *, for_pooling: bool) -> np.ndarray:
        """Returns the codes of images, those that were kept where there are some."""
        fit = self._experiment.fit
        pool = self._experiment.pool if for_pooling else None
        digest = hashlib.sha256(repr((images.shape, self._experiment.coding, pool)).encode())
        digest.update(images.tobytes())
        folder = Path(fit.parts_from or self._directory.path) / CODES_FOLDER
        path = folder / f"{digest.hexdigest()[:16]}.npz"
        if path.exists():
            return load_arrays(path)["codes"].astype(np.int32)
        codes = np.concatenate(list(self._by_batch(
            lambda batch: network.code(batch, for_pooling=for_pooling).numpy(), images
        )))  # fmt: skip
        if fit.keep_codes:
            is_small = network.layout.num_features <= np.iinfo(np.int16).max
            save_arrays(path, {"codes": codes.astype(np.int16 if is_small else np.int32)})
        return codes

    def _by_batch(
        self, work: Callable[[np.ndarray], np.ndarray], images: np.ndarray
    ) -> Iterator[np.ndarray]:
        """Yields what comes of images, batch by batch, and stops after one if asked to."""
        starts = range(0, len(images), IMAGES_PER_BATCH)
        for start in track(starts, "coding", len(starts), "batches"):
            yield work(images[start : start + IMAGES_PER_BATCH])
            self._stop_if_asked("run again, and these images are coded again")


class Stopwatch:
    """Seconds that each stage of a run took, over all its processes.

    Args:
      path: a JSON file that keeps them; read if it is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun: dict[str, float] = {}
        self._before: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage; of one under way, those up to now."""
        found, now = dict(self._before), time.monotonic()
        for stage, begun in self._begun.items():
            found[stage] = found.get(stage, 0.0) + now - begun
        return {stage: round(value, 2) for stage, value in found.items()}

    def save(self) -> None:
        """Writes the seconds so far."""
        write_json(self._path, self.seconds)

    @contextlib.contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Adds the time until the end of the block to a stage's, whatever ends it."""
        self._begun[stage] = time.monotonic()
        try:
            yield
        finally:
            self._before[stage] = self.seconds[stage]
            del self._begun[stage]
            self.save()


def run_fitting(flag_values: flags.FlagValues) -> None:
    """Fits what the flags describe and leaves a run directory.

    Args:
      flag_values: with the flags of `FIT_OPTIONS`.

    Raises:
      UserError: if something the flags name cannot be used.
      StoppedError: after a signal, once everything is saved.
    """
    experiment = read_fit_experiment(flag_values)
    readers = open_readers(experiment.data)
    readers["train"].read(0)  # refuses images of which none can be read
    path = choose_run_dir(experiment.fit.run_dir, "parts")
    check_same_flags(path / "flags.cfg", flag_values)
    tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(experiment.fit.seed)
    directory = RunDirectory(path)
    if directory.read_result() is not None:
        say(f"{path} is finished; choose another --run_dir to fit anew")
        return
    write_flagfile(directory.flagfile, flag_values, UNRECORDED)
    directory.record_start(tf.distribute.get_strategy(), experiment.fit.seed)
    say(f"run directory {path}")
    with listen_for_stop() as request:
        result = Fitting(experiment, directory, request).run(readers)
    directory.write_result(result)
    (directory.checkpoints / SECONDS_FILE).unlink(missing_ok=True)
    error = result.get("heldout_error_rate")
    found = "" if error is None else f", {100 * error:.2f} % of the held-out images wrong"
    say(f"done: {result['num_parts']} parts{found}")


def middle_squares(images: np.ndarray) -> np.ndarray:
    """Returns the middle square of images, as the evaluation protocols take it.

    Args:
      images: [N, H, W, C].

    Returns:
      [N, S, S, C], S the smaller of H and W.
    """
    height, width = images.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[:, top : top + side, left : left + side]
