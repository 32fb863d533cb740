"""Networks that are one chain of convolutions and pools, declared as data."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tfcolor.backbones.base import Backbone, BackboneOptions, Visitor
from tfcolor.backbones.stages import Conv, Pool, keep_apart, scale_width, with_top
from tfcolor.core.columns import WHOLE, parse_column
from tfcolor.core.errors import UsageError
from tfcolor.core.features import UNRECTIFIED_TOP
from tfcolor.core.options import option
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Scalar, Tap, Window, compose_tap
from tfcolor.layers.batch_norm import ParameterFreeBatchNorm
from tfcolor.layers.convolution import Convolution
from tfcolor.layers.dropout import StatelessDropout
from tfcolor.layers.front_end import FRONT_ENDS


@dataclasses.dataclass(frozen=True)
class ChainOptions(BackboneOptions):
    """Options of every chain network."""

    padding: str = option(
        "zero",
        "what a convolution sees beyond the border: 0, or the previous layer's rectified bias",
        choices=("zero", "bias"),
    )
    column: str = option(
        "",
        "the network is one of several columns side by side, as 0/4 for the first of four: its "
        "layers have that share of all channels; empty for all of the network",
    )
    top_channels: int = option(
        0, "channels of the last convolution; 0 for those of its width", minimum=0
    )
    front_end: str = option(
        "none",
        "what is computed from images first: sobel leaves the gradients of their gray form,"
        " split_lab makes two networks side by side of which one sees the lightness and the other"
        " one the color",
        choices=tuple(FRONT_ENDS),
    )


@dataclasses.dataclass(frozen=True)
class FullyConnectedOptions(ChainOptions):
    """Options of chain networks that end in fully connected layers."""

    dropout_rate: float = option(
        0.5, "probability of dropping a feature of fc6 and fc7", minimum=0, maximum=0.99
    )


class ChainBackbone(Backbone):
    """A network declared as a chain of `Conv` and `Pool` stages.

    The top of the convolutional mode is the last convolution's map. That of the
    canonical mode is what all stages give, flattened to [B, D]; with it comes
    `UNRECTIFIED_TOP`, which leaves out the last nonlinearity and dropout.

    With the padding "bias" a convolution sees `max(b, 0)` of the convolution
    before it beyond the border, as where that one's input is 0; pools and
    response normalization in between are ignored, and the first convolution
    sees 0. Gradients also flow into that bias through the padding.

    Args:
      name: name of the network.
      input_tap: name under which the prepared input is tapped.
      stages: the layers in order.
      options: shared options.
      input_channels: channels of the images.
      seed: every initial kernel and every dropout mask derives from it, and from
        the column.

    Raises:
      UsageError: if `options` ask for the padding "bias" with batch norm, after
        which the bias is not what a layer gives, or for a column of a network
        with grouped convolutions, or of more columns than a layer has channels,
        or for a front end that needs images in color where they are gray.
    """

    stops_early = False
    """Whether the canonical mode ends before a fully connected layer that the
    map does not fit, instead of raising an error."""

    def __init__(
        self,
        name: str,
        input_tap: str,
        stages: tuple[Conv | Pool, ...],
        options: ChainOptions,
        input_channels: int,
        seed: int,
    ) -> None:
        super().__init__(input_channels, name, options.input_mean)
        if options.padding == "bias" and options.use_batch_norm:
            raise UsageError(
                f"--{name}_padding=bias: batch norm cancels the biases; expected "
                f"--{name}_use_batch_norm=false, from the start or after absorption"
            )
        self.options = options
        self.input_tap = input_tap
        self.front_end = FRONT_ENDS[options.front_end]
        if self.front_end.needs_color and input_channels != 3:
            raise UsageError(
                f"--{name}_front_end={options.front_end}: expected a task on images in color"
            )
        self.column = parse_column(options.column, f"{name}_column")
        stages = tuple(scale_width(stage, options.width_multiplier) for stage in stages)
        stages = tuple(keep_apart(stage, self.front_end.num_columns) for stage in stages)
        stages = stages if self.column == WHOLE else self._narrow(stages)
        self.stages = with_top(stages, options.top_channels)
        self._input_features = self.front_end.channels or input_channels
        channels, self.last_tap = self._input_features, input_tap
        for stage in self.stages:
            if isinstance(stage, Conv):
                self._build_stage(stage, channels, seed)
                channels, self.last_tap = stage.channels, stage.name

    @property
    def tap_channels(self) -> dict[str, int]:
        """Channels of each tap by name, from the input to the last layer."""
        convolutions = [stage for stage in self.stages if isinstance(stage, Conv)]
        channels = {stage.name: stage.channels for stage in convolutions}
        return {self.input_tap: self._input_features, **channels}

    @property
    def top_features(self) -> int:
        """Features of the canonical mode's top, [B, D]."""
        return self._top_side**2 * self.tap_channels[self.last_tap]

    def taps(self, height: Scalar, width: Scalar) -> dict[str, Tap]:
        """Returns the geometry of each map of the convolutional mode.

        Args:
          height: rows of the image, an int or a scalar int32 tensor.
          width: columns of the image, likewise.

        Returns:
          Taps by name, from the input to the last layer. Taps of equal geometry
          share their offset.
        """
        geometry = compose_tap(self.input_tap, 0, [], (height, width), self.options.tap_alignment)
        taps = {self.input_tap: dataclasses.replace(geometry, channels=self._input_features)}
        windows: list[Window] = []
        for stage in self.stages:
            window = Window(stage.kernel, stage.stride)
            # An odd window of stride 1 moves no center: the previous geometry
            # holds, and its offset can be recognized as the same tensor.
            if window.stride > 1 or window.kernel % 2 == 0:
                windows.append(window)
                geometry = compose_tap("", 0, windows, (height, width), self.options.tap_alignment)
            if isinstance(stage, Conv):
                taps[stage.name] = dataclasses.replace(
                    geometry, name=stage.name, channels=stage.channels
                )
        return taps

    def prepare(self, images: tf.Tensor) -> tf.Tensor:
        """Returns what the first layer reads.

        Args:
          images: float32 [B, H, W, input_channels] in [0, 1].

        Returns:
          float32 [B, H, W, C], what the front end gives.
        """
        compute = self.front_end.compute
        return super().prepare(images) if compute is None else compute(images)

    def activations(
        self,
        inputs: tf.Tensor,
        seeds: tf.Tensor | None,
        training: bool,
        convolutional: bool,
        visitor: Visitor,
    ) -> dict[str, tf.Tensor]:
        """Computes the named activations of prepared images.

        Args:
          inputs: float [B, H, W, C] of the compute dtype.
          seeds: int64 [B, 2], one stateless seed per example, or None.
          training: whether dropout and batch statistics are on.
          convolutional: as for `call`.
          visitor: called with each named activation as soon as it is made.

        Returns:
          As for `call`.

        Raises:
          ValueError: if the canonical mode gets images of another size.
        """
        current = linear = visitor(self.input_tap, inputs)
        activations = {self.input_tap: current}
        for stage in self.stages:
            padding = "SAME" if convolutional else stage.canonical_padding
            if isinstance(stage, Pool):
                start = 0 if convolutional else stage.canonical_start
                current = _pool(current[:, start:, start:], stage, padding)
                if not convolutional:  # a max pool before or after a ReLU is the same
                    linear = _pool(linear[:, start:, start:], stage, padding)
            elif convolutional or not self._ends_before(stage, current):
                linear = self._convolve(current, stage, padding, training)
                current = self._rectify(linear, stage, seeds, training)
                current = activations[stage.name] = visitor(stage.name, current)
            else:
                return {**activations, UNRECTIFIED_TOP: linear, "top": current}
        if convolutional:
            return {**activations, "top": activations[self.last_tap]}
        for stage in self.stages:
            if isinstance(stage, Conv) and stage.is_fully_connected:
                activations[stage.name] = tf.squeeze(activations[stage.name], [1, 2])
        tops = {UNRECTIFIED_TOP: self._collapse(linear), "top": self._collapse(current)}
        return {**activations, **tops}

    @property
    def _top_side(self) -> int:
        """Cells along a side of what all stages of the canonical mode give."""
        side = self.canonical_size
        for stage in self.stages:
            side -= stage.canonical_start if isinstance(stage, Pool) else 0
            side = Window(stage.kernel, stage.stride, stage.canonical_padding).output_size(side)
        return side

    def _narrow(self, stages: Sequence[Conv | Pool]) -> tuple[Conv | Pool, ...]:
        """Returns the layers of one column; it sees all channels of the images."""
        convolutions = [stage for stage in stages if isinstance(stage, Conv)]
        flag = f"--{self.name}_column={self.options.column}"
        if any(stage.groups > 1 for stage in convolutions):
            raise UsageError(f"{flag}: expected none, since some convolutions have groups")
        narrowest = min(convolutions, key=lambda stage: stage.channels)
        if narrowest.channels < self.column.count:
            raise UsageError(f"{flag}: {narrowest.name} has only {narrowest.channels} channels")
        return tuple(
            dataclasses.replace(stage, channels=self.column.width(stage.channels))
            if isinstance(stage, Conv)
            else stage
            for stage in stages
        )

    def _build_stage(self, stage: Conv, in_channels: int, seed: int) -> None:
        """Creates a convolution's layers and variables."""
        name, origin = stage.name, f"{self.name}/{stage.name}"
        if self.column != WHOLE:
            origin += f"/column {self.column.index} of {self.column.count}"
        kernel_seed = derive_seed(seed, f"{origin}/kernel")
        if self.options.use_batch_norm:
            initializer = tf.keras.initializers.GlorotUniform(kernel_seed)
            self.batch_norms[name] = ParameterFreeBatchNorm(
                self.options.batch_norm_statistics,
                self.options.synchronize_batch_norm,
                name=f"{name}_batch_norm",
            )
            self.batch_norms[name].build([None, stage.channels])
        else:
            initializer = tf.keras.initializers.HeNormal(kernel_seed)
        self.convolutions[name] = Convolution(
            stage.channels, stage.kernel, stage.stride, stage.groups, initializer, name=name
        )
        self.convolutions[name].build([None, None, None, in_channels])
        if stage.dropout_rate is not None:
            self.dropouts[name] = StatelessDropout(
                stage.dropout_rate,
                derive_seed(seed, f"{origin}/dropout"),
                name=f"{name}_dropout",
            )

    def _convolve(
        self,
        current: tf.Tensor,
        stage: Conv,
        padding: str,
        training: bool,
    ) -> tf.Tensor:
        """Applies one convolution and its batch norm."""
        edge = self._edge(stage.name)
        current = self.convolutions[stage.name](current, padding=padding, edge=edge)
        if stage.name in self.batch_norms:
            current = self.batch_norms[stage.name](current, training=training)
        return current

    def _rectify(
        self, linear: tf.Tensor, stage: Conv, seeds: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Applies the nonlinearity of a convolution and its dropout."""
        current = tf.nn.relu(linear)
        if stage.name in self.dropouts:
            current = self.dropouts[stage.name](current, seeds=seeds, training=training)
        return current

    def _edge(self, name: str) -> tf.Tensor | None:
        """Returns what a convolution's padding holds, float [C]; None for 0."""
        names = list(self.convolutions)
        before = names.index(name) - 1
        if self.options.padding == "zero" or before < 0:
            return None
        return tf.nn.relu(self.convolutions[names[before]].bias)

    def _ends_before(self, stage: Conv, current: tf.Tensor) -> bool:
        """Says whether the canonical mode ends because a map does not collapse."""
        height, width = current.shape[1:3]
        if not stage.is_fully_connected or height == width == stage.kernel:
            return False
        if not self.stops_early:
            raise self._wrong_size(f"{stage.name} gets", current)
        return True

    def _collapse(self, current: tf.Tensor) -> tf.Tensor:
        """Flattens the last map of the canonical mode to [B, D]."""
        if list(current.shape[1:3]) != [self._top_side] * 2:
            raise self._wrong_size("the top is", current)
        return tf.reshape(current, [-1, self.top_features])

    def _wrong_size(self, place: str, current: tf.Tensor) -> ValueError:
        """Returns the error that a map does not come from the canonical size."""
        (height, width), size = current.shape[1:3], self.canonical_size
        return ValueError(
            f"{self.name}: {place} a {height}x{width} map; with "
            f"convolutional=False images must be {size}x{size}"
        )


def _pool(current: tf.Tensor, stage: Pool, padding: str) -> tf.Tensor:
    """Applies one max pool, after local response normalization if declared."""
    if stage.use_lrn:
        # alpha is per channel here; Caffe's 1e-4 is divided by its window of 5.
        current = tf.nn.local_response_normalization(
            current, depth_radius=2, bias=1.0, alpha=2e-5, beta=0.75
        )
    return tf.nn.max_pool2d(current, stage.kernel, stage.stride, padding)
