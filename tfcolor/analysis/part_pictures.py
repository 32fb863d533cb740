"""What the parts of a network of parts look like."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from tfcolor.analysis.findings import Findings
from tfcolor.analysis.parts_figures import draw_parts
from tfcolor.core.options import option
from tfcolor.parts.learning import Parts

NAME = "parts"


@dataclasses.dataclass(frozen=True)
class PartPicturesOptions:
    """What parts shows."""

    num_parts: int = option(
        196, "parts of each run to draw, the most frequent; 0 for all", minimum=0
    )


class NamedParts(NamedTuple):
    """The parts of a run.

    Attributes:
      name: the run's folder.
      parts: what it learned.
    """

    name: str
    parts: Parts


def show_parts(runs: Sequence[NamedParts], options: PartPicturesOptions) -> Findings:
    """Shows the mean image patch of each part, the most frequent first.

    Parts in several rotations are shown in the one where their patches agree.

    Args:
      runs: one or two.
      options: how many parts of each.

    Returns:
      `runs` with the run's folder (`model`), `num_parts`, `num_rotations`,
      `num_polarities`, `patch_size`, `log_likelihood`, how many are drawn
      (`num_shown`), and the patches of each part (`counts`).

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, figure 1.2.
    """
    blocks, described, scalars = [], [], []
    for tag, run in zip(("count", "other_count"), runs, strict=False):
        parts = run.parts
        shown = parts.pictures[: options.num_parts or None]
        title = f"{run.name}: {len(shown)} of {len(parts.counts)} parts"
        blocks.append((f"{title}{_turns(parts)}", shown))
        described.append({"model": run.name, "num_shown": len(shown), **_describe(parts)})
        scalars += [(tag, rank, float(count)) for rank, count in enumerate(parts.counts)]
    numbers = {"analysis": NAME, "model": runs[0].name, "runs": described}
    counts = ", ".join(f"{len(run.parts.counts)} of {run.name}" for run in runs)
    return Findings(NAME, numbers, draw_parts(blocks), scalars, f"parts: {counts}")


def _turns(parts: Parts) -> str:
    """Returns in words how many transformations a part is seen in."""
    counts = {
        "rotations": parts.layout.num_rotations,
        "polarities": parts.layout.num_polarities,
    }
    words = [f"{count} {name}" for name, count in counts.items() if count > 1]
    return f", each in {' and '.join(words)}" if words else ""


def _describe(parts: Parts) -> dict[str, Any]:
    """Returns what the JSON file says of the parts of a run."""
    return {
        "num_parts": parts.layout.num_parts,
        "num_rotations": parts.layout.num_rotations,
        "num_polarities": parts.layout.num_polarities,
        "patch_size": parts.size,
        "log_likelihood": parts.log_likelihood,
        "counts": parts.counts.tolist(),
    }
