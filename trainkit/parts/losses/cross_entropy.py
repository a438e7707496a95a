"""Loss: cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainkit.parts.losses import Loss, losses
from trainkit.spec import Target

if TYPE_CHECKING:
    from torch import Tensor, nn


@losses.register
class CrossEntropy(Loss):
    """Cross-entropy over the classes: minus the logarithm of the chance given to the true class."""

    name: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the chance that is spread over all classes (Szegedy et al. 2016, arXiv 1512.00567, section 7)."""
    targets: ClassVar[tuple[Target, ...]] = ("class",)

    def build(self, class_weights: Tensor | None) -> nn.Module:
        from torch.nn import CrossEntropyLoss

        return CrossEntropyLoss(weight=class_weights, label_smoothing=self.label_smoothing)
