"""Optimizer: Adagrad."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from trainkit.parts.optimizers import optimizers
from trainkit.parts.optimizers._torch import TorchOptimizer


@optimizers.register
class Adagrad(TorchOptimizer):
    """Steps divided by the root of the sum of all squared gradients so far (Duchi, Hazan and Singer 2011, JMLR 12)."""

    name: Literal["adagrad"] = "adagrad"
    lr: float = Field(default=1e-2, gt=0, le=1e3)
    """Learning rate; the schedule multiplies it."""
    lr_decay: float = Field(default=0.0, ge=0, le=1e3)
    """After n steps the rate is also divided by 1 + n × lr_decay."""
    initial_accumulator_value: float = Field(default=0.0, ge=0, le=1e3)
    """What the sum begins with: more makes the first steps smaller."""
    eps: float = Field(default=1e-10, gt=0, le=1)
    """Added to the divisor."""
    torch_name: ClassVar[str] = "Adagrad"
    fixed: ClassVar[tuple[str, ...]] = ("initial_accumulator_value",)
    fused_on: ClassVar[tuple[str, ...]] = ("cpu", "cuda")

    def arguments(self) -> dict[str, Any]:
        return {
            "lr_decay": self.lr_decay,
            "initial_accumulator_value": self.initial_accumulator_value,
            "eps": self.eps,
        }
