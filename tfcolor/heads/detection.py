"""Faster R-CNN on one map of any backbone."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from tfcolor.core.boxes import OFFSET_DEVIATIONS, encode_boxes
from tfcolor.core.options import option
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap, map_size
from tfcolor.heads.box_sampling import (
    OBJECT,
    UNUSED,
    masked_overlaps,
    match_anchors,
    match_boxes,
    sample_outcomes,
)
from tfcolor.heads.region_bodies import DenseBody, RegionBody, ResidualBody
from tfcolor.heads.region_classifier import RegionClassifier, detect, pool_regions
from tfcolor.heads.region_proposal import (
    RegionProposalNetwork,
    build_anchors,
    decode_regions,
    propose_regions,
)

Tensors = Mapping[str, tf.Tensor]
TRUTH = ("boxes", "labels", "is_difficult")
"""Inputs from which the sampled boxes of a loss come."""


@dataclasses.dataclass(frozen=True)
class DetectionHeadOptions:
    """Anchors, proposals, samples and layers of a detector."""

    anchor_sides: tuple[int, ...] = option(
        (128, 256, 512), "roots of the areas of the anchors, pixels", minimum=1
    )
    anchor_ratios: tuple[float, ...] = option(
        (0.5, 1.0, 2.0), "heights of the anchors over their widths", minimum=0.01
    )
    proposal_units: int = option(512, "channels that the anchors are scored from", minimum=1)
    num_train_candidates: int = option(
        12000, "anchors that may become proposals in training", minimum=1
    )
    num_candidates: int = option(6000, "anchors that may become proposals after it", minimum=1)
    num_train_proposals: int = option(2000, "proposals to draw regions from", minimum=1)
    num_proposals: int = option(300, "regions that are looked at after training", minimum=1)
    proposal_threshold: float = option(
        0.7, "overlap from which on one of two proposals goes", minimum=0, maximum=1
    )
    anchor_samples: int = option(256, "anchors of an image that are learned from", minimum=2)
    region_samples: int = option(128, "regions of an image that are learned from", minimum=2)
    region_size: int = option(7, "bins along each side of a region", minimum=1)
    head: str = option(
        "dense",
        "what sees a region: two linear layers, or block 4 of a residual network, as published for"
        " ResNet-101",
        choices=("dense", "residual"),
    )
    hidden_units: int = option(1024, "units of the two layers (head=dense)", minimum=1)
    residual_width: int = option(
        512, "channels inside of the units of block 4 (head=residual)", minimum=1
    )
    max_detections: int = option(100, "detections of an image", minimum=1)
    detection_threshold: float = option(
        0.3, "overlap from which on one of two detections of a class goes", minimum=0, maximum=1
    )
    min_score: float = option(0.01, "least score of a detection", minimum=0, maximum=1)


class Regions(NamedTuple):
    """Boxes of some images, padded to equal numbers.

    Attributes:
      boxes: float32 [B, R, 4], edges.
      is_real: bool [B, R].
    """

    boxes: tf.Tensor
    is_real: tf.Tensor


class DetectionHead(tf.keras.Model):
    """Proposes regions of one map and classifies them, in float32.

    With the true boxes among the inputs it draws the anchors and regions that a
    loss is taken of, from the example's seed. Outside of training it gives
    detections, from proposals alone.

    Args:
      tap: geometry of the map that it reads.
      num_classes: K.
      options: sizes and numbers.
      seed: every initial kernel derives from it.

    References:
      Ren, He, Girshick, Sun. Faster R-CNN: Towards Real-Time Object Detection with
      Region Proposal Networks. NeurIPS 2015.
    """

    def __init__(
        self, tap: Tap, num_classes: int, options: DetectionHeadOptions, *, seed: int
    ) -> None:
        super().__init__(name="detection_head", autocast=False)
        self._tap_name, self._options = tap.name, options
        self.read_taps = (tap.name,)
        self.num_classes = num_classes
        num_anchors = len(options.anchor_sides) * len(options.anchor_ratios)
        self.proposer = RegionProposalNetwork(
            tap, num_anchors, options.proposal_units, seed=derive_seed(seed, "detection_head")
        )
        seed = derive_seed(seed, "detection_head")
        body: RegionBody
        if options.head == "residual":
            body = ResidualBody(tap.channels, options.residual_width, seed=seed)
        else:
            num_features = options.region_size**2 * tap.channels
            body = DenseBody(num_features, options.hidden_units, seed=seed)
        self.classifier = RegionClassifier(body, num_classes, seed=seed)

    def call(
        self,
        features: Tensors,
        inputs: Tensors,
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Detects, or prepares what the losses compare, or both.

        Args:
          features: with the map, float [B, h, w, C].
          inputs: `image`, float32 [B, H, W, C]; where images are padded `size`, int32
            [B, 2], their (height, width). For a loss `boxes` float32 [B, G, 4],
            edges, `labels` int32 [B, G], -1 for padding, `is_difficult` bool [B, G]
            and `seed` int64 [B, 2].
          taps: geometry of the maps.
          training: whether there are no detections.

        Returns:
          Outside of training what `detect` gives. With true boxes, of all N anchors
          `anchor_logits` float32 [B, N], `anchor_outcomes` int32 [B, N] (1, 0, or -1
          if not drawn), `anchor_offsets` and `anchor_targets` float32 [B, N, 4]; of S
          drawn regions `region_logits` float32 [B, S, K + 1], `region_labels` int32
          [B, S] (K for the background, -1 for padding), `region_offsets` (of the
          true class) and `region_targets` float32 [B, S, 4].
        """
        tap = taps[self._tap_name]
        features = tf.cast(features[self._tap_name], tf.float32)
        size = self._sizes(inputs)
        logits, offsets = self.proposer(features)
        options = self._options
        anchors = build_anchors(
            tap, *map_size(features), options.anchor_sides, options.anchor_ratios
        )
        regions = self._propose(logits, offsets, anchors, size, training)
        outputs: dict[str, tf.Tensor] = {}
        if all(name in inputs for name in TRUTH):
            outputs |= self._sample_anchors(anchors, size, inputs)
            outputs |= {"anchor_logits": logits, "anchor_offsets": offsets}
            outputs |= self._sample_regions(features, tap, regions, inputs, training)
        if not training:
            outputs |= self._detect(features, tap, regions, size)
        return outputs

    def _sizes(self, inputs: Tensors) -> tf.Tensor:
        """Returns the sizes of the images without padding, float32 [B, 2]."""
        if "size" in inputs:
            return tf.cast(inputs["size"], tf.float32)
        shape = tf.cast(tf.shape(inputs["image"]), tf.float32)
        return tf.tile(shape[tf.newaxis, 1:3], [tf.shape(inputs["image"])[0], 1])

    def _propose(
        self,
        logits: tf.Tensor,
        offsets: tf.Tensor,
        anchors: tf.Tensor,
        size: tf.Tensor,
        training: bool,
    ) -> Regions:
        """Returns the regions that deserve a second look."""
        options = self._options
        # Padding has no content: an anchor whose center is in it proposes nothing.
        is_inside = self._is_inside(anchors, size)
        boxes = decode_regions(offsets, anchors, size)
        boxes = tf.where(is_inside[..., tf.newaxis], boxes, 0.0)
        candidates, proposals = options.num_candidates, options.num_proposals
        if training:
            candidates, proposals = options.num_train_candidates, options.num_train_proposals
        return Regions(
            *propose_regions(
                tf.sigmoid(logits),
                boxes,
                num_candidates=candidates,
                num_proposals=proposals,
                threshold=options.proposal_threshold,
            )
        )

    def _is_inside(self, anchors: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """Returns which anchors have their center in the image, bool [B, N]."""
        centers = (anchors[:, :2] + anchors[:, 2:]) / 2
        return tf.reduce_all((centers >= 0) & (centers < size[:, tf.newaxis]), axis=-1)

    def _sample_anchors(self, anchors: tf.Tensor, size: tf.Tensor, inputs: Tensors) -> Tensors:
        """Returns which anchors are learned from, and where their objects are."""
        is_object = inputs["labels"] >= 0
        is_inside = self._is_inside(anchors, size)
        outcomes, matches = match_anchors(
            anchors, is_inside, inputs["boxes"], is_object, inputs["is_difficult"]
        )
        seeds = _folded(inputs["seed"], "anchors")
        outcomes = sample_outcomes(outcomes, seeds, self._options.anchor_samples, 0.5)
        targets = _matched_targets(inputs["boxes"], matches, anchors[tf.newaxis], outcomes)
        return {"anchor_outcomes": outcomes, "anchor_targets": targets}

    def _sample_regions(
        self, features: tf.Tensor, tap: Tap, regions: Regions, inputs: Tensors, training: bool
    ) -> Tensors:
        """Returns the answers for drawn regions, and what they should be."""
        boxes, is_object = inputs["boxes"], inputs["labels"] >= 0
        candidates = tf.concat([regions.boxes, boxes], axis=1)
        is_real = tf.concat([regions.is_real, is_object], axis=1)
        overlaps = masked_overlaps(candidates, boxes, is_object)
        outcomes, matches = match_boxes(overlaps, inputs["is_difficult"], 0.5, 0.5)
        outcomes = tf.where(is_real, outcomes, UNUSED)
        seeds = _folded(inputs["seed"], "regions")
        outcomes = sample_outcomes(outcomes, seeds, self._options.region_samples, 0.25)
        count = min(self._options.region_samples, candidates.shape[1])
        _, chosen = tf.math.top_k(tf.cast(outcomes != UNUSED, tf.float32), count)
        candidates, outcomes, matches = (
            tf.gather(one, chosen, batch_dims=1) for one in (candidates, outcomes, matches)
        )
        logits, offsets = self.classifier(
            pool_regions(features, tap, candidates, self._options.region_size), training=training
        )
        labels = tf.maximum(tf.gather(inputs["labels"], matches, batch_dims=1), 0)
        targets = _matched_targets(boxes, matches, candidates, outcomes)
        answers = tf.where(outcomes == OBJECT, labels, self.num_classes)
        return {
            "region_logits": logits,
            "region_labels": tf.where(outcomes == UNUSED, -1, answers),
            "region_offsets": tf.gather(offsets, labels, batch_dims=2),
            "region_targets": targets / tf.constant(OFFSET_DEVIATIONS),
        }

    def _detect(self, features: tf.Tensor, tap: Tap, regions: Regions, size: tf.Tensor) -> Tensors:
        """Returns the detections."""
        options = self._options
        logits, offsets = self.classifier(
            pool_regions(features, tap, regions.boxes, options.region_size)
        )
        probs = tf.nn.softmax(logits)[..., : self.num_classes]
        return detect(
            tf.where(regions.is_real[..., tf.newaxis], probs, 0.0),
            offsets,
            regions.boxes,
            size,
            max_detections=options.max_detections,
            threshold=options.detection_threshold,
            min_score=options.min_score,
        )


def _folded(seeds: tf.Tensor, use: str) -> tf.Tensor:
    """Returns seeds int64 [B, 2] for one use of those of examples."""
    # The first number is the run's, the same for all.
    return seeds + tf.constant([derive_seed(0, f"detection_head/{use}"), 0], seeds.dtype)


def _matched_targets(
    boxes: tf.Tensor, matches: tf.Tensor, anchors: tf.Tensor, outcomes: tf.Tensor
) -> tf.Tensor:
    """Returns how the matched objects lie to boxes, [B, N, 4]; 0 without an object."""
    matched = tf.gather(boxes, matches, batch_dims=1)
    is_object = (outcomes == OBJECT)[..., tf.newaxis]
    # Of padding there is no logarithm.
    unit = tf.constant([0.0, 0.0, 1.0, 1.0])
    return encode_boxes(tf.where(is_object, matched, unit), tf.where(is_object, anchors, unit))
