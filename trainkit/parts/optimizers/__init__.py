"""Optimizers: how gradients become steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from trainkit.errors import ConfigError
from trainkit.part import Part, Registry

if TYPE_CHECKING:
    import torch
    from torch import nn


class Optimizer(Part):
    """How gradients become steps."""

    lr: float = Field(default=1e-3, gt=0, le=1e3)
    """Learning rate; the schedule multiplies it."""
    weight_decay: float = Field(default=0.0, ge=0, le=1e3)
    """How strongly weights are pulled to zero: so much of themselves is added to their gradient."""
    decay_all: bool = False
    """Decay biases and the weights of norms too. They are left alone by default: they have one dimension and don't overfit."""

    fixed: ClassVar[tuple[str, ...]] = ()
    """Settings, besides name and decay_all, that a resumed run can't change: its state follows from them."""

    def rate_taken(self, optimizer: torch.optim.Optimizer) -> float:
        """The rate of the last step: the one that the loop gave, unless the optimizer makes another of it."""
        return float(optimizer.param_groups[0]["lr"])

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """An optimizer over the network's trainable parameters."""
        raise NotImplementedError

    def groups(self, network: nn.Module) -> list[dict[str, object]]:
        """Parameters that decay, and those that don't: biases and norms, all of one dimension."""
        trained = [p for p in network.parameters() if p.requires_grad]
        decayed = [p for p in trained if self.decay_all or p.ndim > 1]
        spared = [p for p in trained if not (self.decay_all or p.ndim > 1)]
        groups: list[dict[str, object]] = [
            {"params": decayed, "weight_decay": self.weight_decay},
            {"params": spared, "weight_decay": 0.0},
        ]
        if not trained:
            raise ConfigError("the model has no weights that train.", key=("model",), suggestion="Give it some, or unfreeze them.")
        return [group for group in groups if group["params"]]


optimizers = Registry("optimizers", "optimizer", Optimizer, default="adamw")
AnyOptimizer = Annotated[Optimizer, optimizers]
