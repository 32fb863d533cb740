"""The permutations that a latent transformation makes of a complete sample."""

import dataclasses

from tfcolor.analysis.findings import Findings
from tfcolor.analysis.parts_figures import draw_permutations
from tfcolor.core.options import option
from tfcolor.mixtures.permutations import cyclic_permutations

NAME = "permutations"


@dataclasses.dataclass(frozen=True)
class PermutationsOptions:
    """What permutations shows."""

    num_rotations: int = option(3, "R, rotations over the circle", minimum=1, maximum=32)
    num_polarities: int = option(2, "T, polarities", minimum=1, maximum=2)


def show_permutations(options: PermutationsOptions) -> Findings:
    """Shows the matrix A: which block of a sample meets which of the parameters.

    Block w = R t + r is polarity t and rotation r. Under transformation w, block
    A(w, w') of the sample meets block w' of the parameters.

    Args:
      options: the size of the group.

    Returns:
      `matrix`, the rows of A, with `num_rotations` and `num_polarities`.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, figure A.1 and eq. 1.7.
    """
    matrix = cyclic_permutations(options.num_rotations, options.num_polarities)
    group = f"R = {options.num_rotations}, T = {options.num_polarities}"
    title = f"A(w, w'), the block of the sample X that meets block w' ({group})"
    return Findings(
        name=NAME,
        numbers={
            "analysis": NAME,
            "num_rotations": options.num_rotations,
            "num_polarities": options.num_polarities,
            "matrix": matrix.tolist(),
        },
        figure=draw_permutations(matrix, options.num_rotations, title),
        scalars=[],
        headline=f"{len(matrix)} permutations of {len(matrix)} blocks ({group})",
    )
