"""Runs of `fit_parts`: their flags, their arrays, and the networks in them."""

import dataclasses
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from tfcolor.config.flags import read_flagfile, read_options
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.files import atomic_path
from tfcolor.core.options import option
from tfcolor.data.options import DataOptions
from tfcolor.parts.class_mixtures import ClassMixtureOptions
from tfcolor.parts.edges import EdgeOptions
from tfcolor.parts.learning import PartOptions, Parts
from tfcolor.parts.linear_svm import SvmOptions
from tfcolor.parts.network import PartsNetwork
from tfcolor.parts.part_layer import CODINGS, HARD, CodingOptions, EdgePartLayer, PixelPartLayer
from tfcolor.parts.patches import PatchOptions
from tfcolor.parts.pixels import PixelOptions
from tfcolor.parts.pooling import PoolOptions
from tfcolor.parts.scorer import ClassScorer

NETWORK_FILE, PARTS_FILE = "network.npz", "parts.npz"
CLASSIFIERS = ("mixture", "svm", "none")


@dataclasses.dataclass(frozen=True)
class FitOptions:
    """What is fitted, and where the run goes."""

    run_dir: str = option("", "the run's folder; empty takes the next free one in runs/")
    seed: int = option(0, "of every random number of the run", minimum=0)
    input: str = option("gray", "what the network sees", choices=("gray", "color"))
    classifier: str = option(
        "mixture",
        "the last layer: a mixture for each class, a linear support vector machine, or none",
        choices=CLASSIFIERS,
    )
    parts_coding: str = option(
        HARD,
        "what a patch becomes: its likeliest part, or a number for every part: how much likelier "
        "it is than on average (triangle), its log posterior (soft) or log density (raw)",
        choices=CODINGS["gaussian"],
    )
    parts_from: str = option(
        "", "a run of fit_parts whose edges and parts are taken over; empty learns them"
    )
    keep_codes: bool = option(
        False, "keeps the codes of images beside the parts, for other runs with --parts_from"
    )
    upright_images: str = option(
        "", "upright images with classes, in any form of --images, that say where up is"
    )
    num_upright: int = option(5, "how many of them for each class", minimum=1)


FIT_OPTIONS: tuple[tuple[type, str], ...] = (
    (FitOptions, ""),
    (DataOptions, ""),
    (EdgeOptions, "edges_"),
    (PixelOptions, "pixels_"),
    (PatchOptions, "patches_"),
    (PartOptions, "parts_"),
    (CodingOptions, "coding_"),
    (PoolOptions, "pool_"),
    (ClassMixtureOptions, "classes_"),
    (SvmOptions, "svm_"),
)
"""Options dataclasses of `fit_parts` with the prefix of their flags."""


@dataclasses.dataclass(frozen=True)
class FitExperiment:
    """The options of one fit.

    Args:
      fit: classifier and folders.
      data: images.
      edges: the first layer of Bernoulli parts.
      pixels: what the other parts take patches of pixels for.
      patches: what parts are learned from.
      parts: the second layer.
      coding: which patches are background.
      pool: how codes are pooled.
      classes: the last layer, where it is a mixture for each class.
      svm: the last layer, where it is a support vector machine.
    """

    fit: FitOptions
    data: DataOptions
    edges: EdgeOptions
    pixels: PixelOptions
    patches: PatchOptions
    parts: PartOptions
    coding: CodingOptions
    pool: PoolOptions
    classes: ClassMixtureOptions
    svm: SvmOptions

    @property
    def first(self) -> EdgeOptions | PixelOptions:
        """Returns what is below the parts."""
        return self.edges if self.parts.kind == "bernoulli" else self.pixels


class ClassificationView(NamedTuple):
    """What protocols read of a network that classifies whole images.

    Attributes:
      num_classes: classes that it tells apart.
      input: "gray" or "color".
      min_side: length of an image's shorter side after rescaling, pixels.
      crop_size: side of the square that is looked at, pixels.
    """

    num_classes: int
    input: str
    min_side: int
    crop_size: int


class FittedNetwork(NamedTuple):
    """What a finished run of `fit_parts` holds.

    Attributes:
      experiment: how it was fitted.
      network: from images to pooled parts.
      scorer: from pooled parts to classes; None without a classifier.
      arrays: everything in the file, pictures too.
    """

    experiment: FitExperiment
    network: PartsNetwork
    scorer: ClassScorer | None
    arrays: Mapping[str, np.ndarray]

    @property
    def view(self) -> ClassificationView:
        """Returns how the network is to be measured."""
        side = self.network.canonical_size
        num_classes = self.scorer.num_classes if self.scorer else 0
        return ClassificationView(num_classes, self.experiment.fit.input, side, side)


def read_fit_experiment(flag_values: flags.FlagValues) -> FitExperiment:
    """Returns the experiment that the parsed flags of `fit_parts` describe.

    With --parts_from, edges and parts are those of that run, and the flags that
    describe them get its values.

    Args:
      flag_values: with the flags of `FIT_OPTIONS`.

    Returns:
      Checked options.

    Raises:
      UsageError: if a value is not accepted, or values do not fit together.
      UserError: if --parts_from is no run of `fit_parts`.
    """
    experiment = _read(flag_values)
    if experiment.fit.parts_from:
        other = load_fit_experiment(experiment.fit.parts_from)
        for name in ("edges", "pixels", "patches", "parts"):
            for field, value in dataclasses.asdict(getattr(other, name)).items():
                flag_values[f"{name}_{field}"].value = value
        flag_values["input"].value = other.fit.input
        experiment = _read(flag_values)
    turned, turns = experiment.classes.num_rotations, experiment.parts.num_rotations
    if turns % turned:
        raise UsageError(
            f"--classes_num_rotations={turned}: expected a divisor of --parts_num_rotations={turns}"
        )
    if experiment.fit.upright_images and (turned == 1 or experiment.fit.classifier != "mixture"):
        raise UsageError(
            "--upright_images is for --classifier=mixture with --classes_num_rotations above 1"
        )
    _check_kind(experiment.parts)
    _check_coding(experiment)
    return experiment


def is_parts_run(run_dir: str | os.PathLike[str]) -> bool:
    """Tells whether a folder is a finished run of `fit_parts`."""
    return (Path(run_dir) / NETWORK_FILE).is_file()


def load_fit_experiment(run_dir: str | os.PathLike[str]) -> FitExperiment:
    """Returns the experiment that made a run of `fit_parts`.

    Args:
      run_dir: its folder.

    Returns:
      The options in its `flags.cfg`.

    Raises:
      UserError: if the folder is not such a run.
    """
    path = Path(run_dir) / "flags.cfg"
    if not path.is_file() or not (Path(run_dir) / PARTS_FILE).is_file():
        raise UserError(f"{run_dir} is not a run of fit_parts: it has no {PARTS_FILE}")
    return _read(read_flagfile(path, FIT_OPTIONS))


def load_fitted_network(run_dir: str | os.PathLike[str]) -> FittedNetwork:
    """Restores the network of a run of `fit_parts`.

    Args:
      run_dir: its folder.

    Returns:
      The network and its classifier.

    Raises:
      UserError: if the folder is not a finished run, or its file is damaged.
    """
    experiment = load_fit_experiment(run_dir)
    arrays = load_arrays(Path(run_dir) / NETWORK_FILE)
    side = int(arrays["side"])
    network = build_parts_network(experiment, Parts.from_arrays(arrays), side)
    scorer = None
    if "weights" in arrays:
        rotations = int(arrays["num_rotations"])
        scorer = ClassScorer(arrays["weights"], arrays["biases"], rotations)
    return FittedNetwork(experiment, network, scorer, arrays)


def build_parts_network(experiment: FitExperiment, parts: Parts, side: int) -> PartsNetwork:
    """Returns the network of an experiment.

    Args:
      experiment: how edges are found, patches coded and codes pooled.
      parts: its parts.
      side: of the images, pixels.

    Returns:
      A network for images of any size.
    """
    layer: EdgePartLayer | PixelPartLayer
    if experiment.parts.kind == "bernoulli":
        layer = EdgePartLayer(parts, experiment.edges, experiment.coding)
    else:
        layer = PixelPartLayer(parts, experiment.pixels, experiment.fit.parts_coding)
    return PartsNetwork(
        layer,
        experiment.pool,
        canonical_size=side,
        input_channels=3 if experiment.fit.input == "color" else 1,
    )


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays, all or nothing.

    Args:
      path: a file of the kind that `np.load` reads; replaced if it is there.
      arrays: any numbers [...] by name.

    Raises:
      UserError: if the file cannot be written.
    """
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays that `save_arrays` wrote.

    Args:
      path: the file.

    Returns:
      Numbers [...] by name.

    Raises:
      UserError: if the file is not there or damaged.
    """
    try:
        with np.load(path) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot read {path}: {error}; fit the parts again") from error


def _check_kind(parts: PartOptions) -> None:
    """Raises UsageError where clusters are to do what only mixtures do."""
    if parts.kind != "kmeans":
        return
    for name in ("num_rotations", "num_polarities", "num_restarts"):
        value = getattr(parts, name)
        if value != 1:
            raise UsageError(f"--parts_{name}={value}: expected 1 with --parts_kind=kmeans")


def _check_coding(experiment: FitExperiment) -> None:
    """Raises UsageError where something does not fit the codes of parts."""
    fit, pool, kind = experiment.fit, experiment.pool, experiment.parts.kind
    coding = fit.parts_coding
    if coding not in CODINGS[kind]:
        known = ", ".join(CODINGS[kind])
        raise UsageError(f"--parts_coding={coding}: expected {known} with --parts_kind={kind}")
    if coding == HARD:
        return
    if fit.classifier == "mixture":
        raise UsageError(
            "--classifier=mixture is a model of features that are 0 or 1, which "
            f"--parts_coding={coding} has not: expected --classifier=svm or none, or "
            f"--parts_coding={HARD}"
        )
    unused = {
        "--keep_codes": fit.keep_codes,
        "--pool_dilation": pool.dilation,
        "--pool_rotation_spread": pool.rotation_spread,
    }
    for flag, value in unused.items():
        if value:
            raise UsageError(f"{flag} is for --parts_coding={HARD}, not {coding}")


def _read(flag_values: flags.FlagValues) -> FitExperiment:
    """Returns the options as they are in the flags."""
    fields = dataclasses.fields(FitExperiment)
    pairs = zip(fields, FIT_OPTIONS, strict=True)
    options: dict[str, Any] = {
        field.name: read_options(options_class, prefix, flag_values)
        for field, (options_class, prefix) in pairs
    }
    return FitExperiment(**options)
