"""A published weight file becomes a run directory."""

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from absl import flags

from tfcolor.color.spaces import rgb_to_lightness
from tfcolor.config.assembly import build_network, build_task
from tfcolor.config.experiment import TRAIN_OPTIONS, UNRECORDED, Experiment, read_experiment
from tfcolor.config.flags import define_options, write_flagfile
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.progress import say, track
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.opening import open_source
from tfcolor.data.transforms import center_view
from tfcolor.models.network import Network
from tfcolor.models.surgery import rebalance
from tfcolor.models.weights.download import Expected, download
from tfcolor.models.weights.formats import FORMATS, HDF5_MAGIC, detect_format, read_tensors
from tfcolor.models.weights.published import PUBLISHED, layer_names, load_tensors
from tfcolor.models.weights.zoo import ZOO
from tfcolor.training.checkpoints import Checkpoints
from tfcolor.training.run_directory import RunDirectory

VIEW_SIDE, VIEW_CROP = 256, 224
"""Pixels of the views that re-balancing measures activations on."""


@dataclasses.dataclass(frozen=True)
class ConvertOptions:
    """Which weights to convert, and where the run goes."""

    source: str = option("", "the weight file")
    format: str = option("auto", "kind of the file", choices=("auto", *FORMATS))
    network: str = option("autocolorize_vgg16", "what it holds", choices=tuple(PUBLISHED))
    run_dir: str = option("", "the folder to create, a run as `train` leaves it")
    allow_partial: bool = option(
        False, "keep initial weights where the file has none that fit, and drop what it has more"
    )
    overrides: tuple[str, ...] = option(
        (), "flags of `train` to set in the run, without dashes: vgg16_tap_alignment=centered"
    )
    rebalance_images: str = option(
        "",
        "images on which every layer is scaled to a unit second moment, in the forms of"
        " `train --images`; empty leaves the scales as they are",
    )
    rebalance_num_images: int = option(100, "how many of them are looked at", minimum=1)


@dataclasses.dataclass(frozen=True)
class ZooOptions:
    """The published files."""

    zoo: bool = option(False, "list the published files and do nothing else")
    zoo_download: str = option("", "fetch the published file of this name and do nothing else")
    zoo_dir: str = option("weights", "folder for it")


CONVERT_OPTIONS: tuple[tuple[type, str], ...] = ((ConvertOptions, ""), (ZooOptions, ""))
"""Options dataclasses of `convert` with the prefix of their flags."""


def fetch_published(name: str, folder: str | os.PathLike[str]) -> Path:
    """Downloads a published file, going on where an earlier call stopped.

    Args:
      name: in `ZOO`.
      folder: where it goes.

    Returns:
      The file's path.

    Raises:
      UsageError: if there is no such name.
      UserError: if the file cannot be fetched, or is not as published.
    """
    file = lookup(ZOO, name, "published file")
    say(f"fetching {file.address}")
    magic = HDF5_MAGIC if file.file_name.endswith(".h5") else b""
    path = download(
        file.address, Path(folder) / file.file_name, Expected(file.size, file.digest, magic)
    )
    say(f"convert it with: --source={path} --network={file.network}")
    return path


def convert_weights(options: ConvertOptions) -> None:
    """Writes the run directory of a published network.

    The folder appears whole or not at all.

    Args:
      options: what is converted, and where to.

    Raises:
      UsageError: if a file or folder is not named, or an override is unknown.
      UserError: if the file does not fit, naming its tensors; or if the folder
        holds something already.
    """
    if not options.source or not options.run_dir:
        raise UsageError("--source and --run_dir must both be given (or --zoo)")
    target = Path(options.run_dir)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} holds something already: choose another --run_dir")
    flag_values = _train_flags(options)
    experiment = read_experiment(flag_values)
    format_name = detect_format(options.source) if options.format == "auto" else options.format
    network = build_network(experiment, build_task(experiment, {}))
    result = _fill(network, options, format_name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        made = Path(folder) / "run"
        _write_run(made, network, experiment, flag_values, result)
        if target.is_dir():
            target.rmdir()
        shutil.move(made, target)
    if result["untouched"]:
        say(f"run directory {target}; train on: tfcolor train --initial_weights={target} ...")
    else:
        say(f"run directory {target}; color with it: tfcolor colorize --model={target} PHOTOGRAPH")


def _train_flags(options: ConvertOptions) -> flags.FlagValues:
    """Returns the flags of `train` that describe the published network."""
    network = PUBLISHED[options.network]
    flag_values = flags.FlagValues()
    for options_class, prefix in TRAIN_OPTIONS:
        define_options(options_class, prefix, flag_values)
    chosen = [f"backbone={network.backbone}"]
    chosen += [f"{network.backbone}_{name}={value}" for name, value in network.options.items()]
    try:
        flag_values(["", *(f"--{flag}" for flag in (*chosen, *options.overrides))])
    except (flags.Error, ValueError) as error:
        raise UsageError(f"--overrides={','.join(options.overrides)}: {error}") from error
    return flag_values


def _fill(network: Network, options: ConvertOptions, format_name: str) -> dict[str, object]:
    """Loads the file and re-balances; returns what `result.json` says of it."""
    published, layout = PUBLISHED[options.network], FORMATS[format_name]
    backbone, head = network.backbone, network.head
    names = layer_names(published, backbone, head, layout)
    comparison, untouched = load_tensors(
        read_tensors(options.source, format_name, names),
        published,
        backbone,
        head,
        layout,
        source=options.source,
        allow_partial=options.allow_partial,
    )
    for line in comparison.table():
        say(line)
    if untouched:
        say(
            f"WARNING: {', '.join(untouched)} got no weights from {options.source} and"
            " start from random ones: TRAIN BEFORE YOU COLORIZE"
        )
    result: dict[str, object] = {
        "steps": 0,
        "source": options.source,
        "network": options.network,
        "matched": len(comparison.matched),
        "untouched": untouched,
    }
    if options.rebalance_images:
        is_trained = bool(published.head) and not set(untouched) & set(published.head.values())
        factors = rebalance(backbone, _views(options), head if is_trained else None)
        say(f"re-balanced; {backbone.last_tap} was multiplied by {factors[backbone.last_tap]:.4g}")
        result["rebalanced"] = factors
    return result


def _views(options: ConvertOptions) -> Iterator[tf.Tensor]:
    """Yields float32 [1, S, S, 1] gray views of evenly spread images."""
    reader = ExampleReader(open_source(options.rebalance_images))
    count = min(options.rebalance_num_images, reader.num_examples)
    for index in track(range(count), "re-balancing", count, "images"):
        image, _ = reader.read(index * reader.num_examples // count)
        yield rgb_to_lightness(center_view(tf.constant(image), VIEW_SIDE, VIEW_CROP))[None]


def _write_run(
    path: Path,
    network: Network,
    experiment: Experiment,
    flag_values: flags.FlagValues,
    result: dict[str, object],
) -> None:
    """Writes what `train` leaves behind, at step 0."""
    directory = RunDirectory(path)
    write_flagfile(directory.flagfile, flag_values, UNRECORDED)
    directory.record_start(tf.distribute.get_strategy(), experiment.training.seed)
    checkpoint = tf.train.Checkpoint(network=network)
    Checkpoints(directory.checkpoints, checkpoint, keep=1, is_chief=True).save(0)
    directory.write_result(result)
