"""The tasks that can be trained, by name."""

from tfcolor.tasks.colorization import ColorizationTask

TASKS = {"colorization": ColorizationTask}
