"""The State of a run: all that changes while training, besides weights and optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isnan
from typing import Any

import torch
from torch import Tensor


@dataclass
class State:
    """Position, best and patience, and the sums since the last evaluation."""

    loss_sum: Tensor
    """Loss × weight, summed on the device since the last evaluation."""
    weight_sum: Tensor
    step: int = 0
    """Optimizer steps done."""
    best: float | None = None
    best_step: int = 0
    best_metrics: dict[str, float] = field(default_factory=dict)
    anchor: float | None = None
    """The value that patience measures against: the last one that beat its forerunner by more than min_delta."""
    stale: int = 0
    """Evaluations since then."""
    monitor: str | None = None
    """The metric whose values best and anchor are."""
    schedule: dict[str, Any] = field(default_factory=dict)
    """What the schedule remembers of the evaluations so far."""

    @classmethod
    def new(cls, device: torch.device) -> State:
        """Before the first step."""
        exact = torch.float32 if device.type == "mps" else torch.float64
        return cls(torch.zeros((), dtype=exact, device=device), torch.zeros((), dtype=exact, device=device))

    def advance(self, loss: Tensor, weight: float | Tensor) -> None:
        """One step done, with this mean loss over this weight. Nothing waits for the device."""
        self.step += 1
        self.loss_sum += loss * weight
        self.weight_sum += weight

    def take_means(self) -> dict[str, float]:
        """The mean loss since the last call; the sums begin anew."""
        mean = (self.loss_sum / self.weight_sum).item()
        self.loss_sum.zero_()
        self.weight_sum.zero_()
        return {"loss": mean}

    def judge(self, metrics: Mapping[str, float], monitor: str, higher: bool, min_delta: float) -> bool:
        """Count an evaluation; True when it is the best so far. NaN is never better than anything."""
        if monitor != self.monitor:  # a resume may change it, and the numbers of two metrics don't compare
            self.monitor, self.best, self.anchor, self.stale = monitor, None, None, 0
        value = metrics[monitor]
        sign = 1.0 if higher else -1.0
        improved = not isnan(value) and (self.best is None or sign * value > sign * self.best)
        lasting = not isnan(value) and sign * value > (-inf if self.anchor is None else sign * self.anchor + min_delta)
        if improved:
            self.best, self.best_step, self.best_metrics = value, self.step, dict(metrics)
        if lasting:
            self.anchor = value
        self.stale = 0 if lasting else self.stale + 1
        return improved

    def forget_best(self) -> None:
        """The best weights are not at hand: the next evaluation is the best again. Patience goes on counting."""
        self.best, self.best_step, self.best_metrics = None, 0, {}

    def content(self) -> dict[str, Any]:
        """Plain values and tensors, for the checkpoint."""
        return {name: value.clone() if isinstance(value, Tensor) else value for name, value in vars(self).items()}

    def restore(self, content: Mapping[str, Any]) -> None:
        """Become the state that `content` wrote. Raises KeyError when a part is missing."""
        for name, mine in list(vars(self).items()):
            value = content[name]
            setattr(self, name, value.to(mine.device, mine.dtype) if isinstance(mine, Tensor) else value)
