"""Which images a published protocol measures on, chosen again by its rules.

The authors' own lists are not public. Given as `--images=LIST.txt` with the
subset `all`, they take the place of these.
"""

import dataclasses
import itertools
import os
import re
from collections.abc import Iterator, Sequence

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.core.progress import say
from tfcolor.data.reading import ExampleReader

_WORDNET_ID = re.compile(r"(?:^|_)(n\d{8})(?=[_.]|$)")


@dataclasses.dataclass(frozen=True)
class Subset:
    """The rules by which images are chosen.

    Args:
      size: number of images; 0 for all.
      skipped: images that come first in the same order and belong to another
        subset, so that both are disjoint.
      num_draws: how many times `size` images are drawn at random, each time from
        all; 0 chooses once, balanced over classes.
      num_classes: the classes that there must be; 0 for any, and then a folder
        that is too small is used as far as it goes.
      is_colored: whether images encoded as gray are left out.
    """

    size: int = 0
    skipped: int = 0
    num_draws: int = 0
    num_classes: int = 0
    is_colored: bool = False


SUBSETS = {
    "all": Subset(),
    "cval1k": Subset(1_000, is_colored=True),
    "ctest10k": Subset(10_000, skipped=1_000, is_colored=True),
    "sun_a": Subset(1_344, num_draws=5, num_classes=47),
    "sun_6": Subset(240, num_classes=6),
}


def select_images(subset: Subset, reader: ExampleReader, seed: int) -> list[list[int]]:
    """Chooses images.

    Args:
      subset: the rules.
      reader: all images, for `cval1k` and `ctest10k` those of ImageNet's
        validation set.
      seed: chooses among the possible choices.

    Returns:
      The positions of each draw; a single list unless there are several.

    Raises:
      UserError: if there are too few images or not the right number of classes.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016 (cval1k, ctest10k); Cheng, Yang, Sheng. Deep
      Colorization. ICCV 2015 (SUN-A); Deshpande, Rock, Forsyth. Learning
      Large-Scale Automatic Image Colorization. ICCV 2015 (SUN-6).
    """
    if not subset.size:
        return [list(range(reader.num_examples))]
    classes = image_classes([reader.name_of(index) for index in range(reader.num_examples)])
    _check_classes(subset, classes)
    generator = np.random.default_rng(seed)
    if subset.num_draws:
        draws = range(subset.num_draws)
        chosen = [generator.choice(len(classes), subset.size, replace=False) for _ in draws]
        return [sorted(draw.tolist()) for draw in chosen]
    order = balanced_order(classes, generator)
    if subset.is_colored:
        order = (position for position in order if _is_colored(reader, position))
    positions = list(itertools.islice(order, subset.skipped, subset.skipped + subset.size))
    if not positions:
        raise UserError(
            f"{reader.num_examples} images: expected more than the {subset.skipped} that "
            "belong to another subset"
        )
    if len(positions) < subset.size:
        say(f"only {len(positions)} of the subset's {subset.size} images are there")
    return [positions]


def image_classes(names: Sequence[str]) -> list[str]:
    """Reads the classes of images from their paths.

    Args:
      names: paths.

    Returns:
      For each the WordNet number in its file name ("n01514859_hen.jpg"), or else
      its folder below that of all images ("b/bakery/shop").

    Example:
      >>> image_classes(["sun/beach/1.jpg", "sun/forest/2.jpg", "sun/n01514859_3.jpg"])
      ['beach', 'forest', 'n01514859']
    """
    folders = [os.path.dirname(os.path.abspath(name)) for name in names]
    common = os.path.commonpath(folders)
    numbers = [_WORDNET_ID.search(os.path.basename(name)) for name in names]
    return [
        number[1] if number else os.path.relpath(folder, common)
        for number, folder in zip(numbers, folders, strict=True)
    ]


def balanced_order(classes: Sequence[str], generator: np.random.Generator) -> Iterator[int]:
    """Yields positions such that any first so many are balanced over classes.

    Args:
      classes: of each image.
      generator: shuffles the classes, and the images within each.

    Yields:
      Every position once: one of each class, then another of each that has one.
    """
    names, members = np.unique(np.asarray(classes), return_inverse=True)
    shuffled = [
        generator.permutation(np.flatnonzero(members == index))
        for index in generator.permutation(len(names))
    ]
    for positions in itertools.zip_longest(*shuffled):
        yield from (int(position) for position in positions if position is not None)


def _check_classes(subset: Subset, classes: Sequence[str]) -> None:
    """Raises UserError where images or classes are not as a subset needs them."""
    if not subset.num_classes:
        return
    found = len(set(classes))
    if found != subset.num_classes:
        raise UserError(
            f"images of {found} class{'es' if found > 1 else ''}: the subset has "
            f"{subset.num_classes}, each in a folder of its own"
        )
    if len(classes) < subset.size:
        raise UserError(f"{len(classes)} images: the subset has {subset.size}")


def _is_colored(reader: ExampleReader, position: int) -> bool:
    """Says whether an image can be read and has a pixel that is not gray."""
    image, used = reader.read(position)
    return used == position and bool(np.any(image != image[..., :1]))
