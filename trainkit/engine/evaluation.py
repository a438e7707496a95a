"""Measuring a network on a split, without disturbing training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainkit.data.splits import Split
from trainkit.engine.hardware import Hardware
from trainkit.parts.tasks import BuiltTask


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Every module in evaluation mode, no gradients; then each in its own mode again."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():  # under inference_mode, tensors that a forward keeps would break later training
            yield
    finally:
        for module, mode in modes:  # network.train() would wake the batch norm of a frozen part
            module.training = mode


@dataclass(frozen=True)
class Scores:
    """What a split's evaluation found."""

    metrics: dict[str, float]
    """``loss``, and the task's measures."""
    outputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Evaluator:
    """A network, the task that judges it, and how many rows it sees at once (which decides last digits)."""

    network: nn.Module
    task: BuiltTask
    hardware: Hardware
    batch_size: int

    def __call__(self, rows: Split) -> Scores:
        """Measure all of ``rows``, in order. Draws no random number; every module's own mode is put back."""
        with evaluating(self.network), self.hardware.autocast():
            done = [(self.task(self.network, part), self.task.weight(part)) for part in rows.slices(self.batch_size)]
        outputs = torch.cat([part["outputs"].to(self.hardware.dtype) for part, _ in done])
        total = sum(weight for _, weight in done)
        loss = torch.stack([part["loss"] * weight for part, weight in done]).sum() / total
        metrics = {"loss": loss.item(), **self.task.metrics(outputs, rows.targets)}
        return Scores(metrics, outputs, rows.targets)

    def details(self, scores: Scores) -> dict[str, dict[str, float]]:
        """Figures of each class, label or target, by its name."""
        return self.task.details(scores.outputs, scores.targets)
