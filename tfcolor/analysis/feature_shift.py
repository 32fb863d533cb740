"""How much the features of a network change when it is trained further."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tfcolor.analysis.correlation import PairedMoments
from tfcolor.analysis.figures import draw_feature_shift
from tfcolor.analysis.findings import Findings
from tfcolor.analysis.observation import ObservedNetwork, View
from tfcolor.core.errors import UserError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option

NAME = "feature_shift"
NUM_LISTED = 5
"""Features of each layer that are listed as the most and the least alike."""


@dataclasses.dataclass(frozen=True)
class FeatureShiftOptions:
    """Which activations feature_shift compares."""

    taps: tuple[str, ...] = option((), "layers to compare; empty takes all that both networks have")
    positions_per_image: int = option(
        0, "places of each map, drawn anew for each image; 0 for all", minimum=0
    )
    positions_seed: int = option(0, "draws the places", minimum=0)


def measure_feature_shift(
    before: ObservedNetwork,
    after: ObservedNetwork,
    views: Iterable[View],
    options: FeatureShiftOptions,
) -> Findings:
    """Correlates every feature before training further with itself after.

    Both networks look at the same photographs, each in gray or in color as it
    was trained. Features that never change in one of them are dead: they have no
    correlation and are counted instead.

    Args:
      before: the network as it was.
      after: the network as it became; it may have more layers.
      views: photographs held out from training.
      options: layers and places.

    Returns:
      `layers`, in order of depth, with the `median` and the quartiles of the
      correlations, `num_features`, how many are dead before, after and in
      either, the `correlations` (null where dead), and the features that
      changed least and most.

    Raises:
      UsageError: if a layer is in neither network or in one only.
      UserError: if no layer can be compared.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, figure 3.3.
    """
    names = shared_taps(before, after, options.taps)
    moments = {name: PairedMoments(before.taps[name].channels) for name in names}
    observers = before.observe(names), after.observe(names)
    num_images = 0
    for view in views:
        maps = [observe(view.rgb) for observe in observers]
        generator = np.random.default_rng([options.positions_seed, view.position])
        for name in names:
            first, second = (one[name].numpy().reshape(-1, one[name].shape[-1]) for one in maps)
            places = _draw_places(len(first), options.positions_per_image, generator)
            moments[name].update(first[places], second[places])
        num_images += 1
    layers = [_summarize(name, moments[name]) for name in names]
    return Findings(
        name=NAME,
        numbers={
            "analysis": NAME,
            "model": before.name,
            "other_model": after.name,
            "num_images": num_images,
            "layers": layers,
        },
        figure=draw_feature_shift(layers, f"From {before.name} to {after.name}"),
        scalars=_scalars(layers),
        headline=_headline(layers, num_images),
    )


def shared_taps(
    before: ObservedNetwork, after: ObservedNetwork, chosen: Sequence[str] = ()
) -> list[str]:
    """Returns the layers that two networks can be compared by.

    Args:
      before: one network.
      after: the other.
      chosen: the names of the layers wanted; none for all that both have.

    Returns:
      Names in order of depth, without that of the image itself unless chosen.

    Raises:
      UsageError: if a chosen one is not in both.
      UserError: if a chosen one has other features in the other network, or if
        there is none to compare.
    """
    for name in chosen:
        for network in (before, after):
            lookup(network.taps, name, f"tap of {network.name}")
        if not _is_alike(before, after, name):
            one, other = before.taps[name], after.taps[name]
            raise UserError(
                f"tap {name} has {one.channels} features at stride {one.stride} in {before.name}, "
                f"{other.channels} at stride {other.stride} in {after.name}: they do not correspond"
            )
    names = chosen or [name for name in before.layers if name in after.layers]
    shared = [name for name in before.taps if name in names and _is_alike(before, after, name)]
    if not shared:
        raise UserError(
            f"{before.name} and {after.name} have no layer of the same name and size in common: "
            f"{', '.join(before.layers)} and {', '.join(after.layers)}"
        )
    return shared


def _is_alike(before: ObservedNetwork, after: ObservedNetwork, name: str) -> bool:
    """Tells whether the maps of a tap have the same shape in both networks."""
    one, other = before.taps[name], after.taps[name]
    return (one.channels, one.stride) == (other.channels, other.stride)


def _draw_places(count: int, wanted: int, generator: np.random.Generator) -> np.ndarray | slice:
    """Returns which of `count` places to compare, without repetition."""
    if not 0 < wanted < count:
        return slice(None)
    return generator.choice(count, wanted, replace=False)


def _summarize(name: str, moments: PairedMoments) -> dict[str, Any]:
    """Returns the figures of one layer."""
    correlations = moments.correlation()
    alive = np.flatnonzero(np.isfinite(correlations))
    order = alive[np.argsort(-correlations[alive], kind="stable")]
    quartiles = [float("nan")] * 3
    if alive.size:
        quartiles = np.percentile(correlations[alive], (25, 50, 75)).tolist()
    dead_before, dead_after = moments.is_dead
    return {
        "layer": name,
        "num_features": len(correlations),
        "num_dead": int((dead_before | dead_after).sum()),
        "num_dead_before": int(dead_before.sum()),
        "num_dead_after": int(dead_after.sum()),
        "num_positions": moments.num_samples,
        "lower_quartile": quartiles[0],
        "median": quartiles[1],
        "upper_quartile": quartiles[2],
        "least_changed": order[:NUM_LISTED].tolist(),
        "most_changed": order[::-1][:NUM_LISTED].tolist(),
        "correlations": correlations.tolist(),
    }


def _scalars(layers: Sequence[dict[str, Any]]) -> list[tuple[str, int, float]]:
    """Returns the figures of each layer by its depth."""
    tags = ("median", "lower_quartile", "upper_quartile", "num_dead")
    return [(tag, depth, layer[tag]) for depth, layer in enumerate(layers) for tag in tags]


def _headline(layers: Sequence[dict[str, Any]], num_images: int) -> str:
    """Returns the medians of the first and the last layer in words."""
    ends = [f"{layer['median']:.3f} ({layer['layer']})" for layer in (layers[0], layers[-1])]
    return f"median correlation {ends[0]} to {ends[1]} over {num_images} images"
