"""Optimizer: AdamZ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from trainkit.part import fault
from trainkit.parts.optimizers import optimizers
from trainkit.parts.optimizers._torch import EVERYWHERE, AdamLike

if TYPE_CHECKING:
    import torch


@optimizers.register
class AdamZ(AdamLike):
    """Adam whose rate falls when the loss jumps up and rises when it stands still (Zaznov et al. 2024, arXiv 2411.15375).

    The schedule multiplies this rate too. The paper also clips the gradient's norm: here that is ``training.clip``.
    """

    name: Literal["adamz"] = "adamz"
    overshoot_factor: float = Field(default=0.5, gt=0, lt=1)
    """The rate is multiplied by this when a loss is the largest of the last `patience`."""
    stagnation_factor: float = Field(default=1.2, gt=1, le=1e3)
    """The rate is multiplied by this when the losses stand still."""
    stagnation_threshold: float = Field(default=0.2, ge=0, le=1e3)
    """They do when the deviation of the last `stagnation_period` is less than this share of that of the last `patience`."""
    patience: int = Field(default=100, ge=2, le=1_000)
    """Steps whose losses are remembered; until there are so many, the rate stays."""
    stagnation_period: int = Field(default=10, ge=2, le=1_000)
    """Steps that are looked at for a standstill; at most `patience`."""
    min_lr: float = Field(default=1e-7, gt=0, le=1e3)
    """Smallest rate that it goes to, the schedule aside."""
    max_lr: float = Field(default=1.0, gt=0, le=1e3)
    """Largest rate that it goes to, the schedule aside."""
    fused_on: ClassVar[tuple[str, ...]] = EVERYWHERE

    @model_validator(mode="after")
    def _fits(self) -> AdamZ:
        if self.stagnation_period > self.patience:
            said = f"a stagnation_period of {self.stagnation_period} is longer than the patience of {self.patience}"
            raise fault(("stagnation_period",), said)
        if not self.min_lr <= self.lr <= self.max_lr:
            raise fault(("lr",), f"{self.lr:g} does not lie between min_lr, {self.min_lr:g}, and max_lr, {self.max_lr:g}")
        return self

    def made_by(self) -> type[torch.optim.Optimizer]:
        from trainkit.parts.optimizers._adamz import AdamZ as Made

        return Made

    def arguments(self) -> dict[str, Any]:
        own = ("overshoot_factor", "stagnation_factor", "stagnation_threshold", "patience", "stagnation_period", "min_lr", "max_lr")
        return super().arguments() | {name: getattr(self, name) for name in own}

    def rate_taken(self, optimizer: torch.optim.Optimizer) -> float:
        group = optimizer.param_groups[0]
        return super().rate_taken(optimizer) * float(group["factor"])
