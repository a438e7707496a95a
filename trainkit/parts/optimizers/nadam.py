"""Optimizer: NAdam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from trainkit.parts.optimizers import optimizers
from trainkit.parts.optimizers._torch import AdamLike

if TYPE_CHECKING:
    import torch
    from torch import nn


@optimizers.register
class NAdam(AdamLike):
    """Adam that looks ahead along the running mean, as Nesterov's momentum does (Dozat 2016, ICLR workshop)."""

    name: Literal["nadam"] = "nadam"
    lr: float = Field(default=2e-3, gt=0, le=1e3)
    """Learning rate; the schedule multiplies it."""
    momentum_decay: float = Field(default=4e-3, ge=0, le=1)
    """How fast the look ahead grows to its full length."""
    torch_name: ClassVar[str] = "NAdam"

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "momentum_decay": self.momentum_decay}

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        made = super().build(network)
        made.register_load_state_dict_post_hook(_as_it_was)
        return made


def _as_it_was(optimizer: torch.optim.Optimizer) -> None:
    """Loading casts this number to type and device of the weights: a resume in fp64 would differ, one on a GPU wait."""
    for state in optimizer.state.values():
        state["mu_product"] = state["mu_product"].to(state["step"])
