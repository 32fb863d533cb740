"""The output spaces of colorization, by name."""

from collections.abc import Callable, Mapping

from tfcolor.color.outputs.base import OutputSpace
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.color.outputs.lab import LabMarginals, LabValues
from tfcolor.color.outputs.lab_joint import LabGamut, LabJoint

OUTPUT_SPACES: Mapping[str, Callable[[int], OutputSpace]] = {
    "hue_chroma": HueChroma,
    "lab_values": LabValues,
    "lab_marginals": LabMarginals,
    "lab_joint": LabJoint,
    "lab_gamut": LabGamut,
}
