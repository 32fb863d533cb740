"""Images reconstructed from the features of a backbone."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.heads.decoder_stages import DecodingStage, choose_stages
from tfcolor.layers.dropout import StatelessDropout

CODE = "code"
"""The entry to the decoder that all layers of the encoder lead to."""


@dataclasses.dataclass(frozen=True)
class DecoderOptions:
    """How a decoder is built.

    Args:
      shortcuts: taps from which an image is reconstructed too.
      embedding_size: features of a code behind the top; 0 takes the top itself.
      is_variational: whether the code is drawn from a distribution.
      use_ladder: whether the decoded features are compared with the encoder's.
      dropout_rate: probability of dropping a feature that enters.
      use_batch_norm: whether every stage but the image is normalized.
      sigmoid_outputs: which reconstructions pass a sigmoid: "none", "shortcuts"
        or "all".
    """

    shortcuts: tuple[str, ...] = ()
    embedding_size: int = 0
    is_variational: bool = False
    use_ladder: bool = False
    dropout_rate: float = 0.0
    use_batch_norm: bool = True
    sigmoid_outputs: str = "none"


class DecoderHead(tf.keras.Model):
    """Reconstructs images from the top of a backbone and from other taps.

    For the canonical mode of a backbone. What a tap holds enters the decoder at
    the stage below the one of its name, and goes through the stages that are
    left; their weights are those of all entries.

    Args:
      taps: of the encoder, with the channels of each.
      options: entries, code and normalization.
      seed: initial kernels, dropout masks and the noise of a variational code
        derive from it.

    Raises:
      UsageError: if there is no decoder for these taps.
      ValueError: if a shortcut is not one of `shortcut_taps`, or given twice.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, equations 1.10 to 1.12.
    """

    def __init__(self, taps: Mapping[str, Tap], options: DecoderOptions, *, seed: int) -> None:
        super().__init__(name="decoder_head", autocast=False)
        self.options = options
        stages = choose_stages(taps)
        allowed = shortcut_taps(taps, options.embedding_size)
        if len(set(options.shortcuts) & set(allowed)) < len(options.shortcuts):
            raise ValueError(
                f"shortcuts={options.shortcuts}; expected some of {allowed}, each once"
            )
        self.stage_names = [stage.name for stage in stages]
        starts = {tap: self.stage_names.index(tap) + 1 for tap in options.shortcuts}
        self.starts = {CODE: 0 if options.embedding_size else 1, **starts}
        code_size = self._build_code(taps[self.stage_names[0]].channels, seed)
        sizes = [code_size, *(taps[name].channels for name in self.stage_names)]
        last = len(stages) - 1
        self.stages = {
            stage.name: DecodingStage(
                stage,
                sizes[index],
                sizes[index + 1],
                entries=self._entries_through(index) if options.use_batch_norm else (),
                is_image=index == last,
                seed=seed,
            )
            for index, stage in enumerate(stages)
            if index >= self.starts[CODE]
        }
        self.dropouts = {
            entry: StatelessDropout(
                options.dropout_rate,
                derive_seed(seed, f"decoder_head/{entry}/dropout"),
                name=f"{entry}_dropout",
            )
            for entry in self.starts
        }

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Reconstructs the images from every entry.

        Args:
          features: float maps by tap name, [B, D] for those of one cell; and the
            last one as "top".
          inputs: in training `seed`, int64 [B, 2].
          taps: not read.
          training: whether dropout, noise and batch statistics are on.

        Returns:
          `ENTRY_reconstruction`, float32 [B, S, S, C] in [0, 1] or near it, for
          `code` and every shortcut. Of a variational code `mean` and
          `log_variance`, float32 [B, D]. With the ladder `ladder`, float32 [B],
          the mean squared differences between the features that are decoded from
          the code and those of the taps of their names, summed over the stages.
        """
        del taps
        seeds = inputs.get("seed")
        outputs: dict[str, tf.Tensor] = {}
        for entry in self.starts:
            if entry == CODE:
                start, statistics = self._encode(features["top"], seeds, training)
                outputs |= statistics
            else:
                start = features[entry]
            start = self.dropouts[entry](start, seeds, training=training)
            decoded = self._decode(start, entry, training)
            image = decoded.pop(self.stage_names[-1])
            outputs[f"{entry}_reconstruction"] = self._finish(image, entry)
            if entry == CODE and self.options.use_ladder:
                outputs["ladder"] = tf.add_n(
                    [_mean_difference(features[name], values) for name, values in decoded.items()]
                )
        return outputs

    def _build_code(self, top_size: int, seed: int) -> int:
        """Builds what is between the top and the code; returns the code's size."""
        size = self.options.embedding_size or top_size
        names: tuple[str, ...] = ()
        if self.options.is_variational:
            names = ("mean", "log_variance")
        elif self.options.embedding_size:
            names = ("embedding",)
        self.projections = {
            name: tf.keras.layers.Dense(
                size,
                kernel_initializer=tf.keras.initializers.HeNormal(
                    derive_seed(seed, f"decoder_head/{name}/kernel")
                ),
                dtype="float32" if self.options.is_variational else None,
                name=name,
            )
            for name in names
        }
        for layer in self.projections.values():
            layer.build([None, top_size])
        self.noise_seed = derive_seed(seed, "decoder_head/noise")
        return size

    def _entries_through(self, index: int) -> list[str]:
        """Returns the entries whose features pass through a stage but an image."""
        is_image = index == len(self.stage_names) - 1
        return [entry for entry, start in self.starts.items() if start <= index and not is_image]

    def _encode(
        self, top: tf.Tensor, seeds: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the code, float [B, D], and what it is drawn from, if it is."""
        values = {name: layer(top) for name, layer in self.projections.items()}
        if not values:
            return top, {}
        if not self.options.is_variational:
            return tf.nn.relu(values["embedding"]), {}
        code = values["mean"]
        if training:
            code += tf.exp(values["log_variance"] / 2) * self._noise(seeds, code.shape[-1])
        return tf.cast(code, self.compute_dtype), values

    def _noise(self, seeds: tf.Tensor | None, size: int) -> tf.Tensor:
        """Draws standard normal float32 [B, size], each example's from its own seed."""
        if seeds is None:
            raise ValueError("a variational code got no seeds; training needs int64 [B, 2]")

        def draw(seed: tf.Tensor) -> tf.Tensor:
            folded = tf.random.experimental.stateless_fold_in(seed, self.noise_seed)
            return tf.random.stateless_normal([size], folded, alg="philox")

        return tf.map_fn(draw, seeds, fn_output_signature=tf.TensorSpec([size], tf.float32))

    def _decode(self, features: tf.Tensor, entry: str, training: bool) -> dict[str, tf.Tensor]:
        """Returns what every stage below an entry gives, by the stage's name."""
        decoded = {}
        for name in self.stage_names[self.starts[entry] :]:
            features = decoded[name] = self.stages[name](features, entry, training=training)
        return decoded

    def _finish(self, image: tf.Tensor, entry: str) -> tf.Tensor:
        """Applies a sigmoid to an image where the options ask for it."""
        which = self.options.sigmoid_outputs
        is_squashed = which == "all" or (which == "shortcuts" and entry != CODE)
        return tf.sigmoid(image) if is_squashed else image


def shortcut_taps(taps: Mapping[str, Tap], embedding_size: int = 0) -> tuple[str, ...]:
    """Returns the taps from which a decoder can reconstruct the image too.

    Args:
      taps: of the encoder.
      embedding_size: features of a code behind the top; 0 where the top is it.

    Returns:
      Names from the first layer to the last one below the code.

    Raises:
      UsageError: if there is no decoder for these taps.
    """
    names = [stage.name for stage in choose_stages(taps)]
    return tuple(reversed(names[0 if embedding_size else 1 : -1]))


def _mean_difference(features: tf.Tensor, decoded: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared difference of [B, ...] tensors, float32 [B]."""
    differences = tf.math.squared_difference(
        tf.cast(features, tf.float32), tf.cast(decoded, tf.float32)
    )
    return tf.reduce_mean(differences, axis=list(range(1, differences.shape.rank)))
