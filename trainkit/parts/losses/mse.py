"""Loss: mean squared error."""

from typing import ClassVar, Literal

from trainkit.parts.losses import losses
from trainkit.parts.losses._torch import NumberLoss


@losses.register
class MSE(NumberLoss):
    """Mean squared error."""

    name: Literal["mse"] = "mse"
    torch_name: ClassVar[str] = "MSELoss"
