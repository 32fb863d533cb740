"""The tasks that can be trained, by name."""

from typing import Any

from tfcolor.tasks.classification import ClassificationTask
from tfcolor.tasks.colorization import ColorizationTask

TASKS: dict[str, Any] = {
    "colorization": ColorizationTask,
    "classification": ClassificationTask,
}
"""Classes behind `Task`, each with its options dataclass as `Options`, built from
(options, readers by split)."""
