"""Optimizer: Adam."""

from typing import ClassVar, Literal

from trainkit.parts.optimizers import optimizers
from trainkit.parts.optimizers._torch import EVERYWHERE, AdamLike


@optimizers.register
class Adam(AdamLike):
    """Steps scaled by running means of the gradient and its square (Kingma and Ba 2015, arXiv 1412.6980)."""

    name: Literal["adam"] = "adam"
    torch_name: ClassVar[str] = "Adam"
    fused_on: ClassVar[tuple[str, ...]] = EVERYWHERE
