"""Loss: hinge."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainkit.parts.losses import Loss, losses, weighted_mean
from trainkit.spec import Target

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.parts.losses import Mean


@losses.register
class Hinge(Loss):
    """Hinge: nothing once the truth wins by a margin, as in support vector machines.

    Classes: the sum over the wrong classes of ``max(0, margin - true output + wrong output)**p``, divided by the number
    of classes (Weston and Watkins 1999; torch.nn.MultiMarginLoss). Labels: the mean of ``max(0, margin ∓ output)**p``.
    """

    name: Literal["hinge"] = "hinge"
    margin: float = Field(default=1.0, gt=0)
    """By how much the true output should win."""
    p: Literal[1, 2] = 1
    """2 squares what is missing."""
    targets: ClassVar[tuple[Target, ...]] = ("class", "labels")
    soft: ClassVar[bool] = False

    def build(self, class_weights: Tensor | None) -> Mean:
        import torch

        def hinge(outputs: Tensor, targets: Tensor) -> Tensor:
            if targets.is_floating_point():
                lead = outputs * (2 * targets - 1)
            else:
                true = torch.arange(outputs.shape[1], device=outputs.device) == targets[:, None]
                # torch's own multi_margin_loss has no kernel for Apple GPUs.
                lead = (outputs.gather(1, targets[:, None]) - outputs).masked_fill(true, self.margin)
            missing = (self.margin - lead).clamp(min=0) ** self.p
            return weighted_mean(missing.mean(dim=1), targets, class_weights)

        return hinge
