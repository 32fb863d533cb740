"""What the protocols that measure trained networks share."""

from typing import ClassVar, Generic, TypeVar

from tfcolor.evaluation.subjects import NETWORKS

OwnOptions = TypeVar("OwnOptions")


class NetworkProtocol(Generic[OwnOptions]):
    """Measures the networks of runs, by default a single one of any task.

    Each protocol has its own `evaluate`, of networks, a reader and reports.

    Args:
      options: how to measure, an instance of `Options`.
    """

    name: ClassVar[str]
    subject: ClassVar[str] = NETWORKS
    task: ClassVar[str] = ""
    """Whose runs are measured; empty for any."""
    takes_several: ClassVar[bool] = False
    """Whether several networks are measured, as an ensemble."""
    Options: ClassVar[type]

    def __init__(self, options: OwnOptions) -> None:
        self._options = options
