"""Loss: Huber."""

from typing import ClassVar, Literal

from pydantic import Field

from trainkit.parts.losses import losses
from trainkit.parts.losses._torch import NumberLoss


@losses.register
class Huber(NumberLoss):
    """Squared for small errors, absolute for large ones (Huber 1964, doi 10.1214/aoms/1177703732)."""

    name: Literal["huber"] = "huber"
    delta: float = Field(default=1.0, gt=0)
    """Where it turns from squared to absolute, in standard deviations of the target."""
    torch_name: ClassVar[str] = "HuberLoss"
