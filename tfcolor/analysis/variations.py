"""Examples of several collections of images: what variations of digits look like."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfcolor.analysis.findings import Findings
from tfcolor.analysis.parts_figures import PictureRow, draw_picture_rows
from tfcolor.core.options import option
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.reading import ExampleReader

NAME = "variations"


@dataclasses.dataclass(frozen=True)
class VariationsOptions:
    """What variations shows."""

    examples_per_place: int = option(
        10, "examples from each place; one of each class in turn, if it has classes", minimum=1
    )


def show_variations(readers: Mapping[str, ExampleReader], options: VariationsOptions) -> Findings:
    """Shows the first images of each place, one row for each.

    Args:
      readers: images by place; places of one order of classes, as the variations
        of MNIST, show the same examples below each other.
      options: how many.

    Returns:
      `places` with the `place`, its `title`, `num_images`, and the `name` and
      `label` of each of its `examples`.

    Raises:
      UserError: if no image of a place can be read.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, figure 1.1.
    """
    titles = short_titles(list(readers))
    rows, places = [], []
    for (place, reader), title in zip(readers.items(), titles, strict=True):
        labels = _labels(reader)
        chosen = choose_examples(labels, options.examples_per_place)
        read = [reader.read(position) for position in chosen]
        rows.append(PictureRow(title, [image for image, _ in read]))
        places.append({
            "place": place,
            "title": title,
            "num_images": reader.num_examples,
            "examples": [_describe(reader, used, labels) for _, used in read],
        })  # fmt: skip
    return Findings(
        name=NAME,
        numbers={"analysis": NAME, "places": places},
        figure=draw_picture_rows(rows, [], "The first examples of each place"),
        scalars=[],
        headline=f"{sum(len(row.pictures) for row in rows)} examples of {len(rows)} places",
    )


def choose_examples(labels: np.ndarray, count: int) -> list[int]:
    """Chooses the first image of each class in turn, then the second of each.

    Args:
      labels: int [N]; images without a class have one number.
      count: how many are wanted.

    Returns:
      Positions, fewer than `count` if there are no more.

    Example:
      >>> choose_examples(np.array([7, 3, 7, 5, 3]), 4)
      [1, 3, 0, 4]
    """
    rounds = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        is_own = labels == label
        rounds[is_own] = np.arange(is_own.sum())
    return np.lexsort((labels, rounds))[:count].tolist()


def short_titles(places: list[str]) -> list[str]:
    """Returns the word before the colon of each place, if it tells them apart.

    Args:
      places: as in --images.

    Returns:
      A title for each.

    Example:
      >>> short_titles(["mnist_basic:/data:train", "mnist_rot:/data:train"])
      ['mnist_basic', 'mnist_rot']
    """
    words = [place.partition(":")[0] for place in places]
    is_told_apart = len(set(words)) == len(words) > 1
    return words if is_told_apart else places


def _labels(reader: ExampleReader) -> np.ndarray:
    """Returns the class of every image, -1 for one without, int64 [N]."""
    if not reader.class_names:
        return np.full(reader.num_examples, -1, np.int64)
    labels = [_label(reader, position) for position in range(reader.num_examples)]
    return np.array(labels, np.int64)


def _label(reader: ExampleReader, position: int) -> int:
    """Returns the class of one image, -1 if it has none or cannot be read."""
    try:
        label = reader.label_of(position)
    except UnreadableImageError:
        return -1
    return -1 if label is None else label


def _describe(reader: ExampleReader, position: int, labels: np.ndarray) -> dict[str, Any]:
    """Returns the name and the class of one image."""
    label = int(labels[position])
    name = reader.class_names[label] if label >= 0 and reader.class_names else None
    return {"name": reader.name_of(position), "label": name}
