"""Losses: what training makes small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from trainkit.part import Part, Registry

if TYPE_CHECKING:
    from torch import Tensor, nn


class Loss(Part):
    """What training makes small: outputs and targets in, their mean loss out."""

    target: ClassVar[Literal["class", "number"]]
    """The kind of target it compares with."""

    def build(self, class_weights: Tensor | None) -> nn.Module:
        """A module ``(outputs, targets) -> mean``. ``class_weights`` is (classes,); the mean then divides by their sum."""
        raise NotImplementedError


losses = Registry("losses", "loss", Loss)
AnyLoss = Annotated[Loss, losses]
