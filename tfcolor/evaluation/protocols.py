"""The protocols by which a network is evaluated, by name."""

from typing import Any

from tfcolor.evaluation.colorization import ColorizationProtocol
from tfcolor.evaluation.few_label import FewLabelProtocol
from tfcolor.evaluation.image_classification import ImageClassificationProtocol
from tfcolor.evaluation.linear_evaluation import LinearEvaluationProtocol
from tfcolor.evaluation.multilabel import MultilabelProtocol
from tfcolor.evaluation.segmentation import SegmentationProtocol

PROTOCOLS: dict[str, Any] = {
    "colorization": ColorizationProtocol,
    "voc_classification": MultilabelProtocol,
    "voc_segmentation": SegmentationProtocol,
    "image_classification": ImageClassificationProtocol,
    "few_label": FewLabelProtocol,
    "linear_evaluation": LinearEvaluationProtocol,
}
"""Classes with `Options` and `subject`; those that measure trained networks say
of which `task`, empty for any, and whether an ensemble makes sense."""
