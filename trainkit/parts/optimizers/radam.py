"""Optimizer: RAdam."""

from typing import ClassVar, Literal

from trainkit.parts.optimizers import optimizers
from trainkit.parts.optimizers._torch import AdamLike


@optimizers.register
class RAdam(AdamLike):
    """Adam that warms itself up: it scales steps only once it knows enough (Liu et al. 2020, arXiv 1908.03265)."""

    name: Literal["radam"] = "radam"
    torch_name: ClassVar[str] = "RAdam"
