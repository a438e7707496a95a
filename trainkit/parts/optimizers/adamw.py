"""Optimizer: AdamW."""

from typing import ClassVar, Literal

from pydantic import Field

from trainkit.parts.optimizers import optimizers
from trainkit.parts.optimizers._torch import EVERYWHERE, AdamLike


@optimizers.register
class AdamW(AdamLike):
    """Adam with weight decay kept apart from the gradient (Loshchilov and Hutter 2019, arXiv 1711.05101)."""

    name: Literal["adamw"] = "adamw"
    weight_decay: float = Field(default=0.01, ge=0, le=1e3)
    """How strongly weights are pulled to zero, each step by lr × weight_decay of themselves."""
    torch_name: ClassVar[str] = "AdamW"
    fused_on: ClassVar[tuple[str, ...]] = EVERYWHERE
