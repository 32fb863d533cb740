"""What a task's head reads of a backbone: maps mixed, normalized and rectified for it."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import tensorflow as tf

from tfcolor.backbones.base import Backbone
from tfcolor.core.errors import UsageError
from tfcolor.layers.batch_norm import TrainableBatchNorm
from tfcolor.layers.unit_mixture import UnitMixture

Value = TypeVar("Value")

ALL = "all"
TOP = "top"


class HeadInput(tf.keras.Model):
    """Prepares the maps of a backbone for one head, with variables of its own.

    Maps that are mixed give one, in place of the last, and are not read
    otherwise. Maps of a backbone with raw taps are then normalized, if it has
    batch norm, and rectified; without this most heads would read sums that grow
    from unit to unit.

    Args:
      backbone: whose maps are read; none of its variables is touched.
      mixed: names of taps of one size, the last tap among them; may be empty.
      penalty: of the mixture; see `UnitMixture`.
      rate: of the mixture's proximal steps; 0 for none.
      is_activated: whether maps are normalized and rectified; False for a head
        that does it itself, or where they are rectified already.
      read_taps: names of the taps that the head reads besides the top; None for all.

    Attributes:
      mixed: as given.
      mixture: the mixing layer, or None.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 3 (lasso), with one batch norm before each head that is not made of
      pre-activation units.
    """

    def __init__(
        self,
        backbone: Backbone,
        mixed: Sequence[str],
        penalty: float,
        rate: float = 0.0,
        *,
        is_activated: bool,
        read_taps: Collection[str] | None = None,
    ) -> None:
        super().__init__(name="head_input", autocast=False)
        self.mixed = tuple(mixed)
        self.mixture = UnitMixture(len(mixed), penalty, rate, name="mixture") if mixed else None
        self.last = list(backbone.tap_channels)[-1]
        self.is_activated = is_activated
        self.kept = {
            name: channels
            for name, channels in readable_taps(backbone.tap_channels, mixed).items()
            if read_taps is None or name in (*read_taps, self.last)
        }
        self.norms = {}
        options = backbone.options
        if is_activated and options.use_batch_norm:
            for name, channels in self.kept.items():
                self.norms[name] = TrainableBatchNorm(
                    options.batch_norm_statistics,
                    options.synchronize_batch_norm,
                    use_ramp=True,
                    name=f"{name}_batch_norm",
                )
                self.norms[name].build([None, channels])

    def call(
        self, features: Mapping[str, tf.Tensor], training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Prepares the maps.

        Args:
          features: of the backbone: float [B, h, w, C] maps by tap name, and the
            `top`, [B, h, w, C] or the average [B, C]; the last maps may be [B, C]
            too.
          training: whether batch norm uses the statistics of the batch.

        Returns:
          Those that the head reads, not what is mixed into the last map; the top is
          the last map, or its average.
        """
        maps = {name: features[name] for name in self.kept if name in features}
        if self.mixture is not None:
            maps[self.last] = self.mixture([features[name] for name in self.mixed])
        if self.is_activated:
            maps = {name: self._activate(name, value, training) for name, value in maps.items()}
        top = maps[self.last]
        if features[TOP].shape.rank < top.shape.rank:
            top = tf.reduce_mean(top, axis=[1, 2])
        return {**maps, TOP: top}

    def _activate(self, name: str, values: tf.Tensor, training: bool) -> tf.Tensor:
        """Rectifies a map, after batch norm if there is one."""
        if name in self.norms:
            values = self.norms[name](values, training=training)
        return tf.nn.relu(values)


def readable_taps(taps: Mapping[str, Value], mixed: Sequence[str]) -> dict[str, Value]:
    """Returns what is left to the head of taps, or of what belongs to them.

    Args:
      taps: by name, with or without the "top".
      mixed: names of those that are mixed into the last of them.

    Returns:
      All but those that are mixed into another, in order.

    Example:
      >>> readable_taps({"conv1": 1, "unit1": 2, "unit2": 3, "top": 3}, ("unit1", "unit2"))
      {'conv1': 1, 'unit2': 3, 'top': 3}
    """
    return {name: value for name, value in taps.items() if name not in mixed[:-1]}


def mixable_taps(backbone: Backbone, names: Sequence[str]) -> tuple[str, ...]:
    """Returns the taps that `--mixed_taps` names, in the backbone's order.

    Args:
      backbone: any.
      names: of taps, or `ALL` for those that can be mixed with the last.

    Returns:
      Taps of the last one's stride, center and channels, and the last among them.

    Raises:
      UsageError: if one is not there or of another size, or the top is neither
        the last map nor its average.
    """
    size = backbone.canonical_size
    *_, last = taps = list(backbone.taps(size, size).values())
    if backbone.top_features != last.channels:
        raise UsageError(
            f"--mixed_taps: expected none, since the top of {backbone.name} is no average of a map"
        )
    equal = [
        tap.name
        for tap in taps
        if (tap.stride, tap.offset, tap.channels) == (last.stride, last.offset, last.channels)
    ]
    chosen = equal if tuple(names) == (ALL,) else names
    for name in chosen:
        if name not in equal:
            raise UsageError(
                f"--mixed_taps={','.join(names)}: {name!r} is not of the size of {last.name};"
                f" expected {ALL}, or some of {', '.join(equal)}"
            )
    return tuple(name for name in equal if name in {*chosen, last.name})
