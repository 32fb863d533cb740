"""The protocols by which a network is evaluated, by name."""

from typing import Any

from tfcolor.evaluation.colorization import ColorizationProtocol
from tfcolor.evaluation.depth import DepthProtocol
from tfcolor.evaluation.detection import DetectionProtocol
from tfcolor.evaluation.few_label import FewLabelProtocol
from tfcolor.evaluation.image_classification import ImageClassificationProtocol
from tfcolor.evaluation.linear_evaluation import LinearEvaluationProtocol
from tfcolor.evaluation.linear_probe import LinearProbeProtocol
from tfcolor.evaluation.linear_svm import LinearSvmProtocol
from tfcolor.evaluation.multilabel import MultilabelProtocol
from tfcolor.evaluation.retrieval import RetrievalProtocol
from tfcolor.evaluation.segmentation import SegmentationProtocol

PROTOCOLS: dict[str, Any] = {
    "colorization": ColorizationProtocol,
    "voc_classification": MultilabelProtocol,
    "voc_segmentation": SegmentationProtocol,
    "voc_detection": DetectionProtocol,
    "depth": DepthProtocol,
    "image_classification": ImageClassificationProtocol,
    "few_label": FewLabelProtocol,
    "linear_evaluation": LinearEvaluationProtocol,
    "linear_probe": LinearProbeProtocol,
    "linear_svm": LinearSvmProtocol,
    "retrieval": RetrievalProtocol,
}
"""Classes with `Options` and `subject`; all but colorization are a `NetworkProtocol`."""
