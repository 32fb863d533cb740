"""Keeping the lower layers of a backbone as they are while the rest is trained."""

from tfcolor.backbones.base import BEFORE, Backbone
from tfcolor.core.errors import UsageError

TOP = "top"
"""Stands for the last tap."""


def freeze_through(backbone: Backbone, tap: str) -> None:
    """Keeps all layers up to a tap from being trained, in place.

    Their variables leave `trainable_variables`. Batch norm among them normalizes
    with its moving statistics and no longer updates them; dropout stays on. To be
    called before the first training step is traced.

    Args:
      backbone: a chain or residual network, with or without blocks above it.
      tap: the last tap to be frozen. That of the input freezes nothing, "top"
        everything.

    Raises:
      UsageError: if there is no such tap; the message lists those there are.
    """
    taps = list(backbone.tap_channels)
    if tap not in (*taps, TOP):
        raise UsageError(f"cannot freeze through {tap!r}: expected one of {', '.join(taps)}, {TOP}")
    below = set(taps if tap == TOP else taps[: taps.index(tap) + 1])
    names = list(backbone.convolutions)
    ends = [index for index, name in enumerate(names) if _tap_of(name, taps) in below]
    for name in names[: max(ends, default=-1) + 1]:
        backbone.convolutions[name].trainable = False
        for norm in {name, name + BEFORE} & backbone.batch_norms.keys():
            backbone.batch_norms[norm].trainable = False


def _tap_of(name: str, taps: list[str]) -> str | None:
    """Returns the tap that ends with a convolution: its own, or that of its block."""
    return next((tap for tap in taps if name == tap or name.startswith(f"{tap}_")), None)
