"""Tasks: what the network's outputs mean, how they are judged, and how they become answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Protocol

from trainkit.part import Part, Registry
from trainkit.spec import Batch, Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Better = Literal["higher", "lower"]


class BuiltTask(Protocol):
    """All that the loop and the evaluation know of a task."""

    def __call__(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """``loss``, the mean over the batch, and ``outputs`` (rows, outputs)."""

    def weight(self, batch: Batch) -> int | Tensor:
        """What the loss's mean divides by: a piece's share of its batch, an evaluation's share of its split."""

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """The measures of a whole split, in the target's own units."""

    def answers(self, outputs: Tensor) -> Tensor:
        """Outputs as answers: (rows,) class numbers, or (rows, targets) amounts in the target's own units."""

    def baseline(self, targets: Tensor) -> dict[str, float]:
        """The measures of the best answer that looks at no input: the score to beat."""

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move what the task holds of tensors."""


class Task(Part):
    """What the outputs mean."""

    target: ClassVar[Literal["class", "number"]]
    """The kind of target it works on."""
    measures: ClassVar[Mapping[str, Better]]
    """What is measured besides the loss, and which way is better."""

    def build(self, spec: Spec) -> BuiltTask:
        """Raises ConfigError when the settings don't fit the data."""
        raise NotImplementedError


tasks = Registry("tasks", "task", Task)
AnyTask = Annotated[Task, tasks]
