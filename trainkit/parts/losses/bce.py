"""Loss: binary cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from trainkit.errors import ConfigError
from trainkit.parts.losses import Loss, losses, weighted_mean
from trainkit.spec import Spec, Target

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.parts.losses import Mean


@losses.register
class BCE(Loss):
    """Binary cross-entropy: one yes or no a label, or a single one between two classes.

    Of two classes the network gives one number, the log odds of the second; the loss is cross-entropy on ``[0, it]``.
    """

    name: Literal["bce"] = "bce"
    targets: ClassVar[tuple[Target, ...]] = ("class", "labels")

    def outputs(self, spec: Spec) -> int:
        """One number for two classes, one for each label."""
        if spec.target != "class":
            return spec.outputs
        if len(spec.classes) != 2:
            raise ConfigError(
                f"the loss bce tells two classes apart, and the data has {len(spec.classes)}.",
                key=("task", "loss"),
                suggestion="Use cross_entropy.",
            )
        return 1

    def build(self, class_weights: Tensor | None) -> Mean:
        from torch.nn.functional import binary_cross_entropy_with_logits

        def bce(outputs: Tensor, targets: Tensor) -> Tensor:
            truth = targets if targets.is_floating_point() else targets[:, None].to(outputs.dtype)
            each = binary_cross_entropy_with_logits(outputs, truth, reduction="none")
            return weighted_mean(each.mean(dim=1), targets, class_weights)

        return bce
