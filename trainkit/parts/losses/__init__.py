"""Losses: what training makes small."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar

from trainkit.part import Part, Registry
from trainkit.spec import Spec, Target

if TYPE_CHECKING:
    from torch import Tensor

    Mean = Callable[[Tensor, Tensor], Tensor]
    """``(outputs, targets) -> mean``: a module of torch.nn, or a function."""


class Loss(Part):
    """What training makes small: outputs and targets in, their mean loss out."""

    targets: ClassVar[tuple[Target, ...]]
    """The kinds of target it compares with: class, number, labels."""
    soft: ClassVar[bool] = True
    """Does it take labels between 0 and 1, as mixing rows makes them?"""

    def outputs(self, spec: Spec) -> int:
        """How many numbers a row the network must answer with. Raises ConfigError for data that this loss cannot serve."""
        return spec.outputs

    def build(self, class_weights: Tensor | None) -> Mean:
        """``(outputs, targets) -> mean``, on the device and in the type of ``class_weights`` (classes,) where there are some.

        ``outputs`` are (rows, outputs), in float32 at least. ``targets`` are (rows,) int64 for classes, or floating
        point: (rows, targets) for numbers, (rows, labels) of 0 and 1. With class weights the mean divides by the sum
        of the rows' weights (`weighted_mean`), so that the pieces of a batch add up to the whole.
        """
        raise NotImplementedError


def weighted_mean(rows: Tensor, targets: Tensor, class_weights: Tensor | None) -> Tensor:
    """Mean of the (rows,) losses, each row counted by the weight of its class."""
    if class_weights is None:
        return rows.mean()
    weights = class_weights[targets]
    return (rows * weights).sum() / weights.sum()


losses = Registry("losses", "loss", Loss)
AnyLoss = Annotated[Loss, losses]
