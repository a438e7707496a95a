"""Loss: focal."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainkit.parts.losses import Loss, losses, weighted_mean
from trainkit.spec import Target

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.parts.losses import Mean


@losses.register
class Focal(Loss):
    """Cross-entropy in which rows that are right already count less (Lin et al. 2017, arXiv 1708.02002).

    A row counts ``(1 - p)**gamma`` times, p being the chance given to the truth. The paper's alpha is `class_weights`.
    It divides by the rows, not by the paper's number of boxes.
    """

    name: Literal["focal"] = "focal"
    gamma: float = Field(default=2.0, ge=0, le=100)
    """How much less; 0 is cross-entropy (or bce, for labels)."""
    targets: ClassVar[tuple[Target, ...]] = ("class", "labels")
    soft: ClassVar[bool] = False

    def build(self, class_weights: Tensor | None) -> Mean:
        import torch
        from torch.nn.functional import log_softmax, logsigmoid

        def focal(outputs: Tensor, targets: Tensor) -> Tensor:
            if targets.is_floating_point():
                log_chance = logsigmoid(outputs * (2 * targets - 1))
            else:
                log_chance = log_softmax(outputs, dim=1).gather(1, targets[:, None])
            # Not quite 0: the slope of 0**gamma is infinite for a gamma below 1, and infinity times 0 is NaN.
            wrong = (-torch.expm1(log_chance)).clamp(min=torch.finfo(outputs.dtype).tiny)
            return weighted_mean((-log_chance * wrong**self.gamma).mean(dim=1), targets, class_weights)

        return focal
