"""The tasks that can be trained, by name."""

from typing import Any

from tfcolor.tasks.autoencoder import AutoencoderTask
from tfcolor.tasks.classification import ClassificationTask
from tfcolor.tasks.colorization import ColorizationTask
from tfcolor.tasks.distillation import DistillationTask
from tfcolor.tasks.multilabel import MultilabelTask
from tfcolor.tasks.segmentation import SegmentationTask

TASKS: dict[str, Any] = {
    "colorization": ColorizationTask,
    "classification": ClassificationTask,
    "multilabel": MultilabelTask,
    "segmentation": SegmentationTask,
    "autoencoder": AutoencoderTask,
    "distillation": DistillationTask,
}
"""Classes behind `Task`, each with its options dataclass as `Options`, built from
(options, readers by split)."""
