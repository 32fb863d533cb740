"""What excites the features of a network: patches around their top activations."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcolor.analysis.figures import PatchBlock, draw_patch_sheet
from tfcolor.analysis.findings import Findings
from tfcolor.analysis.observation import ObservedNetwork, Views
from tfcolor.analysis.patches import Patch, color_consistency, cut_patch, readable_patch_size
from tfcolor.analysis.strongest import SELECTIONS, Activation, StrongestActivations
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option

NAME = "top_activations"
KEYS = ("model", "other_model")
"""Under which the JSON file has what belongs to the first and to the second network."""


@dataclasses.dataclass(frozen=True)
class TopActivationsOptions:
    """Which features top_activations shows, and how."""

    tap: str = option("", "the layer to look at; empty takes the last one")
    features: tuple[int, ...] = option(
        (), "numbers of the features, from 0; empty chooses by --selection", minimum=0
    )
    num_features: int = option(8, "how many features to choose", minimum=1)
    selection: str = option(
        "selective",
        "how to choose features: by how far their top activations stand above their strongest"
        " activation in a photograph on average (selective), or by their mean (active)",
        choices=SELECTIONS,
    )
    num_patches: int = option(9, "photographs for each feature", minimum=1)
    patch_size_px: int = option(
        0,
        "side of a patch; 0 takes the receptive field, but at least 32 and at most 160",
        minimum=0,
    )
    border_px: int = option(
        16,
        "activations count only if their receptive field is centered at least so far from the"
        " border of the photograph, near which padding distorts them; 0 lets all count",
        minimum=0,
    )


def show_top_activations(
    networks: Sequence[ObservedNetwork], views: Views, options: TopActivationsOptions
) -> Findings:
    """Cuts patches around the strongest activations of some features.

    The patches have the photographs' own colors even if the network sees gray: a
    feature whose patches agree in color is predictive of color.

    Args:
      networks: one, or two to show the same features of both side by side. The
        first one decides on features that are not given.
      views: photographs held out from training.
      options: layer, features and patches.

    Returns:
      `features`, each with its `activity` and `selectivity` and, by network
      (`model`, `other_model`), `patches` (photograph, row and column in its
      pixels, value) and the figures of `color_consistency`.

    Raises:
      UsageError: if there is no such layer or feature.
      UserError: if the border leaves no cell in any photograph.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, figures 3.2 and 3.5.
    """
    name = options.tap or list(networks[0].taps)[-1]
    _check_features(networks, name, options.features)
    size = options.patch_size_px or readable_patch_size(networks[0].backbone, name)
    found = [_search(network, name, views, options) for network in networks]
    features = list(options.features) or found[0].choose(options.num_features, options.selection)
    if not features:
        raise UserError(f"no feature of {name} of {networks[0].name} ever changes: nothing to show")
    rows = [_describe(found[0], feature) for feature in features]
    blocks = []
    for key, network, strongest in zip(KEYS, networks, found, strict=False):
        chosen = [strongest.of(feature) for feature in features]
        patches, places = _cut_patches(network, name, views, chosen, size)
        for row, cut, where in zip(rows, patches, places, strict=True):
            row[key] = {**color_consistency(cut), "patches": where}
        blocks.append(PatchBlock(network.name, patches))
    return Findings(
        name=NAME,
        numbers={
            "analysis": NAME,
            **{key: network.name for key, network in zip(KEYS, networks, strict=False)},
            "tap": name,
            "selection": "given" if options.features else options.selection,
            "num_images": found[0].num_images,
            "patch_size_px": size,
            "border_px": options.border_px,
            "features": rows,
        },
        figure=draw_patch_sheet(name, features, blocks, options.num_patches),
        scalars=_scalars(rows),
        headline=f"features {', '.join(map(str, features))} of {name} over "
        f"{found[0].num_images} images",
    )


def _check_features(
    networks: Sequence[ObservedNetwork], name: str, features: Sequence[int]
) -> None:
    """Raises UsageError unless every network has the layer and the features."""
    for network in networks:
        count = lookup(network.taps, name, f"tap of {network.name}").channels
        for feature in features:
            if feature >= count:
                raise UsageError(
                    f"--features={feature}: {name} of {network.name} has features 0 to {count - 1}"
                )
    channels = [network.taps[name].channels for network in networks]
    if len(set(channels)) > 1:
        raise UsageError(
            f"--tap={name}: {' and '.join(map(str, channels))} features, which do not correspond"
        )


def _search(
    network: ObservedNetwork, name: str, views: Views, options: TopActivationsOptions
) -> StrongestActivations:
    """Finds the strongest activations of every feature of a layer."""
    channels = network.taps[name].channels
    strongest = StrongestActivations(channels, options.num_patches, options.border_px)
    observe = network.observe([name])
    for view in views:
        features = observe(view.rgb)[name][0].numpy()
        strongest.update(view.position, features, network.geometry(name, view.size), view.size)
    if not strongest.num_images:
        raise UserError(
            f"--border_px={options.border_px}: no cell of {name} lies so far from the border of"
            " any photograph; expected less"
        )
    return strongest


def _cut_patches(
    network: ObservedNetwork,
    name: str,
    views: Views,
    chosen: Sequence[Sequence[Activation]],
    size: int,
) -> tuple[list[list[Patch]], list[list[dict[str, Any]]]]:
    """Returns the patches of each feature and where they lie; reads a photograph once."""
    wanted: dict[int, list[tuple[int, int]]] = {}
    for row, activations in enumerate(chosen):
        for rank, activation in enumerate(activations):
            wanted.setdefault(activation.position, []).append((row, rank))
    cut: dict[tuple[int, int], tuple[Patch, dict[str, Any]]] = {}
    for position, targets in wanted.items():
        view = views.read(position)
        pixels, tap = view.pixels, network.geometry(name, view.size)
        for row, rank in targets:
            activation = chosen[row][rank]
            center = tuple(
                tap.stride * cell + float(offset)
                for cell, offset in zip(activation.cell, tap.offset, strict=True)
            )
            place = np.round(view.to_full_size((center[0], center[1])), 2).tolist()
            where = {"image": view.name, "row": place[0], "column": place[1]}
            patch = cut_patch(pixels, (center[0], center[1]), size)
            cut[row, rank] = patch, {**where, "value": activation.value}
    cells = [[cut[row, rank] for rank in range(len(one))] for row, one in enumerate(chosen)]
    return (
        [[patch for patch, _ in row] for row in cells],
        [[where for _, where in row] for row in cells],
    )


def _describe(strongest: StrongestActivations, feature: int) -> dict[str, Any]:
    """Returns the figures of a feature by which it may have been chosen."""
    return {
        "feature": feature,
        "activity": float(strongest.activity[feature]),
        "selectivity": float(strongest.selectivity[feature]),
    }


def _scalars(rows: Sequence[dict[str, Any]]) -> list[tuple[str, int, float]]:
    """Returns the colors of each feature by its number, for each network."""
    tags = ("hue_variance", "color_spread", "mean_chroma")
    return [
        (f"{key}/{tag}", row["feature"], row[key][tag])
        for row in rows
        for key in KEYS
        for tag in tags
        if key in row
    ]
