"""Tasks: what the network's outputs mean, how they are judged, and how they become answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, Self

from pydantic import model_validator

from trainkit.part import Part, Registry, fault
from trainkit.parts.metrics import AnyMetric, Better, Metric
from trainkit.parts.metrics import metrics as known_metrics
from trainkit.spec import Batch, Spec, Target

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

WORDS: Mapping[Target, str] = {"class": "classes", "number": "amounts", "labels": "labels"}
"""What each kind of target is called."""


class BuiltTask(Protocol):
    """All that the loop and the evaluation know of a task."""

    def __call__(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """``loss``, the mean over the batch, and ``outputs`` (rows, outputs)."""

    def weight(self, batch: Batch) -> float | Tensor:
        """What the loss's mean divides by: a piece's share of its batch, an evaluation's share of its split."""

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """The measures of a whole split. Raises NumericError for one that is no finite number where the outputs are."""

    def details(self, outputs: Tensor, targets: Tensor) -> dict[str, dict[str, float]]:
        """Figures of each class, label or target, by its name; empty where there is one target only."""

    def answers(self, outputs: Tensor) -> Tensor:
        """Outputs as answers: (rows,) class numbers, (rows, labels) 0 and 1, or (rows, targets) amounts in their own units."""

    def baseline(self, targets: Tensor) -> dict[str, float]:
        """The measures of an answer that looks at no input: the score to beat. NaN for a metric that has none for it."""

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move what the task holds of tensors."""


class Task(Part):
    """What the outputs mean."""

    target: ClassVar[Target]
    """The kind of target it works on."""
    always: ClassVar[tuple[str, ...]] = ()
    """Names of metrics that are measured even if nobody lists them."""
    metrics: tuple[AnyMetric, ...] = ()
    """What is measured besides the loss."""

    @model_validator(mode="after")
    def _metrics_fit(self) -> Self:
        seen = {"loss"}
        for n, metric in enumerate(self.metrics):
            if self.target not in metric.targets:
                what = f"the metric {metric.name} measures {words(metric.targets)}, and {self.name} has {WORDS[self.target]}"
                raise fault(("metrics", n), f"{what}: use {fitting(known_metrics, self.target)}")
            if metric.label in seen:
                raise fault(("metrics", n), f"{metric.label} is measured already: leave one out, or change its settings")
            seen.add(metric.label)
        return self

    @property
    def measured(self) -> tuple[Metric, ...]:
        """The metrics, in order: those that are listed, then those that are always there."""
        listed = {metric.label for metric in self.metrics}
        return (*self.metrics, *(known_metrics.read(name) for name in self.always if name not in listed))

    @property
    def measures(self) -> Mapping[str, Better]:
        """What is measured besides the loss, and which way is better."""
        return {metric.label: metric.better for metric in self.measured}

    def outputs(self, spec: Spec) -> int:
        """How many numbers a row the network must answer with. Raises ConfigError when the settings don't fit the data."""
        return spec.outputs

    def build(self, spec: Spec) -> BuiltTask:
        """Raises ConfigError when the settings don't fit the data."""
        raise NotImplementedError


def fitting(family: Registry[Any], target: Target) -> str:
    """The parts of a family (losses, metrics) that work on this kind of target, in words."""
    *most, last = [name for name in family.names() if target in getattr(family.find(name), "targets", ())]
    return f"{', '.join(most)} or {last}" if most else last


def words(targets: tuple[Target, ...]) -> str:
    """``classes and labels``."""
    return " and ".join(WORDS[target] for target in targets)


tasks = Registry("tasks", "task", Task)
AnyTask = Annotated[Task, tasks]
