"""Which bucket each class goes to: from a file, at random or by a hierarchy."""

import collections
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.seeds import derive_seed


def choose_buckets(rule: str, class_names: Sequence[str], seed: int) -> dict[str, str]:
    """Returns the bucket of each class.

    Args:
      rule: a file that `read_buckets` takes, "random:N", or "wordnet:N:FILE"
        with a file of `cut_hierarchy`.
      class_names: the classes.
      seed: of the random map.

    Returns:
      The name of the bucket by the name of the class, for all of `class_names`
      and no other.

    Raises:
      UsageError: if N is no number of buckets.
      UserError: if there are no classes, or if a file cannot be used or does not
        name a class.
    """
    if not class_names:
        raise UserError(f"--label_buckets={rule}: the images have no classes with names")
    kind, _, rest = rule.partition(":")
    if Path(rule).exists() or kind not in ("random", "wordnet"):
        return read_buckets(rule, class_names)
    number, _, path = rest.partition(":")
    if not number.isdecimal() or not 1 <= int(number) <= len(class_names):
        raise UsageError(
            f"--label_buckets={rule}: expected a number from 1 to {len(class_names)}, that of the "
            f"classes, after {kind}:"
        )
    if kind == "random":
        return draw_buckets(class_names, int(number), seed)
    return cut_hierarchy(path, class_names, int(number))


def read_buckets(path: str, class_names: Sequence[str]) -> dict[str, str]:
    """Reads the bucket of each class from a file.

    Args:
      path: a `.json` file with one object, or a text file with a class, a tab
        and its bucket on each line; lines that start with `#` are comments.
        It may name further classes.
      class_names: the classes that are needed.

    Returns:
      The bucket of each of `class_names`.

    Raises:
      UserError: if the file cannot be used or does not name a class.
    """
    pairs = _read_json(path) if path.lower().endswith(".json") else _read_table(path)
    buckets: dict[str, str] = {}
    for name, bucket in pairs:
        if buckets.setdefault(name, bucket) != bucket:
            raise UserError(f"{path} has two buckets for the class {name}")
    missing = [name for name in class_names if name not in buckets]
    if missing:
        count = f"{len(missing)} of {len(class_names)} classes"
        raise UserError(f"{path} has no bucket for {count}, the first: {', '.join(missing[:3])}")
    return {name: buckets[name] for name in class_names}


def draw_buckets(class_names: Sequence[str], num_buckets: int, seed: int) -> dict[str, str]:
    """Draws a bucket for each class; all are equally large, or differ by one.

    Args:
      class_names: the classes; their order does not matter.
      num_buckets: how many buckets, at most as many as classes.
      seed: fixes the map.

    Returns:
      The bucket of each class.

    Example:
      >>> sorted(draw_buckets(["cave", "hill", "sea", "town"], 2, seed=0).values())
      ['bucket_0', 'bucket_0', 'bucket_1', 'bucket_1']

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and
      Self-Supervised Representation Learning. 2017 (R50 and R16 of table 3.5).
    """
    generator = np.random.default_rng(derive_seed(seed, "label buckets"))
    names = [sorted(class_names)[place] for place in generator.permutation(len(class_names))]
    digits = len(str(num_buckets - 1))
    return {name: f"bucket_{row % num_buckets:0{digits}}" for row, name in enumerate(names)}


def cut_hierarchy(path: str, class_names: Sequence[str], num_buckets: int) -> dict[str, str]:
    """Merges classes by their common ancestors.

    All classes begin in one bucket. Then the largest bucket loses the classes
    below the ancestor that divides it most evenly, which become a bucket named
    after that ancestor, until there are enough. The cut behind the published
    H16 and H2 is not known.

    Args:
      path: a text file with a parent and its child on each line, with a blank
        between them, as ImageNet's `wordnet.is_a.txt`.
      class_names: the classes, nodes of that hierarchy.
      num_buckets: how many buckets, at most as many as classes.

    Returns:
      The bucket of each class: an ancestor, or "other" for what no cut took.

    Raises:
      UserError: if the file cannot be used or does not name a class.
    """
    parents = collections.defaultdict(list)
    for number, line in _read_lines(path):
        words = line.split()
        if len(words) != 2:
            raise UserError(f"{path}, line {number}: expected a parent and its child")
        parents[words[1]].append(words[0])
    missing = [name for name in class_names if name not in parents]
    if missing:
        raise UserError(f"{path} has no parent of the class {missing[0]}")
    ancestors = {name: _ancestors(name, parents) for name in class_names}
    buckets = {"other": set(class_names)}
    while len(buckets) < num_buckets:
        largest = max(sorted(buckets), key=lambda bucket: len(buckets[bucket]))
        members = buckets[largest]
        node = _even_cut(members, ancestors, buckets)
        buckets[node] = {name for name in members if node in ancestors[name]}
        buckets[largest] = members - buckets[node]
    return {name: bucket for bucket, members in buckets.items() for name in members}


def _ancestors(name: str, parents: Mapping[str, Sequence[str]]) -> set[str]:
    """Returns a node and all nodes above it; a loop does no harm."""
    found, waiting = {name}, [name]
    while waiting:
        above = set(parents.get(waiting.pop(), ())) - found
        found |= above
        waiting.extend(above)
    return found


def _even_cut(
    members: set[str], ancestors: Mapping[str, set[str]], used: Mapping[str, set[str]]
) -> str:
    """Returns the node, not used yet, that has nearest to half of the members below it."""
    counts = collections.Counter(node for name in members for node in ancestors[name])
    choices = [node for node in counts if counts[node] < len(members) and node not in used]
    # Of two that divide as evenly, the more general one.
    return min(
        choices, key=lambda node: (abs(2 * counts[node] - len(members)), -counts[node], node)
    )


def _read_table(path: str) -> Iterator[tuple[str, str]]:
    """Yields the pairs of a text file with tabs."""
    for number, line in _read_lines(path):
        name, _, bucket = (part.strip() for part in line.partition("\t"))
        if not name or not bucket:
            raise UserError(f"{path}, line {number}: expected a class, a tab and its bucket")
        yield name, bucket


def _read_lines(path: str) -> Iterator[tuple[int, str]]:
    """Yields the lines of a file that are no comments, with their numbers."""
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line


def _read_json(path: str) -> list[tuple[str, str]]:
    """Returns the pairs of a JSON object."""
    try:
        content = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is broken JSON: {error}") from error
    is_map = isinstance(content, dict)
    if not is_map or not all(isinstance(value, str) for value in content.values()):
        raise UserError(f"{path}: expected one object from classes to names of buckets")
    return list(content.items())


def _read_text(path: str) -> str:
    """Returns the content of a text file."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the label buckets in {path}: {error}") from error
