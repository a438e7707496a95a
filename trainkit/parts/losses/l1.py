"""Loss: mean absolute error."""

from typing import ClassVar, Literal

from trainkit.parts.losses import losses
from trainkit.parts.losses._torch import NumberLoss


@losses.register
class L1(NumberLoss):
    """Mean absolute error: outliers weigh less than in mse."""

    name: Literal["l1"] = "l1"
    torch_name: ClassVar[str] = "L1Loss"
