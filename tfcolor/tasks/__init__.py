"""The tasks that can be trained, by name."""

from typing import Any

from tfcolor.tasks.autoencoder import AutoencoderTask
from tfcolor.tasks.bigan import BiganTask
from tfcolor.tasks.classification import ClassificationTask
from tfcolor.tasks.colorization import ColorizationTask
from tfcolor.tasks.deep_clustering import DeepClusteringTask
from tfcolor.tasks.depth import DepthTask
from tfcolor.tasks.detection import DetectionTask
from tfcolor.tasks.distillation import DistillationTask
from tfcolor.tasks.exemplar import ExemplarTask
from tfcolor.tasks.exemplar_classes import ExemplarClassesTask
from tfcolor.tasks.inpainting import InpaintingTask
from tfcolor.tasks.jigsaw import JigsawTask
from tfcolor.tasks.linear_probe import LinearProbeTask
from tfcolor.tasks.motion_segmentation import MotionSegmentationTask
from tfcolor.tasks.multilabel import MultilabelTask
from tfcolor.tasks.relative_position import RelativePositionTask
from tfcolor.tasks.rotation import RotationTask
from tfcolor.tasks.segmentation import SegmentationTask
from tfcolor.tasks.simclr import SimclrTask
from tfcolor.tasks.split_brain import SplitBrainTask
from tfcolor.tasks.video_flow import VideoFlowTask
from tfcolor.tasks.video_saliency import VideoSaliencyTask

TASKS: dict[str, Any] = {
    "colorization": ColorizationTask,
    "classification": ClassificationTask,
    "linear_probe": LinearProbeTask,
    "multilabel": MultilabelTask,
    "segmentation": SegmentationTask,
    "detection": DetectionTask,
    "depth": DepthTask,
    "autoencoder": AutoencoderTask,
    "distillation": DistillationTask,
    "bigan": BiganTask,
    "deep_clustering": DeepClusteringTask,
    "exemplar": ExemplarTask,
    "exemplar_classes": ExemplarClassesTask,
    "inpainting": InpaintingTask,
    "jigsaw": JigsawTask,
    "motion_segmentation": MotionSegmentationTask,
    "relative_position": RelativePositionTask,
    "rotation": RotationTask,
    "simclr": SimclrTask,
    "split_brain": SplitBrainTask,
    "video_flow": VideoFlowTask,
    "video_saliency": VideoSaliencyTask,
}
"""Classes behind `Task`, each with its options dataclass as `Options`, built from
(options, readers by split)."""
