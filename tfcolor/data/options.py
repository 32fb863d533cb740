"""Which images to learn from, and which to measure on."""

import dataclasses

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.data.class_subsets import select_classes, subset_classes
from tfcolor.data.label_buckets import choose_buckets
from tfcolor.data.label_changes import add_label_noise, merge_classes
from tfcolor.data.reading import ExampleReader
from tfcolor.data.samples import (
    hashed_order,
    sample_classes,
    sample_classes_by_position,
    sample_images,
    select_range,
)
from tfcolor.data.sources.base import Source
from tfcolor.data.sources.opening import open_source
from tfcolor.data.sources.video import VideoSource


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """Which images to learn from, and which to measure on."""

    images: str = option(
        "",
        "images to learn from: a folder (searched recursively), a glob, a .txt list of paths, "
        "TFRecord shards, tfds:NAME[:SPLIT], voc:FOLDER[:SPLIT], voc_segmentation:FOLDER[:SPLIT], "
        "camvid:FOLDER[:SPLIT], cifar100:FOLDER[:SPLIT], cifar100_coarse:FOLDER[:SPLIT], "
        "mnist:FOLDER[:train|:test], mnist_{basic,bg_rand,bg_img,rot,bg_img_rot}:FOLDER[:SPLIT], "
        "video:FOLDER_OR_FILE[:train|:heldout][:COUNT] for COUNT frames of each clip, "
        "nyu:FOLDER[:train|:test], depth:FOLDER[:SPLIT] for images with depth, "
        "builtin:photos[:train|:heldout], builtin:digits[:train|:test], builtin:digits_rot or "
        "builtin:depth_scenes[:train|:heldout][:COUNT]; "
        "several are joined with commas",
    )
    image_range: str = option(
        "", "the part of --images to use, FIRST:END with the images counted from 0; empty for all"
    )
    heldout_images: str = option(
        "", "images to measure on, in the same forms; empty sets some of --images aside"
    )
    heldout_fraction: float = option(
        0.1,
        "part of --images set aside if --heldout_images is empty; 0 for none",
        minimum=0,
        maximum=0.9,
    )
    class_subset: str = option(
        "",
        "images of some classes alone: disjoint:TASK:COUNT for TASK, counted from 0, of several "
        "tasks of COUNT classes, no two of which share any, independent:TASK:COUNT for COUNT "
        "classes that do not depend on those of other tasks; empty for all",
    )
    num_images: int = option(
        0, "learn from a random sample of so many images; 0 for all", minimum=0
    )
    images_per_class: int = option(
        0, "learn from a random sample with so many images of each class; 0 for all", minimum=0
    )
    sample_order: str = option(
        "name",
        "what --images_per_class chooses by: a hash of each image's name, which new files do not "
        "change, or position, as chapter 1 does",
        choices=("name", "position"),
    )
    label_buckets: str = option(
        "",
        "merges classes: a file with a class, a tab and its bucket on each line, or a JSON "
        "object; random:N for N random buckets; wordnet:N:FILE for N parts of the hierarchy in "
        "FILE, a parent and its child on each line; empty keeps the classes",
    )
    label_noise: float = option(
        0.0, "part of the images to learn from that gets a random class", minimum=0, maximum=1
    )
    data_seed: int = option(
        0, "of random samples, buckets and label noise; what is set aside does not depend on it"
    )
    cache_images_mb: int = option(512, "memory for decoded images, megabytes", minimum=0)

    def __post_init__(self) -> None:
        """Raises UsageError if two samples are asked for."""
        if self.num_images and self.images_per_class:
            raise UsageError(
                f"--num_images={self.num_images}, --images_per_class={self.images_per_class}: "
                "expected one of them"
            )


def open_readers(options: DataOptions) -> dict[str, ExampleReader]:
    """Opens the images of the "train" and "heldout" splits.

    Samples and label noise concern "train" alone, class subsets and label
    buckets both. What is set aside does not depend on the class subset. A sample
    is drawn from the chosen classes, before these are merged.

    Args:
      options: where the images are.

    Returns:
      A reader per split; without "heldout" if nothing is set aside.

    Raises:
      UsageError: if no place is given, or if `image_range`, `class_subset` or
        `label_buckets` cannot be understood.
      UserError: if a place does not exist or holds no image, if there are too
        few images for a sample, or no labels to change.
    """
    sources = _open_splits(options)
    if options.class_subset:
        classes = sources["train"].class_names
        labels = subset_classes(options.class_subset, len(classes))
        sources = {
            split: select_classes(source, labels, classes) for split, source in sources.items()
        }
    sources["train"] = _sample(sources["train"], options)
    if options.label_buckets:
        classes = sources["train"].class_names
        buckets = choose_buckets(options.label_buckets, classes, options.data_seed)
        sources = {split: merge_classes(source, buckets) for split, source in sources.items()}
    if options.label_noise:
        sources["train"] = add_label_noise(sources["train"], options.label_noise, options.data_seed)
    cache_bytes = options.cache_images_mb * 2**20
    return {split: ExampleReader(source, cache_bytes) for split, source in sources.items()}


def _open_splits(options: DataOptions) -> dict[str, Source]:
    """Opens all images to learn from and to measure on."""
    if not options.images:
        raise UsageError(
            "--images is not given: name a folder, a glob, a .txt list, TFRecord shards, "
            "tfds:NAME or builtin:photos"
        )
    sources = {"train": open_source(options.images)}
    if options.image_range:
        sources["train"] = select_range(sources["train"], options.image_range)
    if options.heldout_images:
        sources["heldout"] = open_source(options.heldout_images)
    elif options.heldout_fraction > 0 and sources["train"].num_examples > 1:
        sources = _set_aside(sources["train"], options.heldout_fraction)
    return sources


def _set_aside(source: Source, fraction: float) -> dict[str, Source]:
    """Splits a source by a hash of each name: a new file moves at most one other.

    Videos are split in time instead.
    """
    if isinstance(source, VideoSource):
        return source.set_aside(fraction)
    order = hashed_order(source)
    count = min(max(round(fraction * len(order)), 1), len(order) - 1)
    return {
        "train": source.select(sorted(order[count:])),
        "heldout": source.select(sorted(order[:count])),
    }


def _sample(source: Source, options: DataOptions) -> Source:
    """Returns the images to learn from, all or some."""
    if options.num_images:
        return sample_images(source, options.num_images, options.data_seed)
    if options.images_per_class:
        by_position = options.sample_order == "position"
        sample = sample_classes_by_position if by_position else sample_classes
        return sample(source, options.images_per_class, options.data_seed)
    return source
