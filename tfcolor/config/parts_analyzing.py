"""The analyses of networks of parts (chapter 1) from their flags."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from absl import flags

from tfcolor.analysis import (
    class_mixtures,
    feature_transformation,
    part_pictures,
    permutations,
    variations,
)
from tfcolor.analysis.class_mixtures import NamedArrays, show_class_mixtures
from tfcolor.analysis.feature_transformation import (
    TurnableNetwork,
    TurnOptions,
    show_feature_transformation,
)
from tfcolor.analysis.findings import Findings
from tfcolor.analysis.part_pictures import NamedParts, PartPicturesOptions, show_parts
from tfcolor.analysis.permutations import PermutationsOptions, show_permutations
from tfcolor.analysis.variations import VariationsOptions, show_variations
from tfcolor.config.fitting import middle_squares
from tfcolor.config.flags import read_options
from tfcolor.config.parts_runs import (
    PARTS_FILE,
    load_arrays,
    load_fit_experiment,
    load_fitted_network,
)
from tfcolor.core.errors import UsageError
from tfcolor.data.arrays import gather_images
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.opening import split_places
from tfcolor.parts.learning import Parts

PARTS_ANALYZE_OPTIONS: tuple[tuple[type, str], ...] = (
    (VariationsOptions, ""),
    (PartPicturesOptions, ""),
    (TurnOptions, "turn_"),
    (PermutationsOptions, "permutations_"),
)
"""Options dataclasses of these analyses with the prefix of their flags."""


class Subjects(NamedTuple):
    """What an analysis looks at.

    Attributes:
      models: folders of runs, as many as the analysis takes.
      images: places of images, as in --images; may be empty.
    """

    models: tuple[str, ...]
    images: str


def open_all(images: str) -> ExampleReader:
    """Opens images without setting any aside; raises UserError if there are none."""
    return open_readers(DataOptions(images=images, heldout_fraction=0.0))["train"]


def open_set_aside(data: DataOptions, model: str) -> ExampleReader:
    """Opens the images that a run set aside.

    Args:
      data: where the run's images come from.
      model: the run's folder.

    Returns:
      The images.

    Raises:
      UsageError: if it set none aside.
      UserError: if there are none at that place.
    """
    readers = open_readers(data)
    if "heldout" not in readers:
        raise UsageError(f"--images is not given, and {model} set no images aside")
    return readers["heldout"]


def _show_variations(subjects: Subjects, flag_values: flags.FlagValues) -> Findings:
    """Opens every place by itself."""
    if not subjects.images:
        raise UsageError(
            f"--images is not given: {variations.NAME} shows a row for each of its places"
        )
    places = split_places(subjects.images)
    readers = {place: open_all(place) for place in places}
    return show_variations(readers, read_options(VariationsOptions, "", flag_values))


def _show_parts(subjects: Subjects, flag_values: flags.FlagValues) -> Findings:
    """Loads the parts of runs, which need no classifier."""
    runs = []
    for model in subjects.models:
        load_fit_experiment(model)  # refuses what is no run of fit_parts
        arrays = load_arrays(Path(model) / PARTS_FILE)
        runs.append(NamedParts(model, Parts.from_arrays(arrays)))
    return show_parts(runs, read_options(PartPicturesOptions, "", flag_values))


def _show_feature_transformation(subjects: Subjects, flag_values: flags.FlagValues) -> Findings:
    """Loads a network and as many images as it is to turn."""
    options = read_options(TurnOptions, "turn_", flag_values)
    (model,) = subjects.models
    fitted = load_fitted_network(model)
    data = fitted.experiment.data
    reader = open_all(subjects.images) if subjects.images else open_set_aside(data, model)
    count = min(max(options.num_images, options.image + 1), reader.num_examples)
    images, _ = gather_images(reader, count, channels=fitted.network.input_channels)
    turned = TurnableNetwork(
        model, fitted.network, fitted.experiment.pool, fitted.arrays["pictures"]
    )
    return show_feature_transformation(turned, middle_squares(images), options)


def _show_class_mixtures(subjects: Subjects, flag_values: flags.FlagValues) -> Findings:
    """Loads the pictures of classes."""
    del flag_values
    runs = [NamedArrays(model, load_fitted_network(model).arrays) for model in subjects.models]
    return show_class_mixtures(runs)


def _show_permutations(subjects: Subjects, flag_values: flags.FlagValues) -> Findings:
    """Needs neither runs nor images."""
    del subjects
    return show_permutations(read_options(PermutationsOptions, "permutations_", flag_values))


PARTS_ANALYSES: Mapping[str, Callable[[Subjects, flags.FlagValues], Findings]] = {
    variations.NAME: _show_variations,
    part_pictures.NAME: _show_parts,
    feature_transformation.NAME: _show_feature_transformation,
    class_mixtures.NAME: _show_class_mixtures,
    permutations.NAME: _show_permutations,
}
"""What makes each of the figures of chapter 1, by name."""
