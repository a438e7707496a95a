"""Optimizer: stochastic gradient descent."""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from trainkit.part import fault
from trainkit.parts.optimizers import optimizers
from trainkit.parts.optimizers._torch import EVERYWHERE, TorchOptimizer


@optimizers.register
class SGD(TorchOptimizer):
    """Stochastic gradient descent, with momentum if you like."""

    name: Literal["sgd"] = "sgd"
    lr: float = Field(default=1e-2, gt=0, le=1e3)
    """Learning rate; the schedule multiplies it."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """How much of the last step is kept (Polyak 1964)."""
    nesterov: bool = False
    """Look ahead along the momentum first (Sutskever et al. 2013, section 2)."""
    torch_name: ClassVar[str] = "SGD"
    fused_on: ClassVar[tuple[str, ...]] = EVERYWHERE

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "SGD":
        if self.nesterov and not self.momentum:
            raise fault(("nesterov",), "nesterov needs momentum: set momentum to 0.9, say")
        return self

    def arguments(self) -> dict[str, Any]:
        return {"momentum": self.momentum, "nesterov": self.nesterov}
