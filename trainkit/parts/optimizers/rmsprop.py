"""Optimizer: RMSprop."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from trainkit.parts.optimizers import optimizers
from trainkit.parts.optimizers._torch import TorchOptimizer


@optimizers.register
class RMSprop(TorchOptimizer):
    """Steps divided by the root of a running mean of the squared gradient (Hinton 2012, Coursera, lecture 6e)."""

    name: Literal["rmsprop"] = "rmsprop"
    lr: float = Field(default=1e-2, gt=0, le=1e3)
    """Learning rate; the schedule multiplies it."""
    alpha: float = Field(default=0.99, ge=0, lt=1)
    """Memory of the running mean of squared gradients."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """How much of the last step is kept."""
    centered: bool = False
    """Divide by the deviation of the gradient instead: the mean is taken off first (Graves 2013, arXiv 1308.0850)."""
    eps: float = Field(default=1e-8, gt=0, le=1)
    """Added to the divisor."""
    torch_name: ClassVar[str] = "RMSprop"
    fixed: ClassVar[tuple[str, ...]] = ("momentum", "centered")

    def arguments(self) -> dict[str, Any]:
        return {"alpha": self.alpha, "momentum": self.momentum, "centered": self.centered, "eps": self.eps}
