"""What the optimizers of torch.optim share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from trainkit.parts.optimizers import Optimizer

if TYPE_CHECKING:
    import torch
    from torch import nn

EVERYWHERE = ("cpu", "cuda", "mps")


class TorchOptimizer(Optimizer):
    """A class of torch.optim and its arguments."""

    torch_name: ClassVar[str]
    fused_on: ClassVar[tuple[str, ...]] = ()
    """Devices on which PyTorch updates all weights in one kernel."""

    def arguments(self) -> dict[str, Any]:
        """What the class of torch.optim takes besides parameters and learning rate."""
        return {}

    def made_by(self) -> type[torch.optim.Optimizer]:
        """The class."""
        from torch import optim

        made: type[torch.optim.Optimizer] = getattr(optim, self.torch_name)
        return made

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        # fused: one kernel a step (0.1 ms less on a small MLP), and it can skip a bad step without waiting for a GPU.
        fused = {"fused": True} if {p.device.type for p in network.parameters()} <= set(self.fused_on) else {}
        arguments: dict[str, Any] = {"lr": self.lr, **fused, **self.arguments()}
        return self.made_by()(self.grouped(network), **arguments)


class AdamLike(TorchOptimizer):
    """What the optimizers with two running means share."""

    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Memory of the running mean of gradients."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Memory of the running mean of squared gradients."""
    eps: float = Field(default=1e-8, gt=0, le=1)
    """Added to the divisor."""

    def arguments(self) -> dict[str, Any]:
        return {"betas": (self.beta1, self.beta2), "eps": self.eps}
