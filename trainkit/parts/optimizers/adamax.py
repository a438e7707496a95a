"""Optimizer: Adamax."""

from typing import ClassVar, Literal

from pydantic import Field

from trainkit.parts.optimizers import optimizers
from trainkit.parts.optimizers._torch import AdamLike


@optimizers.register
class Adamax(AdamLike):
    """Adam with the largest gradient of late instead of the mean square (Kingma and Ba 2015, arXiv 1412.6980, section 7.1)."""

    name: Literal["adamax"] = "adamax"
    lr: float = Field(default=2e-3, gt=0, le=1e3)
    """Learning rate; the schedule multiplies it."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """How slowly the largest gradient is forgotten."""
    torch_name: ClassVar[str] = "Adamax"
