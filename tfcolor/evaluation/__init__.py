"""The protocols by which a network is evaluated, by name."""

from tfcolor.evaluation.colorization import ColorizationProtocol

PROTOCOLS = {"colorization": ColorizationProtocol}
