"""Which images have similar features? Clusters of these, told apart."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.data.augmentation import contrastive_view
from tfcolor.data.clusters import (
    balanced_order,
    find_clusters,
    fit_whitening,
    mutual_information,
    nearest_centers,
)
from tfcolor.data.pipeline import Annotation, BatchPlan, Example, build_dataset
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import center_view
from tfcolor.heads.cluster import ClusterHead
from tfcolor.tasks.base import HELDOUT_SPLIT, TRAIN_SPLIT, Tensors
from tfcolor.tasks.label_task import LabelTask
from tfcolor.tasks.pretext import PretextOptions

IMAGES_PER_CLUSTER = 128
"""As published, 1.28 million images in 10,000 clusters."""
CENTER_SHARE = 7 / 8
"""Side of the view that is clustered, relative to the photograph's shorter side."""


@dataclasses.dataclass(frozen=True)
class DeepClusteringOptions(PretextOptions):
    """The views, the clusters and how often they are made."""

    crop_size: int = option(0, "side of a view, pixels; 0 is the backbone's", minimum=0)
    min_area: float = option(
        0.08,
        "smallest area of a training view, relative to the photograph's",
        minimum=0.01,
        maximum=1,
    )
    hidden_sizes: tuple[int, ...] = option(
        (), "features of the layers between the backbone's top and the logits"
    )
    num_clusters: int = option(
        0, "of the training images; 0 is one for 128 images, at least 2", minimum=0
    )
    num_components: int = option(
        256, "principal components of the features that are clustered, at most", minimum=1
    )
    num_iterations: int = option(20, "of k-means, at most", minimum=1)
    round_examples: int = option(
        0,
        "training examples between two clusterings; 0 is as many as there are images",
        minimum=0,
    )

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "DeepClusteringOptions":
        """Fills in the numbers of clusters and examples, and the size of the views.

        Args:
          readers: the images by split; those for training are counted.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a 0 that stands for something else.

        Raises:
          UsageError: if there are fewer than two clusters, or fewer images than
            clusters; or if the top is read, and the backbone takes another size.
        """
        num_images = readers[TRAIN_SPLIT].num_examples
        num_clusters = self.num_clusters or max(num_images // IMAGES_PER_CLUSTER, 2)
        if not 2 <= num_clusters <= num_images:
            raise UsageError(
                f"--deep_clustering_num_clusters={self.num_clusters}: expected at least 2 and at"
                f" most as many as --images, which are {num_images}"
            )
        return dataclasses.replace(
            self,
            crop_size=self.patch_side(self.crop_size, canonical_size, "deep_clustering_crop_size"),
            num_clusters=num_clusters,
            round_examples=self.round_examples or num_images,
        )


class DeepClusteringTask(LabelTask):
    """Tells the clusters apart that k-means finds among the features of images.

    In every round the middles of all images are clustered by their features of
    that time, and random views are to be told apart by cluster. All clusters are
    trained on as often as each other, and none is empty, so that one cluster for
    all images is no solution.

    A held-out image belongs to the cluster with the nearest center. The figures
    of different rounds are about different clusters.

    Before the first round the labels of images are their numbers modulo K.

    Args:
      options: completed if there are readers.
      readers: where each split's images come from.
      color_input: as of `ImageTask`.

    References:
      Caron, Bojanowski, Joulin, Douze. Deep Clustering for Unsupervised Learning
      of Visual Features. ECCV 2018.
    """

    name = "deep_clustering"
    Options = DeepClusteringOptions

    def __init__(
        self,
        options: DeepClusteringOptions,
        readers: Mapping[str, ExampleReader],
        *,
        color_input: bool = False,
    ) -> None:
        super().__init__(options, readers, color_input=color_input)
        self.state = tf.Module(name="deep_clustering")
        counts = {split: readers[split].num_examples for split in self.splits}
        self.state.labels = {
            split: _fixed_variable(np.arange(count, dtype=np.int32) % options.num_clusters)
            for split, count in counts.items()
        }
        if TRAIN_SPLIT in counts:
            length = options.round_examples or counts[TRAIN_SPLIT]
            self.state.order = _fixed_variable(np.arange(length) % counts[TRAIN_SPLIT])

    def label_name(self, label: int) -> str:
        """Returns what pictures call a cluster."""
        return f"cluster {label}"

    def steps_per_round(self, batch_size: int) -> int:
        """Returns how many steps the order of a round is enough for, at least 1."""
        return max(self.state.order.shape[0] // batch_size, 1)

    def begin_round(self, network: Any, number: int, batch_size: int) -> Mapping[str, float]:
        """Clusters all images, and draws the last layer and the order anew.

        Args:
          network: of the task; its features are clustered.
          number: of the round, from 0.
          batch_size: examples per step.

        Returns:
          `kmeans_loss`, the mean squared distance to the centers; `num_found`,
          the clusters before the largest were split; `largest_share`, the share of
          images in the largest cluster; and from the second round on `nmi`, the
          agreement with the round before, 1 if nothing has changed.

        Raises:
          UserError: if the network has diverged.
        """
        options, state = self.options, self.state
        seed = derive_seed(network.head.seed, f"deep_clustering/round {number}")
        embeddings = {split: self._embed(network, split, batch_size) for split in self.splits}
        whitening = fit_whitening(embeddings[TRAIN_SPLIT], options.num_components)
        points = {split: whitening.directions(values) for split, values in embeddings.items()}
        training = points[TRAIN_SPLIT]
        clusters = find_clusters(
            training, options.num_clusters, seed=seed, max_iterations=options.num_iterations
        )
        figures = {
            "kmeans_loss": clusters.loss(training),
            "num_found": float(clusters.num_found),
            "largest_share": float(np.bincount(clusters.labels).max() / len(training)),
        }
        if number:
            before = state.labels[TRAIN_SPLIT].numpy()
            figures["nmi"] = mutual_information(clusters.labels, before)
        state.labels[TRAIN_SPLIT].assign(clusters.labels)
        state.order.assign(balanced_order(clusters.labels, state.order.shape[0], seed=seed))
        if HELDOUT_SPLIT in points:
            nearest = nearest_centers(points[HELDOUT_SPLIT], clusters.centers(training))
            state.labels[HELDOUT_SPLIT].assign(nearest)
        network.head.restart(number)
        return figures

    def redrawn_variables(self, network: Any) -> list[tf.Variable]:
        """Returns the variables of the layer that tells clusters, which each round begins with.

        Args:
          network: of the task.

        Returns:
          Its kernel [D, K] and bias [K].
        """
        return network.head.clusters.trainable_variables

    def make_dataset(self, split: str, plan: BatchPlan) -> tf.data.Dataset:
        """Yields (inputs, targets) batches of the round that the state is of.

        Args:
          split: "train", as often of one cluster as of another, or "heldout".
          plan: which examples, in which batches.

        Returns:
          A dataset of two dicts, those of `make_view` with a leading axis B, and
          `seed` int64 [B, 2] among the inputs.
        """
        labels = self.state.labels[split].numpy()
        order = tf.constant(self.state.order.numpy())
        round_size = self.steps_per_round(plan.batch_size) * plan.batch_size
        return build_dataset(
            self._readers[split],
            self.make_view,
            plan,
            annotation=Annotation(lambda position: labels[position], tf.int32),
            choose=(
                (lambda index: order[index % round_size % len(order)])
                if split == TRAIN_SPLIT
                else None
            ),
        )

    def make_view(self, rgb: tf.Tensor, label: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns a random view of an image, and its cluster.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          label: int32 [], its cluster.
          seed: int64 [2], the example's own; fixes the view.

        Returns:
          Inputs: `image` float32 [S, S, 1 or 3] in [0, 1]. Targets: `label` int32
          [].
        """
        view = contrastive_view(
            rgb,
            tf.random.experimental.stateless_fold_in(seed, 1),
            self.options.crop_size,
            min_area=self.options.min_area,
            color_strength=0,
            use_blur=False,
        )
        return {"image": self.as_input(view)}, {"label": label}

    def make_center_view(self, rgb: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the middle of an image, by which it is clustered.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          seed: int64 [2], not read.

        Returns:
          Inputs: `image` float32 [S, S, 1 or 3] in [0, 1]. No targets.
        """
        del seed
        size = self.options.crop_size
        return {"image": self.as_input(center_view(rgb, round(size / CENTER_SHARE), size))}, {}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the layers between the features of images and their clusters.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights, and of every round.

        Returns:
          A head with the outputs of `ClusterHead`.
        """
        options = self.options
        return ClusterHead(taps, options.num_clusters, options.hidden_sizes, seed=seed)

    def _embed(self, network: Any, split: str, batch_size: int) -> np.ndarray:
        """Returns the features of the middles of all images, float32 [N, D]."""
        reader = self._readers[split]
        count = reader.num_examples
        examples = build_dataset(
            reader,
            self.make_center_view,
            BatchPlan(batch_size, seed=0, num_batches=-(-count // batch_size)),
            choose=lambda index: index % count,
        )
        embeddings = np.concatenate([_embeddings_of(network, inputs) for inputs, _ in examples])
        if not np.all(np.isfinite(embeddings)):
            raise UserError(
                "the features of images are not finite: the network has diverged; try a lower"
                " --learning_rate"
            )
        return embeddings[:count]


def _embeddings_of(network: Any, inputs: Tensors) -> np.ndarray:
    """Returns what is clustered of one batch, float32 [B, D]."""
    return network(inputs, training=False)["embeddings"].numpy()


def _fixed_variable(values: np.ndarray) -> tf.Variable:
    """Returns a variable that no gradient changes."""
    return tf.Variable(values, trainable=False)
